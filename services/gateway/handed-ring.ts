/**
 * Handed ring — what a stored session was handed of one partition and has not acknowledged.
 *
 * Shape: positions in the order of handing out, which is that of the log, with a flag each; a
 *        delivery is named by its sequence, from 1. Acknowledged in any order; the lowest open one
 *        is what cursor, floor and consumed are made of (docs/adr/0012, S5–S9).
 * Cost:  9 bytes per open delivery, nothing allocated but when it grows.
 * Full:  it doubles; the client's buffer bounds it (`hasCapacity`).
 */
import type { Position } from '#log';

const SLOTS_START = 16;
const NO_POSITIONS = new Float64Array(0);
const NO_FLAGS = new Uint8Array(0);

export class HandedRing {
  #positions = NO_POSITIONS;
  #settled = NO_FLAGS;
  /** Sequence of the lowest open delivery; that of the next one when none is open. */
  #head = 1;
  #tail = 1;
  /** The lowest that may be open above `#bound` is this one or later. */
  #above = 1;
  #bound: Position = 0;

  get isEmpty(): boolean {
    return this.#head === this.#tail;
  }
  /** Lowest position that is not acknowledged; Infinity: none. */
  get lowest(): Position {
    return this.isEmpty ? Infinity : this.#at(this.#head);
  }

  /** Returns the sequence that names the delivery. `position` lies above all before. */
  push(position: Position): number {
    if (this.#tail - this.#head === this.#positions.length) this.#grow();
    const slot = this.#tail & (this.#positions.length - 1);
    this.#positions[slot] = position;
    this.#settled[slot] = 0;
    return this.#tail++;
  }

  /** False: it is not open. */
  settle(sequence: number): boolean {
    if (!this.#isOpen(sequence)) return false;
    this.#settled[sequence & (this.#settled.length - 1)] = 1;
    while (this.#head < this.#tail && this.#isSettled(this.#head)) this.#head++;
    return true;
  }

  /** Position of an open delivery. */
  positionOf(sequence: number): Position | undefined {
    return this.#isOpen(sequence) ? this.#at(sequence) : undefined;
  }

  /** Lowest open position above `bound`; Infinity: none. Fast while `bound` stays the same. */
  lowestAbove(bound: Position): Position {
    if (bound !== this.#bound) {
      this.#bound = bound;
      this.#above = this.#head;
    }
    let at = Math.max(this.#above, this.#head);
    while (at < this.#tail && (this.#isSettled(at) || this.#at(at) <= bound)) at++;
    this.#above = at;
    return at === this.#tail ? Infinity : this.#at(at);
  }

  #isOpen(sequence: number): boolean {
    return sequence >= this.#head && sequence < this.#tail && !this.#isSettled(sequence);
  }
  #isSettled(sequence: number): boolean {
    return this.#settled[sequence & (this.#settled.length - 1)] === 1;
  }
  #at(sequence: number): Position {
    return this.#positions[sequence & (this.#positions.length - 1)] as Position;
  }

  #grow(): void {
    const size = Math.max(SLOTS_START, this.#positions.length * 2);
    const positions = new Float64Array(size);
    const settled = new Uint8Array(size);
    for (let at = this.#head; at < this.#tail; at++) {
      positions[at & (size - 1)] = this.#at(at);
      settled[at & (size - 1)] = this.#isSettled(at) ? 1 : 0;
    }
    this.#positions = positions;
    this.#settled = settled;
  }
}
