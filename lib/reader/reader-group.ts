/**
 * Reader group — one process of it: lives as a member, takes its share of the partitions.
 *
 * Share: ⌈partitions ÷ members⌉. A free partition goes first to a member below its share, and
 *        there to the one whose turn it is; one above it gives one up every few seconds.
 * Free:  no record, a released one, or one unchanged for TTL of acknowledged time. Two that take
 *        at once: compare-and-set lets one.
 */
import assert from 'node:assert/strict';
import type { Timer } from '#base';
import {
  LeaseHolder,
  LeaseView,
  memberLeaseSubject,
  type MemberReport,
  ObserverClock,
  READER_TTL_MS,
} from '#lease';
import { LeaseWatch } from './lease-watch.ts';
import { OwnedPartition } from './owned-partition.ts';
import {
  DISPATCH_GROUP,
  type PartitionFigures,
  type PartitionLogic,
  READER_GROUPS,
  type ReaderGroupHandle,
  type ReaderGroupOptions,
} from './port.ts';

/** Shares are looked at so often, ms; and at each change of a record of the group. */
const LOOK_MS = 250;
/** A free partition waits so long for the member whose turn it is, and for one below its share. */
const TURN_MS = 150;
const SHARE_MS = 2_000;
/** Between two partitions given up by a member above its share, ms. */
const GIVE_UP_MS = 3_000;
/** A process that gave a partition up marked leaves it to others for so long, ms. */
const MARKED_MS = 2_000;
/** Wait for the end of the member record before partitions are released, ms. */
const LEAVE_MEMBER_MS = 300;

export class ReaderGroup implements ReaderGroupHandle {
  readonly leases: LeaseView;
  readonly observer = new ObserverClock();

  readonly #o: ReaderGroupOptions;
  readonly #watch: LeaseWatch;
  readonly #trimsFor: readonly string[];
  readonly #partitions = new Map<number, OwnedPartition>();
  readonly #freeSinceMs = new Map<number, number>();
  readonly #notBeforeMs = new Map<number, number>();
  #membership: LeaseHolder<MemberReport> | undefined;
  #member = '';
  #joins = 0;
  #takes = 0;
  #lastGiveUpMs = -Infinity;
  #timer: Timer | undefined;
  #lookPlanned = false;
  #leaving = false;
  #closed = false;
  #removers: (() => void)[] = [];

  constructor(options: ReaderGroupOptions) {
    assert.match(options.member, /^[\w-]+$/);
    this.#o = options;
    const { bus, clock, group, member } = options;
    const endsGateways = options.endsGateways ?? group === DISPATCH_GROUP;
    this.#trimsFor = group === DISPATCH_GROUP ? (options.trimsFor ?? READER_GROUPS) : [];
    this.leases = new LeaseView({
      bus,
      clock,
      onTrouble: (subject, fault) =>
        options.onEvent({ kind: 'record unreadable', detail: `${subject}: ${String(fault)}` }),
    });
    this.#watch = new LeaseWatch({
      bus,
      clock,
      leases: this.leases,
      observer: this.observer,
      group,
      member,
      endsGateways,
      onGatewayEnded: (incarnation, detail) =>
        options.onEvent({ kind: 'gateway ended', incarnation, detail }),
    });
  }

  get owned(): ReadonlyMap<number, PartitionLogic> {
    const owned = new Map<number, PartitionLogic>();
    for (const [partition, one] of this.#partitions) {
      if (one.logic !== undefined) owned.set(partition, one.logic);
    }
    return owned;
  }
  /** Everything this process takes, owns or leaves now. */
  get partitions(): ReadonlyMap<number, OwnedPartition> {
    return this.#partitions;
  }

  /** Of the partitions that are being read. */
  get figures(): PartitionFigures[] {
    return [...this.#partitions.values()]
      .map(({ figures }) => figures)
      .filter((figures) => figures !== undefined);
  }

  start(): void {
    const { bus, group } = this.#o;
    this.#removers = [
      bus.onConnection((connected) => {
        if (!connected) this.observer.interrupted();
      }),
      this.leases.onReader((of) => of === group && this.#lookSoon()),
      this.leases.onMember((of) => of === group && this.#lookSoon()),
    ];
    this.#join();
    this.#tick();
  }

  leave(onDone: () => void): void {
    if (this.#leaving || this.#closed) return;
    this.#leaving = true;
    this.#cancelTimer();
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      this.#leavePartitions(() => {
        this.kill();
        onDone();
      });
    };
    // The member record first: whoever sees a free partition then counts without this process.
    this.#membership?.end(release);
    this.#o.clock.after(LEAVE_MEMBER_MS, release);
  }

  kill(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelTimer();
    for (const remove of this.#removers) remove();
    this.#membership?.abandon();
    for (const partition of this.#partitions.values()) partition.kill();
    this.#watch.close();
    this.leases.close();
  }

  #leavePartitions(onLeft: () => void): void {
    const all = [...this.#partitions.values()];
    let waiting = all.length;
    if (waiting === 0) return onLeft();
    for (const partition of all) {
      partition.leave(() => {
        waiting--;
        if (waiting === 0) onLeft();
      });
    }
  }

  /** A member that was ended while it was paused comes back under a new name. */
  #join(): void {
    const { bus, clock, group, instance, member } = this.#o;
    this.#joins++;
    const name = this.#joins === 1 ? member : `${member}-${this.#joins}`;
    this.#member = name;
    this.#membership = new LeaseHolder<MemberReport>({
      bus,
      clock,
      subject: memberLeaseSubject(group, name),
      holder: name,
      ttlMs: READER_TTL_MS,
      content: () => ({ instance, partitions: [...this.#partitions.keys()] }),
      onRenewed: (revision, sentMs) =>
        this.leases.waitFor(revision, () => this.observer.confirmed(sentMs)),
      onStandStill: () => this.observer.interrupted(),
      onEnded: (why) => {
        if (why !== 'released' && !this.#leaving && !this.#closed) this.#join();
      },
    });
    this.#membership.take(0);
  }

  #tick(): void {
    this.#timer = this.#o.clock.after(LOOK_MS, () => this.#tick());
    this.#look();
  }

  #cancelTimer(): void {
    if (this.#timer !== undefined) this.#o.clock.cancel(this.#timer);
    this.#timer = undefined;
  }

  #lookSoon(): void {
    if (this.#lookPlanned) return;
    this.#lookPlanned = true;
    this.#o.clock.whenIdle(() => {
      this.#lookPlanned = false;
      this.#look();
    });
  }

  #look(): void {
    if (this.#leaving || this.#closed || !this.leases.caughtUp) return;
    const { group } = this.#o;
    if (this.#membership?.holds() !== true) return;
    if (!this.leases.members(group).has(this.#member)) return;
    this.#watch.check(this.#member);
    const members = [...this.leases.members(group)]
      .filter(([name, entry]) => {
        return name === this.#member || !this.#watch.isExpired(entry, READER_TTL_MS);
      })
      .map(([name]) => name)
      .toSorted();
    const share = Math.ceil(this.#o.partitions / members.length);
    this.#takeFree(members, share);
    this.#giveUpOne(share);
  }

  #takeFree(members: readonly string[], share: number): void {
    const { group, partitions, clock } = this.#o;
    const now = clock.nowMs();
    const own = members.indexOf(this.#member);
    for (let partition = 0; partition < partitions; partition++) {
      if (this.#partitions.has(partition) || !this.#isFree(partition)) {
        this.#freeSinceMs.delete(partition);
        continue;
      }
      const since = this.#freeSinceMs.get(partition) ?? now;
      this.#freeSinceMs.set(partition, since);
      if (now < (this.#notBeforeMs.get(partition) ?? 0)) continue;
      const turn = partition % members.length === own ? 0 : TURN_MS;
      const wait = this.#ownedCount() < share ? turn : SHARE_MS;
      if (now - since < wait) continue;
      this.#freeSinceMs.delete(partition);
      this.#take(partition, this.leases.reader(group, partition));
    }
  }

  #isFree(partition: number): boolean {
    const entry = this.leases.reader(this.#o.group, partition);
    if (entry === undefined || entry.state !== 'held') return true;
    if (this.#watch.isExpired(entry, READER_TTL_MS)) return true;
    // Silent by the plain clock: an own renewal sooner confirms that time sooner.
    const silentMs = this.#o.clock.nowMs() - entry.changedAtMs;
    if (silentMs >= READER_TTL_MS) this.#membership?.renewSoon();
    return false;
  }

  #take(partition: number, previous: ReturnType<LeaseView['reader']>): void {
    const one = new OwnedPartition({
      group: this.#o,
      shared: {
        leases: this.leases,
        observer: this.observer,
        endGateway: (incarnation, why) => this.#watch.endGateway(incarnation, why),
      },
      partition,
      take: ++this.#takes,
      previous,
      trimsFor: this.#trimsFor,
      onOver: (marked) => {
        this.#partitions.delete(partition);
        if (marked) this.#notBeforeMs.set(partition, this.#o.clock.nowMs() + MARKED_MS);
      },
    });
    this.#partitions.set(partition, one);
  }

  #ownedCount(): number {
    let count = 0;
    for (const one of this.#partitions.values()) if (one.phase !== 'leaving') count++;
    return count;
  }

  #giveUpOne(share: number): void {
    const now = this.#o.clock.nowMs();
    if (this.#ownedCount() <= share || now - this.#lastGiveUpMs < GIVE_UP_MS) return;
    let last: OwnedPartition | undefined;
    for (const one of this.#partitions.values()) if (one.phase === 'reading') last = one;
    if (last === undefined) return;
    this.#lastGiveUpMs = now;
    last.giveUp([]);
  }
}
