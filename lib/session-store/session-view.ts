/**
 * Session view — all stored sessions of the cluster, as one dispatcher process has read them (S2).
 *
 * Shape: one follower per session log; per home a map client identifier → record, and the revision
 *        up to which it has been read. Changes are told one by one, in the order of their log.
 * Sync:  a mark of our own in each log, followed to: what was stored before it has been read then,
 *        whoever led the stream meanwhile. An answer to a read would not say that.
 * Cost:  one object per session and its subscriptions, shared by all partitions of the process.
 */
import { type Clock, Fault, hashText, partitionOf } from '#base';
import type { Bus } from '#bus';
import { markSubject, type StateEntry, StateFollower, stateStream } from '#state';
import { META_TABLE, REVISION_KEY, SESSION_TABLE, SESSIONS_GROUP } from './names.ts';
import { decodeSession, type SessionRecord } from './record.ts';

/** Wait before a mark that was not acknowledged is appended again, ms. */
const MARK_RETRY_MS = 100;
/** A mark says nothing but where it stands. */
const MARK = Buffer.from([1]);

type Records = Map<string, SessionRecord>;

/** One of the two is there. */
export interface SessionChange {
  readonly before: SessionRecord | undefined;
  readonly after: SessionRecord | undefined;
}

/** What is read of one home's log. */
interface HomeLog {
  readonly home: number;
  follower: StateFollower | undefined;
  records: Records;
  revision: number;
  /** While reading from the first record on once more: what it will be, until caught up. */
  fresh: { readonly records: Records; revision: number } | undefined;
  /** Last sequence handed over. */
  sequence: number;
}

interface Waiting {
  readonly home: number;
  readonly sequence: number;
  readonly onReached: () => void;
}

export interface SessionViewOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly partitions: number;
}

export class SessionView {
  /** Records that could not be read: of another version. */
  recordsDamaged = 0;

  readonly #o: SessionViewOptions;
  readonly #homes: HomeLog[];
  readonly #changeListeners = new Set<(change: SessionChange) => void>();
  readonly #revisionListeners = new Set<() => void>();
  #waiting: Waiting[] = [];
  #closed = false;

  constructor(options: SessionViewOptions) {
    this.#o = options;
    this.#homes = Array.from({ length: options.partitions }, (_, home) => ({
      home,
      follower: undefined,
      records: new Map(),
      revision: 0,
      fresh: undefined,
      sequence: 0,
    }));
  }

  get size(): number {
    return this.#homes.reduce((sum, { records }) => sum + records.size, 0);
  }

  /** `onCaughtUp`: once, when each log has been read to its end for the first time. */
  start(onCaughtUp?: () => void): void {
    let missing = this.#homes.length;
    for (const log of this.#homes) {
      this.#follow(log, () => {
        if (--missing === 0) onCaughtUp?.();
      });
    }
  }

  close(): void {
    this.#closed = true;
    for (const { follower } of this.#homes) follower?.close();
  }

  get(clientIdentifier: string): SessionRecord | undefined {
    const home = partitionOf(hashText(clientIdentifier), this.#homes.length);
    return this.#homes[home]?.records.get(clientIdentifier);
  }

  recordsOf(home: number): Iterable<SessionRecord> {
    return this.#homes[home]?.records.values() ?? [];
  }

  /** Everything up to this revision of the home has been told. */
  revision(home: number): number {
    return this.#homes[home]?.revision ?? 0;
  }

  /** Whether it has reached all of these revisions, one per home. */
  hasReached(known: readonly number[]): boolean {
    return known.every((revision, home) => this.revision(home) >= revision);
  }

  /** Returns a remover. */
  onChange(listener: (change: SessionChange) => void): () => void {
    this.#changeListeners.add(listener);
    return () => this.#changeListeners.delete(listener);
  }
  /** Called after each batch that was read. Returns a remover. */
  onRevision(listener: () => void): () => void {
    this.#revisionListeners.add(listener);
    return () => this.#revisionListeners.delete(listener);
  }

  /** Called once everything that is stored now has been read. */
  sync(onSynced: () => void): void {
    let missing = this.#homes.length;
    for (const { home } of this.#homes) {
      this.#mark(home, () => {
        if (--missing === 0) onSynced();
      });
    }
  }

  #mark(home: number, onReached: () => void): void {
    if (this.#closed) return;
    const { bus, clock } = this.#o;
    const stream = stateStream(SESSIONS_GROUP, home);
    const subject = markSubject(SESSIONS_GROUP, home);
    bus.append({ stream, subject, payload: MARK }, (result) => {
      if (this.#closed) return;
      if (result.kind === 'stored') {
        this.#waiting.push({ home, sequence: result.sequence, onReached });
        this.#look();
      } else clock.after(MARK_RETRY_MS, () => this.#mark(home, onReached));
    });
  }

  #look(): void {
    const reached = (w: Waiting): boolean => {
      const log = this.#homes[w.home];
      return log !== undefined && log.fresh === undefined && log.sequence >= w.sequence;
    };
    const ready = this.#waiting.filter(reached);
    if (ready.length === 0) return;
    this.#waiting = this.#waiting.filter((waiting) => !ready.includes(waiting));
    for (const { onReached } of ready) onReached();
  }

  #follow(log: HomeLog, onFirst: () => void): void {
    let isFirst = true;
    log.follower = new StateFollower({
      bus: this.#o.bus,
      group: SESSIONS_GROUP,
      partition: log.home,
      onRestart: () => {
        // The first time there is nothing that could be out of date: what is read is told at once,
        // instead of a million records in one turn at the end.
        if (log.sequence > 0) log.fresh = { records: new Map(), revision: 0 };
      },
      onBatch: (entries) => this.#apply(log, entries),
      onCaughtUp: () => {
        this.#caughtUp(log);
        if (isFirst) onFirst();
        isFirst = false;
      },
      onRead: (sequence) => {
        log.sequence = sequence;
        if (this.#waiting.length > 0) this.#look();
      },
    });
  }

  #apply(log: HomeLog, entries: readonly StateEntry[]): void {
    const target = log.fresh ?? log;
    let { revision } = target;
    for (const { table, key, value } of entries) {
      if (table === META_TABLE && key === REVISION_KEY && value !== undefined) {
        revision = value.readDoubleBE(0);
      } else if (table === SESSION_TABLE) {
        const before = target.records.get(key);
        const after = value === undefined ? undefined : this.#decode(value);
        if (after === undefined) target.records.delete(key);
        else target.records.set(key, after);
        if (log.fresh === undefined) this.#tell(before, after);
      }
    }
    target.revision = revision;
    if (log.fresh === undefined) this.#tellRevision();
  }

  /** What was read anew counts from now on: the differences are told. */
  #caughtUp(log: HomeLog): void {
    const { fresh, records } = log;
    if (fresh === undefined) return;
    log.fresh = undefined;
    log.records = fresh.records;
    for (const [key, before] of records) {
      if (!fresh.records.has(key)) this.#tell(before, undefined);
    }
    for (const [key, after] of fresh.records) {
      const before = records.get(key);
      if (before?.revision !== after.revision) this.#tell(before, after);
    }
    log.revision = Math.max(log.revision, fresh.revision);
    this.#tellRevision();
    this.#look();
  }

  #decode(value: Buffer): SessionRecord | undefined {
    try {
      return decodeSession(value);
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      this.recordsDamaged++;
      return undefined;
    }
  }

  #tell(before: SessionRecord | undefined, after: SessionRecord | undefined): void {
    if (before === undefined && after === undefined) return;
    for (const listener of this.#changeListeners) listener({ before, after });
  }
  #tellRevision(): void {
    for (const listener of this.#revisionListeners) listener();
  }
}
