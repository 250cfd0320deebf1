/**
 * Open positions — which messages of a partition still need their record of the log.
 *
 * A position is open while a delivery of it is under way that is not in the state log. Positions
 * are opened in log order, so the first key of the map is the lowest one.
 */
import type { Position } from '#log';

export class OpenPositions {
  readonly #deliveries = new Map<Position, number>();
  #handled: Position;

  constructor(start: Position) {
    this.#handled = start;
  }

  /** Everything is dealt with up to here: what a reader of the log never needs again. */
  get checkpoint(): Position {
    const first = this.#deliveries.keys().next();
    return first.done === true ? this.#handled : first.value - 1;
  }

  /** Everything was looked at up to here. */
  get handled(): Position {
    return this.#handled;
  }

  /** One more delivery of the message at `position` is under way. */
  open(position: Position): void {
    this.#deliveries.set(position, (this.#deliveries.get(position) ?? 0) + 1);
  }

  /** One delivery less: done, dropped by name, or in the state log. */
  close(position: Position): void {
    const left = (this.#deliveries.get(position) ?? 0) - 1;
    if (left > 0) this.#deliveries.set(position, left);
    else this.#deliveries.delete(position);
  }

  /** Everything up to `position` was looked at. */
  passed(position: Position): void {
    if (position > this.#handled) this.#handled = position;
  }
}
