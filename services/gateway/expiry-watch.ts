/**
 * Expiry watch — tells when the credentials of an open connection have reached their end.
 *
 * Shape: connections by the second in which they end; looked at once a second while there are any.
 * Late:  at most EXPIRY_POLL_MS. Wall clock, as certificates and tokens go by it.
 * Cost:  one entry per connection; those of one second share a set.
 */
import type { Clock } from '#base';

const EXPIRY_POLL_MS = 500;

export class ExpiryWatch<Item> {
  readonly #clock: Clock;
  readonly #onExpired: (item: Item) => void;
  readonly #bySecond = new Map<number, Set<Item>>();
  readonly #secondOf = new Map<Item, number>();
  /** Nothing ends before this second. */
  #earliest = Number.POSITIVE_INFINITY;
  #isPolling = false;

  constructor(clock: Clock, onExpired: (item: Item) => void) {
    this.#clock = clock;
    this.#onExpired = onExpired;
  }

  /** Replaces what was set for the item before; undefined: it never ends. */
  set(item: Item, validUntilMs: number | undefined): void {
    // A whole second later than the end at most, never before it.
    const second = Math.floor((validUntilMs ?? Number.POSITIVE_INFINITY) / 1_000) + 1;
    if (this.#secondOf.get(item) === second) return;
    this.remove(item);
    if (!Number.isFinite(second)) return;
    let items = this.#bySecond.get(second);
    if (items === undefined) this.#bySecond.set(second, (items = new Set()));
    items.add(item);
    this.#secondOf.set(item, second);
    this.#earliest = Math.min(this.#earliest, second);
    this.#poll();
  }

  remove(item: Item): void {
    const second = this.#secondOf.get(item);
    if (second === undefined) return;
    this.#secondOf.delete(item);
    const items = this.#bySecond.get(second);
    items?.delete(item);
    if (items?.size === 0) this.#bySecond.delete(second);
  }

  #poll(): void {
    if (this.#isPolling) return;
    this.#isPolling = true;
    this.#clock.after(EXPIRY_POLL_MS, () => {
      this.#isPolling = false;
      this.#look();
      if (this.#secondOf.size > 0) this.#poll();
    });
  }

  #look(): void {
    const nowSeconds = this.#clock.wallMs() / 1_000;
    if (nowSeconds < this.#earliest) return;
    this.#earliest = Number.POSITIVE_INFINITY;
    for (const [second, items] of [...this.#bySecond]) {
      if (second > nowSeconds) this.#earliest = Math.min(this.#earliest, second);
      else {
        for (const item of [...items]) {
          this.remove(item);
          this.#onExpired(item);
        }
      }
    }
  }
}
