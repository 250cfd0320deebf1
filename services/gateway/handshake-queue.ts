/**
 * Handshake queue — how many TLS handshakes are computed at once, so that no turn of the loop
 * lasts.
 *
 * A handshake costs CPU twice: when it begins, and with the client's answer. Beginnings are a few
 * per turn; answers come when they like, so only HANDSHAKES_UNFINISHED_MAX may be expected at a
 * time. Who does not answer within HANDSHAKE_SLOT_MS is not waited for: nobody can block the others
 * by beginning and falling silent.
 * Full: `isFull`; the edge closes the socket as `server_busy`.
 */
import type { Clock } from '#base';
import type { Handshake } from './handshake.ts';
import {
  HANDSHAKE_SLOT_MS,
  HANDSHAKES_PER_TURN,
  HANDSHAKES_UNFINISHED_MAX,
  HANDSHAKES_WAITING_MAX,
} from './limits.ts';

/** How soon a queue without a free slot is looked at again, milliseconds. */
const RETRY_MS = 10;

export class HandshakeQueue {
  readonly #clock: Clock;
  readonly #begin: (handshake: Handshake) => void;
  readonly #waiting = new Set<Handshake>();
  /** Begun, with the time; oldest first. */
  readonly #unfinished = new Map<Handshake, number>();
  #isPlanned = false;

  constructor(clock: Clock, begin: (handshake: Handshake) => void) {
    this.#clock = clock;
    this.#begin = begin;
  }

  get size(): number {
    return this.#waiting.size;
  }
  get isFull(): boolean {
    return this.#waiting.size >= HANDSHAKES_WAITING_MAX;
  }

  add(handshake: Handshake): void {
    this.#waiting.add(handshake);
    this.#plan();
  }

  /** Done, in whatever way. */
  remove(handshake: Handshake): void {
    this.#waiting.delete(handshake);
    if (this.#unfinished.delete(handshake)) this.#plan();
  }

  #plan(): void {
    if (this.#isPlanned || this.#waiting.size === 0) return;
    this.#isPlanned = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isPlanned = false;
    const nowMs = this.#clock.nowMs();
    for (const [handshake, begunAtMs] of this.#unfinished) {
      if (nowMs - begunAtMs < HANDSHAKE_SLOT_MS) break;
      this.#unfinished.delete(handshake);
    }
    let left = Math.min(HANDSHAKES_PER_TURN, HANDSHAKES_UNFINISHED_MAX - this.#unfinished.size);
    const isBlocked = left <= 0;
    for (const handshake of this.#waiting) {
      if (left-- <= 0) break;
      this.#waiting.delete(handshake);
      this.#unfinished.set(handshake, nowMs);
      this.#begin(handshake);
    }
    if (!isBlocked) this.#plan();
    else if (this.#waiting.size > 0) this.#clock.after(RETRY_MS, () => this.#plan());
  }
}
