/**
 * Membership — this gateway's place in the cluster: its lease with the report, and who else lives.
 *
 * Shape: take the lease, then read the lease stream up to that write for the owners' epochs and
 *        trust none lower (protocol 19); renew with a report of done, beacons and unanswered
 *        requests (8); follow the other gateways for QoS 0.
 * Ends:  deadline passed → stands still, goes on when a renewal is accepted; refused → over.
 */
import type { Clock } from '#base';
import type { Bus } from '#bus';
import {
  GATEWAY_TTL_MS,
  gatewayLeaseSubject,
  type GatewayReport,
  LeaseHolder,
  LeaseView,
  readerEpoch,
} from '#lease';
import { DISPATCH_GROUP } from '#reader';
import type { Position } from '#log';
import type { OwnerLink } from './owner-link.ts';

export interface MembershipOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly incarnation: string;
  readonly instance: string;
  readonly links: readonly OwnerLink[];
  readonly filterVersion: () => number;
  /** What live stored sessions have acknowledged, and what is known of them (ADR 0012, S7). */
  readonly floor: () => readonly (Position | null)[];
  readonly known: () => readonly number[];
  /** Claims, or changes of stored sessions, wait too long for this home. */
  readonly homeUnanswered: (partition: number, nowMs: number) => boolean;
  /** Another gateway lives, and its filters stand at this version. */
  readonly onReport: (incarnation: string, filterVersion: number) => void;
  readonly onLeave: (incarnation: string) => void;
  /** The lease is held and the owners' epochs are known. */
  readonly onReady: () => void;
  readonly onStill: (still: boolean) => void;
  readonly onEnded: () => void;
}

export class Membership {
  readonly #o: MembershipOptions;
  readonly #lease: LeaseHolder<GatewayReport>;
  readonly #view: LeaseView;
  #doneReported = '';
  #ready = false;

  constructor(options: MembershipOptions) {
    this.#o = options;
    const { bus, clock, incarnation } = options;
    this.#view = new LeaseView({ bus, clock });
    this.#view.onGateway((other, entry) => {
      if (other === incarnation) return;
      if (entry === undefined) options.onLeave(other);
      else options.onReport(other, entry.content.filterVersion);
    });
    this.#lease = new LeaseHolder<GatewayReport>({
      bus,
      clock,
      subject: gatewayLeaseSubject(incarnation),
      holder: incarnation,
      ttlMs: GATEWAY_TTL_MS,
      content: () => this.#report(),
      idle: () => this.#idle(),
      onTaken: (revision) => this.#view.waitFor(revision, () => this.#learnEpochs()),
      onStandStill: () => options.onStill(true),
      onGoOn: () => options.onStill(false),
      onEnded: (why) => {
        if (why !== 'released') options.onEnded();
      },
    });
  }

  get ready(): boolean {
    return this.#ready;
  }
  /** Whether this gateway may act now; notices a deadline passed during a pause. */
  holds(): boolean {
    return this.#lease.holds();
  }

  join(): void {
    this.#lease.take(0);
  }

  /** Orderly end: the owners see it at once. */
  leave(onDone: () => void): void {
    this.#lease.end(() => {
      this.#view.close();
      onDone();
    });
  }

  #learnEpochs(): void {
    for (const link of this.#o.links) {
      const entry = this.#view.reader(DISPATCH_GROUP, link.partition);
      if (entry !== undefined) link.raiseEpoch(readerEpoch(entry));
    }
    this.#ready = true;
    this.#o.onReady();
  }

  #report(): GatewayReport {
    const { links, clock, incarnation, instance } = this.#o;
    const nowMs = clock.nowMs();
    return {
      incarnation,
      instance,
      done: links.map((link) => link.done ?? null),
      floor: this.#o.floor(),
      known: [...this.#o.known()],
      heard: links.map((link) => link.heard),
      unanswered: links.map(
        (link) => link.unanswered(nowMs) || this.#o.homeUnanswered(link.partition, nowMs),
      ),
      filterVersion: this.#o.filterVersion(),
    };
  }

  /** Nothing was delivered or acknowledged since the last report: it may come half as often. */
  #idle(): boolean {
    const done = `${this.#o.links.map((link) => link.done).join(' ')} ${this.#o.floor().join(' ')}`;
    const idle = done === this.#doneReported;
    this.#doneReported = done;
    return idle;
  }
}
