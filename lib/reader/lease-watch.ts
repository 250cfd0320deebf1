/**
 * Lease watch — ends the leases of those who are gone (protocol, Leases; 9).
 *
 * Rule:  no change for TTL, counted in time in which this process's own writes were acknowledged.
 * Shape: one tombstone write per lease under way; a lease that is to end whether it renews or not
 *        (rule 9) is tried again at each newer revision.
 */
import type { Clock } from '#base';
import type { Bus } from '#bus';
import {
  type ConditionalWrite,
  endLease,
  GATEWAY_TTL_MS,
  type LeaseEntry,
  type LeaseView,
  type ObserverClock,
  READER_TTL_MS,
} from '#lease';

/** Tries at newer revisions: a gateway renews twice a second, a try takes milliseconds. */
const FORCED_ATTEMPTS_MAX = 20;
const FORCED_RETRY_MS = 50;

export interface LeaseWatchOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly leases: LeaseView;
  readonly observer: ObserverClock;
  readonly group: string;
  /** Own life: never ended here, and part of each tombstone. */
  readonly member: string;
  readonly endsGateways: boolean;
  readonly onGatewayEnded: (incarnation: string, why: string) => void;
}

export class LeaseWatch {
  readonly #o: LeaseWatchOptions;
  readonly #writes = new Map<string, ConditionalWrite>();
  #number = 0;
  #closed = false;

  constructor(options: LeaseWatchOptions) {
    this.#o = options;
  }

  /** Whether the holder of this record has been silent for too long. */
  isExpired(entry: LeaseEntry<unknown>, ttlMs: number): boolean {
    return this.#o.observer.elapsedSince(entry.changedAtMs) >= ttlMs;
  }

  /** Ends what has expired. Called a few times a second. */
  check(ownMember: string): void {
    const { leases, group, endsGateways, onGatewayEnded } = this.#o;
    for (const [member, entry] of leases.members(group)) {
      if (member !== ownMember && this.isExpired(entry, READER_TTL_MS)) this.#end(entry, () => {});
    }
    if (!endsGateways) return;
    for (const [incarnation, entry] of leases.gateways) {
      if (!this.isExpired(entry, GATEWAY_TTL_MS)) continue;
      this.#end(entry, (ended) => {
        if (ended) onGatewayEnded(incarnation, 'no renewal');
      });
    }
  }

  /** Ends a gateway that renews but does not move. */
  endGateway(incarnation: string, why: string, attempts = FORCED_ATTEMPTS_MAX): void {
    const entry = this.#o.leases.gateways.get(incarnation);
    if (entry === undefined || attempts === 0 || this.#closed) return;
    this.#end(entry, (ended) => {
      if (ended) return this.#o.onGatewayEnded(incarnation, why);
      this.#o.clock.after(FORCED_RETRY_MS, () => this.endGateway(incarnation, why, attempts - 1));
    });
  }

  close(): void {
    this.#closed = true;
    for (const write of this.#writes.values()) write.close();
    this.#writes.clear();
  }

  #end(entry: LeaseEntry<unknown>, onDone: (ended: boolean) => void): void {
    const { subject } = entry;
    if (this.#closed || this.#writes.has(subject)) return;
    const { bus, clock, member } = this.#o;
    const number = ++this.#number;
    const write = endLease({
      bus,
      clock,
      entry,
      observer: member,
      number,
      onDone: (ended) => {
        this.#writes.delete(subject);
        if (!this.#closed) onDone(ended);
      },
    });
    this.#writes.set(subject, write);
  }
}
