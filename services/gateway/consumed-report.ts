/**
 * Consumed report — up to where a session has acknowledged its queue in one partition, and whether
 * the owner was told (docs/adr/0012, S9).
 *
 * Shape: the highest position that the queue is known to have held, and the one told last. Above it
 *        nothing is told: a session that is live has nothing queued.
 * Lost:  core messages may be lost and nobody acknowledges these: each value is told TELLS times,
 *        and to a new owner again. What is lost all the same goes with the cursor at the end.
 */
import type { Position } from '#log';

const TELLS = 3;

export class ConsumedReport {
  readonly #base: Position;
  #told: Position;
  #top: Position = 0;
  #tells = 0;

  /** `base`: acknowledged before this stay. */
  constructor(base: Position) {
    this.#base = base;
    this.#told = base;
  }

  /** The queue holds, or may hold, something at this position. */
  queued(position: Position): void {
    if (position > this.#top) this.#top = position;
  }

  /** Nothing is to be told. `lowestOpen`: lowest position handed out and not acknowledged. */
  isTold(lowestOpen: Position): boolean {
    return this.#tells === 0 && Math.min(lowestOpen - 1, this.#top) <= this.#told;
  }

  /** What is to be told now; undefined: nothing. */
  take(lowestOpen: Position): Position | undefined {
    const upTo = Math.min(lowestOpen - 1, this.#top);
    if (upTo > this.#told) {
      this.#told = upTo;
      this.#tells = TELLS;
    }
    if (this.#tells === 0) return undefined;
    this.#tells--;
    return this.#told;
  }

  /** There is a new owner. */
  again(): void {
    if (this.#told > this.#base) this.#tells = TELLS;
  }
}
