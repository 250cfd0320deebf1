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

/** Table of the state log that belongs to the reader, as WRITERS_TABLE does: one per session. */
export const EXACTLY_ONCE_TABLE = 250;
/** Ten minutes of log time: far longer than a copy can hang in a stalled gateway. */
export const FORGET_MS = 600_000;
/**
 * A day of log time: so long after its last entry a session may come back, in a group that does not
 * follow sessions (the router), without a message that it repeats being routed twice.
 */
export const KEYS_KEEP_MS = 24 * 3_600_000;
/** How far a stored time may lag behind: idle sessions need no write for each message. */
const TIME_LAG_MS = FORGET_MS / 10;

/** epoch u48, last entry stored at u48 (ms since 1970); then open identifiers u16. */
const HEAD_BYTES = 12;

interface Session {
  epoch: number;
  seenAtMs: number;
  readonly open: Set<number>;
  /** What the state log has, or will have with the record that is being closed. */
  stored: { readonly epoch: number; readonly seenAtMs: number; readonly openCount: number };
}

const NEVER_STORED = { epoch: -1, seenAtMs: 0, openCount: 0 };

export class ExactlyOnce {
  readonly #state: StateTables;
  readonly #hasSession: (generation: number) => boolean | undefined;
  readonly #sessions = new Map<number, Session>();
  readonly #changed = new Set<number>();
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
  load(onLoaded: () => void): void {
    const keys = [...this.#state.keys(EXACTLY_ONCE_TABLE)];
    let waiting = keys.length;
    if (waiting === 0) return onLoaded();
    for (const key of keys) {
      this.#state.get(EXACTLY_ONCE_TABLE, key, (value) => {
        if (value !== undefined && value.length >= HEAD_BYTES) {
          this.#sessions.set(Number(key), decodeSession(value));
        }
        waiting--;
        if (waiting === 0) onLoaded();
      });
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
      if (open.size === 0) continue;
      open.clear();
      this.#changed.add(generation);
    }
  }

  /** Puts what changed into the state record that is being closed. */
  ride(): void {
    for (const generation of this.#changed) {
      const session = this.#sessions.get(generation);
      const key = String(generation);
      if (session === undefined) this.#state.rideDelete(EXACTLY_ONCE_TABLE, key);
      else if (needsWrite(session)) {
        this.#state.ride(EXACTLY_ONCE_TABLE, key, encodeSession(session));
        session.stored = storedFormOf(session);
      }
    }
    this.#changed.clear();
  }

  /** Whether the entry counts: a PUBLISH that is no repeat, a release that is not late. */
  #takes(entry: KeyReader, storedAtMs: number): boolean {
    const { generation, epoch, packetIdentifier } = entry;
    let session = this.#sessions.get(generation);
    if (session === undefined) {
      session = { epoch, seenAtMs: storedAtMs, open: new Set(), stored: NEVER_STORED };
      this.#sessions.set(generation, session);
    } else if (epoch < session.epoch) return false;
    session.epoch = epoch;
    session.seenAtMs = storedAtMs;
    this.#changed.add(generation);
    if (entry.isRelease) session.open.delete(packetIdentifier);
    else if (session.open.has(packetIdentifier)) return false;
    else session.open.add(packetIdentifier);
    return true;
  }

  #forget(logTimeMs: number): void {
    this.#lastForgetMs = logTimeMs;
    for (const [generation, { seenAtMs, open }] of this.#sessions) {
      const silentMs = logTimeMs - seenAtMs;
      if (silentMs <= FORGET_MS) continue;
      if (open.size > 0 && (this.#hasSession(generation) ?? silentMs <= KEYS_KEEP_MS)) continue;
      this.#sessions.delete(generation);
      this.#changed.add(generation);
    }
  }
}

function needsWrite({ epoch, seenAtMs, open, stored }: Session): boolean {
  if (open.size > 0 || stored.openCount > 0 || epoch !== stored.epoch) return true;
  return seenAtMs - stored.seenAtMs >= TIME_LAG_MS;
}

function storedFormOf({ epoch, seenAtMs, open }: Session): Session['stored'] {
  return { epoch, seenAtMs, openCount: open.size };
}

function encodeSession({ epoch, seenAtMs, open }: Session): Buffer {
  const value = Buffer.allocUnsafe(HEAD_BYTES + 2 * open.size);
  value.writeUIntBE(epoch, 0, 6);
  value.writeUIntBE(seenAtMs, 6, 6);
  let at = HEAD_BYTES;
  for (const packetIdentifier of open) at = value.writeUInt16BE(packetIdentifier, at);
  return value;
}

function decodeSession(value: Buffer): Session {
  const open = new Set<number>();
  for (let at = HEAD_BYTES; at + 2 <= value.length; at += 2) open.add(value.readUInt16BE(at));
  const epoch = value.readUIntBE(0, 6);
  const seenAtMs = value.readUIntBE(6, 6);
  const session = { epoch, seenAtMs, open, stored: NEVER_STORED };
  return { ...session, stored: storedFormOf(session) };
}
