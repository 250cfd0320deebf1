/**
 * Lease view — who lives, as the lease stream tells it, in its order (protocol 7, 8).
 *
 * Shape: one follower of the stream; three maps of live records. Tombstones of gateways come in
 *        order with their reports, and an ended incarnation never returns.
 * Time:  `changedAtMs` is when this process saw the record change. Whether that is too long ago is
 *        for an `ObserverClock` to say.
 */
import type { Clock } from '#base';
import type { Bus, Follower, StreamMessage } from '#bus';
import {
  decodeLease,
  type GatewayReport,
  type LeaseRecord,
  type LeaseState,
  type MemberReport,
  type ReaderReport,
} from './lease-record.ts';
import { LEASE_STREAM, parseLeaseSubject } from './names.ts';

export interface LeaseEntry<T> {
  readonly subject: string;
  readonly holder: string;
  readonly state: LeaseState;
  /** Sequence of this write: what a compare-and-set names. */
  readonly revision: number;
  readonly content: T;
  readonly changedAtMs: number;
}

export type ReaderEntry = LeaseEntry<ReaderReport>;
export type GatewayEntry = LeaseEntry<GatewayReport>;
export type MemberEntry = LeaseEntry<MemberReport>;

type GatewayListener = (incarnation: string, entry: GatewayEntry | undefined) => void;
type ReaderListener = (group: string, partition: number, entry: ReaderEntry) => void;
type MemberListener = (group: string) => void;

export interface LeaseViewOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  /** A record that cannot be read (foreign or newer); it is left out. */
  readonly onTrouble?: (subject: string, fault: unknown) => void;
}

/** Epoch of a reader record: the revision of the write that took the partition. */
export function readerEpoch(entry: ReaderEntry): number {
  return entry.content.epoch === 0 ? entry.revision : entry.content.epoch;
}

export class LeaseView {
  /** Live gateways by incarnation. */
  readonly gateways = new Map<string, GatewayEntry>();
  /** Plain counter of records applied. */
  applied = 0;

  readonly #o: LeaseViewOptions;
  readonly #follower: Follower;
  readonly #readers = new Map<string, ReaderEntry>();
  readonly #members = new Map<string, Map<string, MemberEntry>>();
  /** Ended incarnations with the sequence of their tombstone, oldest first. */
  readonly #ended = new Map<string, number>();
  readonly #gatewayListeners = new Set<GatewayListener>();
  readonly #readerListeners = new Set<ReaderListener>();
  readonly #memberListeners = new Set<MemberListener>();
  #waiting: { sequence: number; onReached: () => void }[] = [];
  #sequence = 0;
  #caughtUp = false;

  constructor(options: LeaseViewOptions) {
    this.#o = options;
    this.#follower = options.bus.follow({
      stream: LEASE_STREAM,
      fromSequence: 1,
      onMessage: (message) => this.#apply(message),
      onCaughtUp: (lastSequence) => this.#reached(lastSequence, true),
    });
  }

  /** Everything in the stream up to here is applied. */
  get sequence(): number {
    return this.#sequence;
  }
  /** Whether the whole stream has been read once. */
  get caughtUp(): boolean {
    return this.#caughtUp;
  }

  /** The reader record of a partition: also a released one; undefined: never owned. */
  reader(group: string, partition: number): ReaderEntry | undefined {
    return this.#readers.get(`${group}.${partition}`);
  }

  /** Live members of a reader group by id. */
  members(group: string): ReadonlyMap<string, MemberEntry> {
    return this.#members.get(group) ?? new Map<string, MemberEntry>();
  }

  isEnded(incarnation: string): boolean {
    return this.#ended.has(incarnation);
  }

  /** Each report (entry) and each end (undefined), in stream order. Returns a remover. */
  onGateway(listener: GatewayListener): () => void {
    this.#gatewayListeners.add(listener);
    return () => this.#gatewayListeners.delete(listener);
  }
  onReader(listener: ReaderListener): () => void {
    this.#readerListeners.add(listener);
    return () => this.#readerListeners.delete(listener);
  }
  /** A member of the group came, went or changed. */
  onMember(listener: MemberListener): () => void {
    this.#memberListeners.add(listener);
    return () => this.#memberListeners.delete(listener);
  }

  /** Called once the view has reached `sequence` (never synchronously). */
  waitFor(sequence: number, onReached: () => void): void {
    if (this.#sequence >= sequence) this.#o.clock.after(0, onReached);
    else this.#waiting.push({ sequence, onReached });
  }

  /** Lowest sequence whose record still matters: everything below may be trimmed. */
  lowestNeeded(): number {
    let lowest = this.#sequence;
    for (const entry of this.gateways.values()) lowest = Math.min(lowest, entry.revision);
    for (const entry of this.#readers.values()) lowest = Math.min(lowest, entry.revision);
    for (const members of this.#members.values()) {
      for (const entry of members.values()) lowest = Math.min(lowest, entry.revision);
    }
    return lowest;
  }

  close(): void {
    this.#follower.close();
    this.#waiting = [];
    this.#gatewayListeners.clear();
    this.#readerListeners.clear();
    this.#memberListeners.clear();
  }

  #apply(message: StreamMessage): void {
    const name = parseLeaseSubject(message.subject);
    const record = name === undefined ? undefined : this.#decode(message);
    if (name !== undefined && record !== undefined) {
      const { subject, sequence: revision } = message;
      const { holder, state } = record;
      const changedAtMs = this.#o.clock.nowMs();
      const base = { subject, holder, state, revision, changedAtMs };
      if (name.kind === 'gateway') {
        const content = record.content as GatewayReport;
        this.#applyGateway(name.incarnation, { ...base, content });
      } else if (name.kind === 'reader') {
        const entry = { ...base, content: record.content as ReaderReport };
        this.#readers.set(`${name.group}.${name.partition}`, entry);
        for (const listener of this.#readerListeners) listener(name.group, name.partition, entry);
      } else {
        const content = record.content as MemberReport;
        this.#applyMember(name.group, name.member, { ...base, content });
      }
    }
    this.applied++;
    this.#reached(message.sequence, false);
  }

  #decode(message: StreamMessage): LeaseRecord<unknown> | undefined {
    try {
      return decodeLease<unknown>(message.payload);
    } catch (fault) {
      this.#o.onTrouble?.(message.subject, fault);
      return undefined;
    }
  }

  #applyGateway(incarnation: string, entry: GatewayEntry): void {
    if (this.#ended.has(incarnation)) return;
    if (entry.state === 'held') {
      this.gateways.set(incarnation, entry);
      for (const listener of this.#gatewayListeners) listener(incarnation, entry);
      return;
    }
    this.gateways.delete(incarnation);
    this.#ended.set(incarnation, entry.revision);
    this.#boundEnded();
    for (const listener of this.#gatewayListeners) listener(incarnation, undefined);
  }

  /** Compare-and-set keeps an ended one from returning; this memory only answers `isEnded`. */
  #boundEnded(): void {
    if (this.#ended.size <= ENDED_REMEMBERED_MAX) return;
    for (const incarnation of this.#ended.keys()) {
      this.#ended.delete(incarnation);
      return;
    }
  }

  #applyMember(group: string, member: string, entry: MemberEntry): void {
    let members = this.#members.get(group);
    if (members === undefined) this.#members.set(group, (members = new Map()));
    if (entry.state === 'held') members.set(member, entry);
    else members.delete(member);
    for (const listener of this.#memberListeners) listener(group);
  }

  #reached(sequence: number, caughtUp: boolean): void {
    if (sequence > this.#sequence) this.#sequence = sequence;
    if (caughtUp) this.#caughtUp = true;
    if (this.#waiting.length === 0) return;
    const ready = this.#waiting.filter((w) => w.sequence <= this.#sequence);
    if (ready.length === 0) return;
    this.#waiting = this.#waiting.filter((w) => w.sequence > this.#sequence);
    for (const { onReached } of ready) onReached();
  }
}

/** Ended incarnations remembered; at a gateway restart each second: three hours. */
const ENDED_REMEMBERED_MAX = 10_000;
