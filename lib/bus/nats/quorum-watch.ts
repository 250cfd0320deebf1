/**
 * Quorum watch — notices that a server is cut off from the others although it answers pings.
 *
 * Shape: such a server takes appends and decides none: it has no leader, or one without majority.
 *        An append that waits while none was decided for DEAF_MS means: try another server.
 * Costs: a needless change of server while a leader is elected (4–9 s), since nobody can tell that
 *        from a cut; so the wait doubles with each change until an append is decided again.
 * Hot:   one comparison per append sent, two stores per append decided.
 */
import type { Clock } from '#base';

/** As long as the silence after which a server counts as lost; below the leases of 3 and 10 s. */
export const DEAF_MS = 2_000;
const DEAF_MS_MAX = 16_000;

export class QuorumWatch {
  readonly #clock: Clock;
  readonly #onDeaf: () => void;
  /** When the oldest append was sent since one was decided; 0: none waits. */
  #waitingSinceMs = 0;
  #waitMs = DEAF_MS;

  constructor(clock: Clock, onDeaf: () => void) {
    this.#clock = clock;
    this.#onDeaf = onDeaf;
  }

  sent(): void {
    if (this.#waitingSinceMs === 0) this.#waitingSinceMs = this.#clock.nowMs();
  }

  decided(): void {
    this.#waitingSinceMs = 0;
    this.#waitMs = DEAF_MS;
  }

  undecided(): void {
    if (this.#waitingSinceMs === 0) return;
    if (this.#clock.nowMs() - this.#waitingSinceMs < this.#waitMs) return;
    this.#waitingSinceMs = 0;
    this.#waitMs = Math.min(DEAF_MS_MAX, this.#waitMs * 2);
    this.#onDeaf();
  }

  /** The connection is another: what was sent before waits no more. */
  reset(): void {
    this.#waitingSinceMs = 0;
  }
}
