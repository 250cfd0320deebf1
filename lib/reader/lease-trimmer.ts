/**
 * Lease trimmer — tombstones of gateways and members would stand in the lease stream for ever: the
 * dispatchers' owner of partition 0 deletes old ones.
 *
 * Rule:  below every record that still counts, as seen an hour ago: a view that is behind has long
 *        seen them, and compare-and-set refuses a holder that comes back after that, too.
 * Keeps: reader records, also of free partitions: they say what the log is kept for.
 */
import type { Clock, Timer } from '#base';
import type { Bus } from '#bus';
import { LEASE_STREAM, type LeaseView } from '#lease';

/** Between two looks, ms. */
const LOOK_MS = 600_000;
/** Looks between seeing and deleting: an hour. */
const LOOKS_KEPT = 6;

export class LeaseTrimmer {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #leases: LeaseView;
  /** Lowest sequences needed at the last looks, oldest first. */
  readonly #seen: number[] = [];
  #trimmedBelow = 0;
  #timer: Timer | undefined;

  constructor(bus: Bus, clock: Clock, leases: LeaseView) {
    this.#bus = bus;
    this.#clock = clock;
    this.#leases = leases;
    this.#plan();
  }

  close(): void {
    if (this.#timer !== undefined) this.#clock.cancel(this.#timer);
  }

  #plan(): void {
    this.#timer = this.#clock.after(LOOK_MS, () => {
      this.#plan();
      this.#look();
    });
  }

  #look(): void {
    this.#seen.push(this.#leases.lowestNeeded());
    if (this.#seen.length <= LOOKS_KEPT) return;
    const below = this.#seen.shift() ?? 0;
    if (below <= this.#trimmedBelow) return;
    this.#bus.trim(LEASE_STREAM, below, (done) => {
      if (done) this.#trimmedBelow = below;
    });
  }
}
