/**
 * Channel — one direction of one connection: delayed, in order, and it can be blocked.
 *
 * Blocked (partition, stopped server): what is sent waits as in the buffers of TCP. Unblocked in
 * time it all arrives, late; given up with the connection, the owner decides what had got through.
 */
import type { Random } from '#base';
import { drawSpan, type Faults } from './faults.ts';
import type { SimClock } from './sim-clock.ts';

export class Channel {
  readonly #clock: SimClock;
  readonly #random: Random;
  readonly #faults: Faults;
  #lastMs = 0;
  #blocked = false;
  #held: (() => void)[] = [];

  constructor(clock: SimClock, random: Random, faults: Faults) {
    this.#clock = clock;
    this.#random = random;
    this.#faults = faults;
  }

  send(arrive: () => void): void {
    if (this.#blocked) {
      this.#held.push(arrive);
      return;
    }
    const { linkMs, gridMs } = this.#faults;
    const atMs = this.#clock.nowMs() + drawSpan(this.#random, linkMs);
    this.#lastMs = Math.max(this.#lastMs, Math.ceil(atMs / gridMs) * gridMs);
    this.#clock.at(this.#lastMs, arrive);
  }

  block(): void {
    this.#blocked = true;
  }

  unblock(): void {
    this.#blocked = false;
    const held = this.#held;
    this.#held = [];
    for (const arrive of held) this.send(arrive);
  }

  /** Takes away what waits: the connection is given up. */
  takeHeld(): (() => void)[] {
    const held = this.#held;
    this.#held = [];
    return held;
  }
}
