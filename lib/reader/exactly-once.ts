/**
 * Exactly once in — which QoS 2 messages of a log partition are repeats (protocol 25).
 *
 * Shape: per session (by generation) the highest epoch seen and the open packet identifiers.
 *        `decide` is shown each record once, in log order, and names the messages that are not
 *        dispatched: of a lower epoch than seen, or of an identifier that is open. A release closes
 *        its identifier; one of a lower epoch closes nothing.
 * Once:  what is stored rides with the state record that says *decided*, so that it is as of
 *        there. A later owner decides behind it only; up to it the stored list of skipped positions
 *        counts.
 * Cost:  nothing for records without keys. An identifier that is opened and closed between two
 *        state records is never written.
 * Bound: a session silent for FORGET_MS of log time is forgotten; with open identifiers only once
 *        it does not exist any more, or, where the logic cannot know, after KEYS_KEEP_MS. It is
 *        asked then, not told before: entries of it may still stand in the log when it ends.
 */
import { KeyReader } from '#log';
import type { StateTables } from '#state';
import { OpenIdentifiers } from './open-identifiers.ts';
import { FORGET_MS } from './writer-numbers.ts';

/**
 * Table of the state log that belongs to the reader, as WRITERS_TABLE does: generation → epoch,
 * time; generation and page → open identifiers.
 */
export const EXACTLY_ONCE_TABLE = 250;
/**
 * A day of log time: so long after its last entry a session may come back, in a group that does not
 * follow sessions (the router), without a message that it repeats being routed twice.
 */
export const KEYS_KEEP_MS = 24 * 3_600_000;
/** How far a stored time may lag behind: idle sessions need no write for each message. */
const TIME_LAG_MS = FORGET_MS / 10;

/** epoch u48, last entry stored at u48 (ms since 1970). */
const VALUE_BYTES = 12;

class Session {
  epoch = 0;
  seenAtMs = 0;
  readonly open = new OpenIdentifiers();
  /** What the state log has, or will have with the record that is being closed. */
  storedEpoch = -1;
  storedSeenAtMs = 0;
}

export class ExactlyOnce {
  readonly #state: StateTables;
  readonly #hasSession: (generation: number) => boolean | undefined;
  readonly #sessions = new Map<number, Session>();
  readonly #changed = new Set<number>();
  /** Keys of sessions forgotten, to be deleted. */
  #gone: string[] = [];
  #lastForgetMs = 0;

  /** `hasSession`: whether a session of this generation exists; undefined: not known. */
  constructor(state: StateTables, hasSession: (generation: number) => boolean | undefined) {
    this.#state = state;
    this.#hasSession = hasSession;
  }

  /** Sessions remembered. */
  get size(): number {
    return this.#sessions.size;
  }

  /** Reads what an earlier owner left. */
  load(): void {
    for (const key of this.#state.keys(EXACTLY_ONCE_TABLE)) {
      const value = this.#state.peek(EXACTLY_ONCE_TABLE, key);
      if (value !== undefined) this.#restore(key, value);
    }
  }

  /**
   * Decides about the next record; indexes of messages that are not dispatched are added to
   * `skipped`, ascending. Damaged bytes are a Fault; what stands before them is decided.
   */
  decide(record: Buffer, storedAtMs: number, skipped: number[]): void {
    const reader = new KeyReader(record);
    for (let index = reader.next(); index >= 0; index = reader.next()) {
      if (!this.#takes(reader, storedAtMs) && !reader.isRelease) skipped.push(index);
    }
    if (storedAtMs - this.#lastForgetMs > TIME_LAG_MS) this.#forget(storedAtMs);
  }

  /** Records went by unread: releases may have been among them. Better a repeat than a loss. */
  closeAll(): void {
    for (const [generation, { open }] of this.#sessions) {
      if (open.count === 0) continue;
      open.clear();
      this.#changed.add(generation);
    }
  }

  /** Puts what changed into the state record that is being closed. */
  ride(): void {
    for (const key of this.#gone) this.#state.rideDelete(EXACTLY_ONCE_TABLE, key);
    this.#gone = [];
    for (const generation of this.#changed) {
      const session = this.#sessions.get(generation);
      if (session !== undefined) this.#write(generation, session);
    }
    this.#changed.clear();
  }

  #write(generation: number, session: Session): void {
    const { epoch, seenAtMs } = session;
    if (epoch !== session.storedEpoch || seenAtMs - session.storedSeenAtMs >= TIME_LAG_MS) {
      const value = Buffer.allocUnsafe(VALUE_BYTES);
      value.writeUIntBE(epoch, 0, 6);
      value.writeUIntBE(seenAtMs, 6, 6);
      this.#state.ride(EXACTLY_ONCE_TABLE, String(generation), value);
      session.storedEpoch = epoch;
      session.storedSeenAtMs = seenAtMs;
    }
    session.open.takeChanges((page, low) => {
      const key = pageKey(generation, page);
      if (low === undefined) this.#state.rideDelete(EXACTLY_ONCE_TABLE, key);
      else this.#state.ride(EXACTLY_ONCE_TABLE, key, low);
    });
  }

  #restore(key: string, value: Uint8Array): void {
    const [generation = 0, page] = key.split('.').map(Number);
    const session = this.#session(generation);
    if (page !== undefined) session.open.restore(page, value);
    else if (value.length === VALUE_BYTES) {
      const bytes = Buffer.from(value);
      session.epoch = session.storedEpoch = bytes.readUIntBE(0, 6);
      session.seenAtMs = session.storedSeenAtMs = bytes.readUIntBE(6, 6);
    }
  }

  #session(generation: number): Session {
    let session = this.#sessions.get(generation);
    if (session === undefined) this.#sessions.set(generation, (session = new Session()));
    return session;
  }

  /** Whether the entry counts: a PUBLISH that is no repeat, a release that is not late. */
  #takes(entry: KeyReader, storedAtMs: number): boolean {
    const { generation, epoch, packetIdentifier } = entry;
    const session = this.#session(generation);
    if (epoch < session.epoch) return false;
    session.epoch = epoch;
    session.seenAtMs = storedAtMs;
    this.#changed.add(generation);
    if (!entry.isRelease) return session.open.add(packetIdentifier);
    session.open.delete(packetIdentifier);
    return true;
  }

  #forget(logTimeMs: number): void {
    this.#lastForgetMs = logTimeMs;
    for (const [generation, { seenAtMs, open }] of this.#sessions) {
      const silentMs = logTimeMs - seenAtMs;
      if (silentMs <= FORGET_MS) continue;
      if (open.count > 0 && (this.#hasSession(generation) ?? silentMs <= KEYS_KEEP_MS)) continue;
      this.#sessions.delete(generation);
      this.#gone.push(String(generation));
      for (const page of open.pages) this.#gone.push(pageKey(generation, page));
    }
  }
}

function pageKey(generation: number, page: number): string {
  return `${generation}.${page}`;
}
