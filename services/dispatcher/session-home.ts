/**
 * Session home — writes the records of the stored sessions whose home this partition is (S1).
 *
 * Shape: claims, changes and releases come in, decisions go out when the record is durable in the
 *        session log. One map client identifier → record, taken over from the view, newer than it
 *        by what is under way.
 * Take-over: who holds the identifier is asked to leave first; its release brings the exact cursor.
 *        After LEAVE_WAIT_MS it is taken without.
 * Pace:  sessions at an ended gateway become offline, and expired ones end, SESSIONS_PER_TICK at a
 *        time: each is an entry of a packed record.
 */
import type { Clock, Timer } from '#base';
import type { ClaimDecision, GatewayMessage, GrantedSession, LeavingSession } from '#frames';
import type { Position } from '#log';
import {
  encodeSession,
  META_TABLE,
  REVISION_KEY,
  SESSION_TABLE,
  type SessionRecord,
  type StoredSubscription,
} from '#session-store';
import type { StateTables } from '#state';
import { ExpiryCalendar } from './expiry-calendar.ts';
import type { HomeClaims } from './home-claims.ts';

/** Wait for the release of an older connection. */
export const LEAVE_WAIT_MS = 200;
/** Records written by themselves per tick. */
const SESSIONS_PER_TICK = 500;

type Claim = Extract<GatewayMessage, { t: 'claim' }>;
type Release = Extract<GatewayMessage, { t: 'release' }>;
type Change = Extract<GatewayMessage, { t: 'change' }>;

interface PendingClaim {
  readonly claim: Claim;
  readonly timer: Timer;
}

export interface SessionHomeOptions {
  readonly clock: Clock;
  readonly home: number;
  readonly partitions: number;
  readonly log: StateTables;
  readonly claims: HomeClaims;
  readonly records: Iterable<SessionRecord>;
  readonly revision: number;
  readonly isAlive: (incarnation: string) => boolean;
  /** Per partition the checkpoint that is known to be durable. */
  readonly checkpoints: () => readonly Position[];
  readonly decide: (incarnation: string, decision: ClaimDecision) => void;
}

export class SessionHome {
  readonly #o: SessionHomeOptions;
  readonly #records = new Map<string, SessionRecord>();
  readonly #expiry = new ExpiryCalendar();
  readonly #pending = new Map<string, PendingClaim>();
  /** Sessions at ended gateways, to be written as offline. */
  #stranded: string[] = [];
  #revision: number;
  #closed = false;

  constructor(options: SessionHomeOptions) {
    this.#o = options;
    this.#revision = options.revision;
    for (const record of options.records) {
      this.#records.set(record.clientIdentifier, record);
      this.#expiry.set(record.clientIdentifier, record.expiresAtMs);
      if (record.at !== undefined && !options.isAlive(record.at.incarnation)) {
        this.#stranded.push(record.clientIdentifier);
      }
    }
  }

  get sessionCount(): number {
    return this.#records.size;
  }

  close(): void {
    this.#closed = true;
    for (const { timer } of this.#pending.values()) this.#o.clock.cancel(timer);
    this.#pending.clear();
  }

  claim(claim: Claim): void {
    const { claims, isAlive } = this.#o;
    const { inc, connection, clientIdentifier, authenticationName } = claim;
    const record = this.#current(clientIdentifier);
    if (record !== undefined && !isSameName(record.authenticationName, authenticationName)) {
      const refused = { connection, granted: false, reason: 'session_name_owned' } as const;
      return this.#o.decide(inc, refused);
    }
    const holder = claims.holder(clientIdentifier);
    const decision = claims.claim(inc, connection, clientIdentifier, authenticationName);
    if (!('granted' in decision) || !decision.granted) return this.#o.decide(inc, decision);
    const pending = this.#pending.get(clientIdentifier);
    if (pending !== undefined && isOf(pending.claim, claim)) return;
    this.#dropPending(clientIdentifier);
    const older = record?.at;
    const mayRelease =
      older !== undefined &&
      holder !== undefined &&
      !isAt(older, inc, connection) &&
      isAt(older, holder.incarnation, holder.connection) &&
      isAlive(older.incarnation);
    if (!mayRelease) return this.#grant(claim);
    const timer = this.#o.clock.after(LEAVE_WAIT_MS, () => this.#goOn(clientIdentifier));
    this.#pending.set(clientIdentifier, { claim, timer });
  }

  /** The older connection has left, or was waited for long enough. */
  #goOn(clientIdentifier: string): void {
    const pending = this.#pending.get(clientIdentifier);
    if (pending === undefined || this.#closed) return;
    this.#dropPending(clientIdentifier);
    this.#grant(pending.claim);
  }

  #dropPending(clientIdentifier: string): void {
    const pending = this.#pending.get(clientIdentifier);
    if (pending === undefined) return;
    this.#o.clock.cancel(pending.timer);
    this.#pending.delete(clientIdentifier);
  }

  #grant(claim: Claim): void {
    const { inc, connection, clientIdentifier, authenticationName } = claim;
    const { claims, log } = this.#o;
    // Asked for again, or by a connection that has been ended meanwhile.
    const decision = claims.claim(inc, connection, clientIdentifier, authenticationName);
    if (!('granted' in decision) || !decision.granted) return this.#o.decide(inc, decision);
    const session = this.#attach(claim);
    const granted = session === undefined ? decision : { ...decision, session };
    if (session === undefined && !this.#wipe(clientIdentifier)) {
      return this.#o.decide(inc, granted);
    }
    log.whenDurable(() => this.#o.decide(inc, granted));
  }

  /** The session that this connection gets; undefined: a clean one. */
  #attach(claim: Claim): GrantedSession | undefined {
    const { inc, connection, clientIdentifier, authenticationName, cleanStart } = claim;
    const { sessionExpirySeconds } = claim;
    const old = this.#current(clientIdentifier);
    if (old?.at !== undefined && isAt(old.at, inc, connection)) return grantOf(old);
    const present = old !== undefined && !cleanStart;
    if (!present && sessionExpirySeconds === 0) return undefined;
    const revision = ++this.#revision;
    const { home, partitions } = this.#o;
    const kept = present
      ? old
      : {
          generation: revision * partitions + home,
          subscriptions: [],
          cursor: Array.from<number>({ length: partitions }).fill(0),
          inFlight: [],
        };
    const record: SessionRecord = {
      clientIdentifier,
      authenticationName,
      generation: kept.generation,
      revision,
      stay: revision,
      at: { incarnation: inc, connection },
      changes: 0,
      subscriptions: kept.subscriptions,
      cursor: kept.cursor,
      inFlight: kept.inFlight,
      sessionExpirySeconds,
      expiresAtMs: Infinity,
    };
    this.#put(record);
    return grantOf(record);
  }

  /** True: there was a session, which a clean connection ends. */
  #wipe(clientIdentifier: string): boolean {
    if (!this.#records.has(clientIdentifier)) return false;
    this.#delete(clientIdentifier);
    return true;
  }

  release(message: Release): void {
    const { inc, connection, clientIdentifier, leaving } = message;
    const { claims, log, decide } = this.#o;
    const decision = claims.release(inc, connection, clientIdentifier);
    const record = this.#records.get(clientIdentifier);
    if (record?.at !== undefined && isAt(record.at, inc, connection)) this.#leave(record, leaving);
    const pending = this.#pending.get(clientIdentifier);
    if (pending !== undefined) {
      const { claim } = pending;
      if (claim.inc === inc && claim.connection === connection) this.#dropPending(clientIdentifier);
      else this.#goOn(clientIdentifier);
    }
    if (leaving === undefined) return decide(inc, decision);
    // Also when another has it: what ended the stay is at or below this revision.
    const revision = this.#revision;
    log.whenDurable(() => decide(inc, { connection, released: true, revision }));
  }

  #leave(record: SessionRecord, leaving: LeavingSession | undefined): void {
    const sessionExpirySeconds = leaving?.sessionExpirySeconds ?? record.sessionExpirySeconds;
    if (sessionExpirySeconds === 0) return this.#delete(record.clientIdentifier);
    const cursor = record.cursor.map((known, p) => Math.max(known, leaving?.cursor[p] ?? 0));
    this.#put({
      ...record,
      revision: ++this.#revision,
      at: undefined,
      cursor,
      inFlight: leaving?.inFlight ?? [],
      sessionExpirySeconds,
      expiresAtMs: this.#o.clock.wallMs() + sessionExpirySeconds * 1_000,
    });
  }

  change(message: Change): void {
    const { inc, connection, clientIdentifier, number } = message;
    const record = this.#records.get(clientIdentifier);
    if (record?.at === undefined || !isAt(record.at, inc, connection)) return;
    if (number === record.changes + 1) {
      const subscriptions = this.#changed(record, message);
      const revision = ++this.#revision;
      this.#put({ ...record, revision, changes: number, subscriptions });
    } else if (number !== record.changes) return;
    const { revision } = this.#records.get(clientIdentifier) ?? record;
    this.#o.log.whenDurable(() => this.#o.decide(inc, { connection, changed: number, revision }));
  }

  #changed(record: SessionRecord, { add, remove }: Change): readonly StoredSubscription[] {
    const checkpoints = this.#o.checkpoints();
    const kept = new Map(record.subscriptions.map((s) => [s.topicFilter, prune(s, checkpoints)]));
    for (const topicFilter of remove) kept.delete(topicFilter);
    for (const subscription of add) {
      const known = kept.get(subscription.topicFilter);
      // A repeated SUBSCRIBE changes the options, not since when it counts.
      const { starts: _starts, ...options } = subscription;
      kept.set(
        subscription.topicFilter,
        known === undefined
          ? subscription
          : { ...options, ...(known.starts === undefined ? {} : { starts: known.starts }) },
      );
    }
    return [...kept.values()];
  }

  gatewayEnded(incarnation: string): void {
    for (const { clientIdentifier, at } of this.#records.values()) {
      if (at?.incarnation === incarnation) this.#stranded.push(clientIdentifier);
    }
    for (const [clientIdentifier, { claim }] of this.#pending) {
      if (claim.inc === incarnation) this.#dropPending(clientIdentifier);
      else this.#goOn(clientIdentifier);
    }
  }

  /** A few times a second. */
  tick(): void {
    for (const clientIdentifier of this.#stranded.splice(0, SESSIONS_PER_TICK)) {
      const record = this.#records.get(clientIdentifier);
      if (record?.at === undefined || this.#o.isAlive(record.at.incarnation)) continue;
      this.#leave(record, undefined);
    }
    const nowMs = this.#o.clock.wallMs();
    for (const clientIdentifier of this.#expiry.due(nowMs, SESSIONS_PER_TICK)) {
      const record = this.#records.get(clientIdentifier);
      if (record !== undefined && record.expiresAtMs <= nowMs) this.#delete(clientIdentifier);
    }
  }

  /** The record, unless it has expired. */
  #current(clientIdentifier: string): SessionRecord | undefined {
    const record = this.#records.get(clientIdentifier);
    if (record === undefined || record.expiresAtMs > this.#o.clock.wallMs()) return record;
    this.#delete(clientIdentifier);
    return undefined;
  }

  #put(record: SessionRecord): void {
    const { log } = this.#o;
    this.#records.set(record.clientIdentifier, record);
    this.#expiry.set(record.clientIdentifier, record.expiresAtMs);
    log.put(SESSION_TABLE, record.clientIdentifier, encodeSession(record));
    this.#putRevision();
  }

  #delete(clientIdentifier: string): void {
    this.#records.delete(clientIdentifier);
    this.#expiry.set(clientIdentifier, Infinity);
    this.#o.log.delete(SESSION_TABLE, clientIdentifier);
    this.#revision++;
    this.#putRevision();
  }

  #putRevision(): void {
    const value = Buffer.allocUnsafe(8);
    value.writeDoubleBE(this.#revision, 0);
    this.#o.log.put(META_TABLE, REVISION_KEY, value);
  }
}

function grantOf(record: SessionRecord): GrantedSession {
  const { generation, stay, revision, subscriptions, cursor, inFlight } = record;
  // A session that began with this attach was not there before.
  const present = !isFirstStay(record);
  return { present, generation, stay, revision, subscriptions, cursor, inFlight };
}

/** The generation is made of the revision of the attach that began it. */
function isFirstStay({ generation, stay, cursor }: SessionRecord): boolean {
  return Math.floor(generation / cursor.length) === stay;
}

/** Starts that every checkpoint has passed say nothing any more. */
function prune(s: StoredSubscription, checkpoints: readonly Position[]): StoredSubscription {
  const isPassed = s.starts?.every((start, p) => start <= (checkpoints[p] ?? 0)) === true;
  if (!isPassed) return s;
  const { starts: _starts, ...rest } = s;
  return rest;
}

function isAt(
  at: { readonly incarnation: string; readonly connection: number },
  incarnation: string,
  connection: number,
): boolean {
  return at.connection === connection && at.incarnation === incarnation;
}

function isOf(a: Claim, b: Claim): boolean {
  return a.inc === b.inc && a.connection === b.connection;
}

/** Authentication names are compared without case (event-grid: client authentication name). */
function isSameName(a: string, b: string): boolean {
  return a === b || a.toLowerCase() === b.toLowerCase();
}
