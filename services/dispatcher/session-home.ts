/**
 * Session home — decides about client identifiers and writes what is kept of their sessions:
 * records, wills, QoS 2 deliveries (docs/adr/0012 S1, 0014).
 *
 * Shape: claims, changes, steps and releases come in, decisions go out when what they put is
 *        durable.
 * Take-over: who holds the identifier is asked to leave first; its release brings the exact cursor.
 *        After LEAVE_WAIT_MS it is taken without.
 * Pace:  sessions at an ended gateway become offline, and expired ones end, SESSIONS_PER_TICK at a
 *        time: each is an entry of a packed record.
 */
import type { Clock, Timer } from '#base';
import type { ClaimDecision, GatewayMessage, GrantedSession, LeavingSession } from '#frames';
import { OUT_FINISHED } from '#frames';
import type { Position } from '#log';
import type { SessionRecord } from '#session-store';
import type { StateTables } from '#state';
import type { HomeClaims } from './home-claims.ts';
import type { OutTable } from './out-table.ts';
import { SessionDeletions } from './session-deletions.ts';
import type { SessionRecords } from './session-records.ts';
import { changedSubscriptions } from './subscription-change.ts';
import type { WillKeeper } from './will-keeper.ts';

/** Wait for the release of an older connection. */
export const LEAVE_WAIT_MS = 200;
/** Records written by themselves per tick. */
const SESSIONS_PER_TICK = 500;

type Claim = Extract<GatewayMessage, { t: 'claim' }>;
type Release = Extract<GatewayMessage, { t: 'release' }>;
type Change = Extract<GatewayMessage, { t: 'change' }>;
type Out = Extract<GatewayMessage, { t: 'out' }>;

interface PendingClaim {
  readonly claim: Claim;
  readonly timer: Timer;
}

export interface SessionHomeOptions {
  readonly clock: Clock;
  readonly home: number;
  readonly partitions: number;
  readonly claims: HomeClaims;
  readonly records: SessionRecords;
  /** State log of the partition: wills and QoS 2 deliveries are in it. */
  readonly state: Pick<StateTables, 'whenDurable'>;
  readonly wills: WillKeeper;
  readonly outs: OutTable;
  readonly isAlive: (incarnation: string) => boolean;
  /** Per partition the checkpoint that is known to be durable. */
  readonly checkpoints: () => readonly Position[];
  readonly decide: (incarnation: string, decision: ClaimDecision) => void;
}

/** `generation` absent: nothing is stored. */
export interface LookedAt {
  readonly revision: number;
  readonly generation?: number;
  /** Packet identifiers of deliveries that are open. */
  readonly inFlight?: readonly number[];
}

export class SessionHome {
  readonly #o: SessionHomeOptions;
  readonly #pending = new Map<string, PendingClaim>();
  readonly #deletions = new SessionDeletions();
  /** Sessions at ended gateways, to be written as offline. */
  #stranded: string[] = [];
  #closed = false;

  constructor(options: SessionHomeOptions) {
    this.#o = options;
    const { records, isAlive, wills, outs, partitions, home } = options;
    for (const { at, clientIdentifier } of records.values()) {
      if (at !== undefined && !isAlive(at.incarnation)) this.#stranded.push(clientIdentifier);
    }
    wills.recover((clientIdentifier) => this.#expirySeconds(clientIdentifier));
    const generations = new Set([...records.values()].map(({ generation }) => generation));
    for (const generation of [...outs.generations]) {
      if (generation % partitions === home && !generations.has(generation)) outs.end(generation);
    }
  }

  get sessionCount(): number {
    return this.#o.records.size;
  }

  close(): void {
    this.#closed = true;
    for (const { timer } of this.#pending.values()) this.#o.clock.cancel(timer);
    this.#pending.clear();
  }

  claim(claim: Claim): void {
    const { claims, isAlive, records } = this.#o;
    const { inc, connection, clientIdentifier, authenticationName } = claim;
    const found = records.get(clientIdentifier);
    if (found !== undefined && records.isExpired(found)) this.#end(found);
    const record = records.get(clientIdentifier);
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
    const { inc, connection, clientIdentifier, authenticationName, will } = claim;
    const { claims, records, wills } = this.#o;
    // Asked for again, or by a connection that has been ended meanwhile.
    const decision = claims.claim(inc, connection, clientIdentifier, authenticationName);
    if (!('granted' in decision) || !decision.granted) return this.#o.decide(inc, decision);
    const isWiped = this.#wipe(claim);
    const session = this.#attach(claim);
    const granted = session === undefined ? decision : { ...decision, session };
    const at = { incarnation: inc, connection };
    const hasWill = wills.attach(clientIdentifier, at, will, session?.present === true);
    if (session === undefined && !isWiped && !hasWill) return this.#o.decide(inc, granted);
    this.#whenDurable(() => {
      const current = session === undefined ? undefined : records.get(clientIdentifier);
      // Gone meanwhile: its gateway hears so by another way.
      if (session !== undefined && current?.stay !== session.stay) return;
      this.#o.decide(inc, granted);
    });
  }

  /** Ends the session that this claim does not go on with. True: there was one. */
  #wipe({ inc, connection, clientIdentifier, cleanStart }: Claim): boolean {
    const old = this.#o.records.get(clientIdentifier);
    if (old === undefined || !(cleanStart || this.#deletions.has(old.generation))) return false;
    // Asked for again: it is its own.
    if (old.at !== undefined && isAt(old.at, inc, connection)) return false;
    this.#end(old);
    return true;
  }

  /** The session that this connection gets; undefined: a clean one. */
  #attach(claim: Claim): GrantedSession | undefined {
    const { inc, connection, clientIdentifier, authenticationName } = claim;
    const { sessionExpirySeconds } = claim;
    const { home, partitions, records } = this.#o;
    const old = records.get(clientIdentifier);
    if (old?.at !== undefined && isAt(old.at, inc, connection)) return this.#grantOf(old);
    if (old === undefined && sessionExpirySeconds === 0) return undefined;
    const revision = records.nextRevision();
    const kept = old ?? {
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
    records.put(record);
    return this.#grantOf(record);
  }

  #grantOf(record: SessionRecord): GrantedSession {
    const { generation, stay, revision, subscriptions, inFlight } = record;
    // A session that began with this attach was not there before.
    const present = Math.floor(generation / this.#o.partitions) !== stay;
    const outs = this.#o.outs.entries(generation);
    const acknowledged = this.#o.outs.acknowledged(generation);
    const cursor = record.cursor.map((known, p) => Math.max(known, acknowledged[p] ?? 0));
    return { present, generation, stay, revision, subscriptions, cursor, inFlight, outs };
  }

  release(message: Release): void {
    const { inc, connection, leaving, publishesWill } = message;
    const { claims, records, wills, decide } = this.#o;
    const clientIdentifier = claims.released(inc, connection, message.clientIdentifier);
    const decision = claims.release(inc, connection, clientIdentifier);
    const record = records.get(clientIdentifier);
    const isStay = record?.at !== undefined && isAt(record.at, inc, connection);
    const at = { incarnation: inc, connection };
    const expirySeconds = isStay ? (leaving?.sessionExpirySeconds ?? 0) : 0;
    const hadWill = wills.release(clientIdentifier, at, publishesWill === true, expirySeconds);
    if (isStay) this.#leave(record, leaving);
    const pending = this.#pending.get(clientIdentifier);
    if (pending !== undefined) {
      const { claim } = pending;
      if (claim.inc === inc && claim.connection === connection) this.#dropPending(clientIdentifier);
      else if (isStay) this.#goOn(clientIdentifier);
    }
    if (leaving === undefined && record === undefined && !hadWill) return decide(inc, decision);
    // Also when another has it: what ended the stay, perhaps unknown to its gateway, is at or below
    // this revision.
    const { revision } = records;
    this.#whenDurable(() => decide(inc, { connection, released: true, revision }));
  }

  #leave(record: SessionRecord, leaving: LeavingSession | undefined): void {
    const { records, outs, clock } = this.#o;
    const sessionExpirySeconds = leaving?.sessionExpirySeconds ?? record.sessionExpirySeconds;
    const ends = sessionExpirySeconds === 0 || this.#deletions.has(record.generation);
    if (ends) return this.#end(record);
    const cursor = record.cursor.map((known, p) => Math.max(known, leaving?.cursor[p] ?? 0));
    outs.replaced(record.generation, leaving?.inFlight ?? []);
    records.put({
      ...record,
      revision: records.nextRevision(),
      at: undefined,
      cursor,
      inFlight: leaving?.inFlight ?? record.inFlight,
      sessionExpirySeconds,
      expiresAtMs: clock.wallMs() + sessionExpirySeconds * 1_000,
    });
  }

  #end({ clientIdentifier, generation }: SessionRecord): void {
    const { records, outs, wills } = this.#o;
    this.#deletions.done(generation);
    records.delete(clientIdentifier);
    outs.end(generation);
    wills.sessionEnded(clientIdentifier);
  }

  /** What is stored of a client, as an operator asks for it. */
  look(clientIdentifier: string): LookedAt {
    const { records, outs } = this.#o;
    const { revision } = records;
    const record = records.get(clientIdentifier);
    if (record === undefined || records.isExpired(record)) return { revision };
    const open = outs.entries(record.generation).filter(([, , , state]) => state !== OUT_FINISHED);
    const identifiers = [...record.inFlight, ...open].map(([identifier]) => identifier);
    const inFlight = [...new Set(identifiers)].sort((a, b) => a - b);
    return { revision, generation: record.generation, inFlight };
  }

  /**
   * An operator ends this life of a session, its connection first; may be said again. Answers true
   * when that is durable, false at once while the connection is being waited for.
   */
  delete(clientIdentifier: string, generation: number, answer: (isDone: boolean) => void): void {
    const { records, claims, clock, isAlive } = this.#o;
    const record = records.get(clientIdentifier);
    if (record?.generation === generation) {
      const { at } = record;
      if (at !== undefined && isAlive(at.incarnation) && claims.disconnect(clientIdentifier, at)) {
        this.#deletions.order(generation, clientIdentifier, clock.nowMs());
        return answer(false);
      }
      this.#end(record);
    }
    this.#whenDurable(() => answer(true));
  }

  change(message: Change): void {
    const { inc, connection, clientIdentifier, number } = message;
    const { records, checkpoints, decide } = this.#o;
    const record = records.get(clientIdentifier);
    if (record?.at === undefined || !isAt(record.at, inc, connection)) return;
    let { revision } = record;
    if (number === record.changes + 1) {
      const subscriptions = changedSubscriptions(record, message, checkpoints());
      revision = records.nextRevision();
      records.put({ ...record, revision, changes: number, subscriptions });
    } else if (number !== record.changes) return;
    records.whenDurable(() => decide(inc, { connection, changed: number, revision }));
  }

  out({ inc, connection, clientIdentifier, number, steps, acknowledged }: Out): void {
    const { records, outs, state, decide } = this.#o;
    const record = records.get(clientIdentifier);
    if (record?.at === undefined || !isAt(record.at, inc, connection)) return;
    outs.step(record.generation, steps, acknowledged);
    state.whenDurable(() => decide(inc, { connection, stepped: number }));
  }

  gatewayEnded(incarnation: string): void {
    const { records, wills } = this.#o;
    for (const { clientIdentifier, at } of records.values()) {
      if (at?.incarnation === incarnation) this.#stranded.push(clientIdentifier);
    }
    wills.gatewayEnded(incarnation, (clientIdentifier) => this.#expirySeconds(clientIdentifier));
    for (const [clientIdentifier, { claim }] of this.#pending) {
      if (claim.inc === incarnation) this.#dropPending(clientIdentifier);
      else if (records.get(clientIdentifier)?.at?.incarnation === incarnation) {
        this.#goOn(clientIdentifier);
      }
    }
  }

  /** How long a session outlives its connection. */
  #expirySeconds(clientIdentifier: string): number {
    return this.#o.records.get(clientIdentifier)?.sessionExpirySeconds ?? 0;
  }

  /** A few times a second. */
  tick(): void {
    const { records, wills, clock, isAlive } = this.#o;
    for (const clientIdentifier of this.#stranded.splice(0, SESSIONS_PER_TICK)) {
      const record = records.get(clientIdentifier);
      if (record?.at === undefined || isAlive(record.at.incarnation)) continue;
      this.#leave(record, undefined);
    }
    for (const record of records.expired(SESSIONS_PER_TICK)) this.#end(record);
    for (const clientIdentifier of this.#deletions.overdue(clock.nowMs())) {
      const record = records.get(clientIdentifier);
      if (record !== undefined) this.#end(record);
    }
    wills.tick();
  }

  /** What was put into both logs. */
  #whenDurable(onDurable: () => void): void {
    const { records, state } = this.#o;
    state.whenDurable(() => records.whenDurable(() => !this.#closed && onDurable()));
  }
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
