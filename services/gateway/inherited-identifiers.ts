/**
 * Inherited identifiers — deliveries of one partition that earlier connections of the session had
 * begun: they are sent again under their packet identifiers, or not at all.
 *
 * Shape: a map position → identifier, there only while something is left. DONE: the client has it
 *        (QoS 2, docs/adr/0014), it must not be sent when its queue brings it.
 * Ends:  what the queue has passed without showing it: a QoS 1 identifier is free, a QoS 2 delivery
 *        is closed by PUBREL, for the client may have the message.
 */
import type { Position } from '#log';

/** Added to the identifier of a QoS 2 delivery that its home knows. */
export const INHERITED_QOS2 = 0x1_0000;
const DONE = 0x2_0000;

/** What becomes of identifiers whose message does not come again. */
export interface PassedIdentifiers {
  free(packetIdentifier: number): void;
  close(packetIdentifier: number): void;
}

export class InheritedIdentifiers {
  #byPosition: Map<Position, number> | undefined;

  /** A QoS 1 delivery, or one that is not known to the home. */
  add(position: Position, packetIdentifier: number): void {
    this.#set(position, packetIdentifier);
  }
  addQos2(position: Position, packetIdentifier: number): void {
    this.#set(position, packetIdentifier + INHERITED_QOS2);
  }
  addDone(position: Position): void {
    this.#set(position, DONE);
  }

  get isEmpty(): boolean {
    return this.#byPosition === undefined;
  }

  /** Those that the home does not know of. */
  *entries(): Generator<readonly [position: Position, packetIdentifier: number]> {
    for (const entry of this.#byPosition ?? []) if (entry[1] < INHERITED_QOS2) yield entry;
  }

  /** It was sent before. */
  has(position: Position): boolean {
    return this.#byPosition?.has(position) === true;
  }

  /** Whether it is done: then it is forgotten, and passed over. */
  passDone(position: Position): boolean {
    if (this.#byPosition?.get(position) !== DONE) return false;
    this.#remove(position);
    return true;
  }

  /** The identifier of a position that is sent now, with INHERITED_QOS2; 0: it has none. */
  take(position: Position): number {
    const identifier = this.#byPosition?.get(position) ?? 0;
    if (identifier !== 0) this.#remove(position);
    return identifier;
  }

  /** Nothing at or below `readTo` comes any more. */
  freeUpTo(readTo: Position, passed: PassedIdentifiers): void {
    if (this.#byPosition === undefined) return;
    for (const [position, identifier] of this.#byPosition) {
      if (position > readTo) continue;
      this.#remove(position);
      if (identifier < INHERITED_QOS2) passed.free(identifier);
      else if (identifier !== DONE) passed.close(identifier - INHERITED_QOS2);
    }
  }

  #set(position: Position, value: number): void {
    this.#byPosition ??= new Map();
    this.#byPosition.set(position, value);
  }

  #remove(position: Position): void {
    this.#byPosition?.delete(position);
    if (this.#byPosition?.size === 0) this.#byPosition = undefined;
  }
}
