/**
 * Observer clock — the time in which this process's own writes were acknowledged (protocol,
 * Leases): only that counts when it judges others, so an outage of NATS ends nobody.
 *
 * Shape: fed with the send time of each own renewal once that renewal is acknowledged *and* seen in
 *        the view: the stream's order says that whatever others stored before it is seen, too.
 * Rule:  a pause between two such writes longer than OUTAGE_GAP_MS, or a lost connection, is an
 *        outage: all counting starts anew with the first write after it.
 */

/**
 * Between two acknowledged renewals (sent every 500 ms) no more than this, else an outage, ms: half
 * of the shortest lease, so that its holder can have renewed by then; a busy loop stays below it.
 */
export const OUTAGE_GAP_MS = 1_500;

export class ObserverClock {
  /** Outages noticed; plain counter. */
  outages = 0;
  #countingSinceMs = Infinity;
  #confirmedMs = -Infinity;
  #interrupted = true;

  /** An own write sent at `sentMs` is acknowledged and seen. */
  confirmed(sentMs: number): void {
    if (sentMs <= this.#confirmedMs) return;
    const gap = sentMs - this.#confirmedMs > OUTAGE_GAP_MS;
    if (this.#interrupted || gap) {
      this.#countingSinceMs = sentMs;
      this.outages++;
    }
    this.#interrupted = false;
    this.#confirmedMs = sentMs;
  }

  /** The connection was lost, or the holder stands still: counting starts anew. */
  interrupted(): void {
    this.#interrupted = true;
    this.#countingSinceMs = Infinity;
  }

  /** Counted milliseconds since `sinceMs` (monotonic); 0 while an outage lasts. */
  elapsedSince(sinceMs: number): number {
    if (this.#interrupted) return 0;
    return Math.max(0, this.#confirmedMs - Math.max(sinceMs, this.#countingSinceMs));
  }
}
