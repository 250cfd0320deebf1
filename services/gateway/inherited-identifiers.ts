/**
 * Inherited identifiers — deliveries of one partition that an earlier connection of the session had
 * sent and that were not acknowledged: they are sent again under their packet identifiers.
 *
 * Shape: a map position → identifier, there only while something is left.
 * Ends:  what the queue has passed without showing it gives its identifier free.
 */
import type { Position } from '#log';
import type { LocalClient } from './port.ts';

export class InheritedIdentifiers {
  #byPosition: Map<Position, number> | undefined;

  add(position: Position, packetIdentifier: number): void {
    this.#byPosition ??= new Map();
    this.#byPosition.set(position, packetIdentifier);
  }

  get isEmpty(): boolean {
    return this.#byPosition === undefined;
  }

  entries(): Iterable<readonly [position: Position, packetIdentifier: number]> {
    return this.#byPosition ?? [];
  }

  has(position: Position): boolean {
    return this.#byPosition?.has(position) === true;
  }

  /** The identifier of a position that is sent now; 0: it has none. */
  take(position: Position): number {
    const identifier = this.#byPosition?.get(position) ?? 0;
    if (identifier !== 0) this.#remove(position);
    return identifier;
  }

  /** Nothing at or below `readTo` comes any more. */
  freeUpTo(readTo: Position, client: LocalClient): void {
    if (this.#byPosition === undefined) return;
    for (const [position, identifier] of this.#byPosition) {
      if (position > readTo) continue;
      this.#remove(position);
      client.freeIdentifier(identifier);
    }
  }

  #remove(position: Position): void {
    this.#byPosition?.delete(position);
    if (this.#byPosition?.size === 0) this.#byPosition = undefined;
  }
}
