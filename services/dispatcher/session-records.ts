/**
 * Session records — the records whose home this partition is, and their revision (S1).
 *
 * Shape: a map client identifier → record, begun with what the view has read, written through to
 *        the session log; newer than any view by what is under way.
 * Cost:  one object per session, shared with the view but for what is under way.
 */
import type { Clock } from '#base';
import {
  encodeSession,
  META_TABLE,
  REVISION_KEY,
  SESSION_TABLE,
  type SessionRecord,
} from '#session-store';
import type { StateTables } from '#state';
import { ExpiryCalendar } from './expiry-calendar.ts';

export class SessionRecords {
  readonly #clock: Clock;
  readonly #log: StateTables;
  readonly #records = new Map<string, SessionRecord>();
  readonly #expiry = new ExpiryCalendar();
  #revision: number;

  constructor(clock: Clock, log: StateTables, records: Iterable<SessionRecord>, revision: number) {
    this.#clock = clock;
    this.#log = log;
    this.#revision = revision;
    for (const record of records) {
      this.#records.set(record.clientIdentifier, record);
      this.#expiry.set(record.clientIdentifier, record.expiresAtMs);
    }
  }

  get size(): number {
    return this.#records.size;
  }
  /** Of the last change. */
  get revision(): number {
    return this.#revision;
  }
  values(): IterableIterator<SessionRecord> {
    return this.#records.values();
  }

  /** The record. One that has expired is there until `expired` has named it: ask that first. */
  get(clientIdentifier: string): SessionRecord | undefined {
    return this.#records.get(clientIdentifier);
  }

  isExpired({ expiresAtMs }: SessionRecord): boolean {
    return expiresAtMs <= this.#clock.wallMs();
  }

  nextRevision(): number {
    return ++this.#revision;
  }

  /** With a new revision in it. */
  put(record: SessionRecord): void {
    this.#records.set(record.clientIdentifier, record);
    this.#expiry.set(record.clientIdentifier, record.expiresAtMs);
    this.#log.put(SESSION_TABLE, record.clientIdentifier, encodeSession(record));
    this.#putRevision();
  }

  /** What the view has read of our own writing: one object is enough for both. */
  share(record: SessionRecord): void {
    const { clientIdentifier, revision } = record;
    if (this.#records.get(clientIdentifier)?.revision !== revision) return;
    this.#records.set(clientIdentifier, record);
  }

  /** False: there is none. */
  delete(clientIdentifier: string): boolean {
    if (!this.#records.delete(clientIdentifier)) return false;
    this.#expiry.set(clientIdentifier, Infinity);
    this.#log.delete(SESSION_TABLE, clientIdentifier);
    this.#revision++;
    this.#putRevision();
    return true;
  }

  /** Everything put so far is durable. */
  whenDurable(onDurable: () => void): void {
    this.#log.whenDurable(onDurable);
  }

  /** Up to `count` sessions whose time has come; they are named once. */
  expired(count: number): SessionRecord[] {
    const due = this.#expiry.due(this.#clock.wallMs(), count);
    const records = due.map((clientIdentifier) => this.#records.get(clientIdentifier));
    return records.filter((record) => record !== undefined).filter((r) => this.isExpired(r));
  }

  #putRevision(): void {
    const value = Buffer.allocUnsafe(8);
    value.writeDoubleBE(this.#revision, 0);
    this.#log.put(META_TABLE, REVISION_KEY, value);
  }
}
