/**
 * Owner sessions — everything about stored sessions in one partition, wired (docs/adr/0012).
 *
 * Shape: as partition: modes, queues, filing jobs, pages, desk. As home: the session log and who
 *        writes it. The session board is the process's, shared by its partitions.
 * Life:  `prepare` recovers the session log beside the state log; when all gateways have answered,
 *        `sync` reads every session log up to a mark of our own; `begin` rebuilds modes and queues.
 */
import { encodeMessage, type GatewayMessage, operatorSubject } from '#frames';
import type { Position, RecordReader } from '#log';
import { DISPATCH_GROUP, type PartitionContext } from '#reader';
import { homeOfGeneration, type SessionRecord, SESSIONS_GROUP } from '#session-store';
import { PROGRESS_START, StateLog } from '#state';
import type { DispatchCounters } from './dispatch-counters.ts';
import { Filing } from './filing.ts';
import type { FilingJobs } from './filing-job.ts';
import type { HomeClaims } from './home-claims.ts';
import type { OwnerVoice } from './owner-voice.ts';
import type { PartitionLink } from './partition-link.ts';
import { OwnerGroups } from './owner-groups.ts';
import { PartitionSessions } from './partition-sessions.ts';
import { QueuePages } from './queue-pages.ts';
import type { RangeSender } from './range-sender.ts';
import type { TailRecord } from './record-tail.ts';
import type { BoardSession, BoardUser, SessionBoard } from './session-board.ts';
import { SessionDesk } from './session-desk.ts';
import { SessionHome } from './session-home.ts';
import { OutTable } from './out-table.ts';
import { SessionRecords } from './session-records.ts';
import { WillAppender } from './will-appender.ts';
import { WillKeeper } from './will-keeper.ts';
import { type QueueLimits, SessionQueues } from './session-queues.ts';
import type { Switchboard } from './switchboard.ts';
import type { UndurableLimit } from './undurable-limit.ts';

/** Filed messages dropped per tick because their time is over. */
const EXPIRED_PER_TICK = 10_000;
/** A home that does not end a session with a full queue is asked again after this, ms. */
const END_AGAIN_MS = 1_000;

export interface OwnerSessionsOptions {
  readonly context: PartitionContext;
  readonly board: SessionBoard;
  readonly switchboard: Switchboard;
  readonly counters: DispatchCounters;
  readonly links: ReadonlyMap<string, PartitionLink>;
  readonly sender: RangeSender;
  readonly voice: OwnerVoice;
  readonly claims: HomeClaims;
  readonly limit: UndurableLimit;
  readonly queueLimits?: QueueLimits | undefined;
  readonly lookedPerTurn?: number | undefined;
}

export class OwnerSessions implements BoardUser {
  readonly queues: SessionQueues;
  readonly sessions: PartitionSessions;
  readonly pages: QueuePages;
  readonly desk: SessionDesk;
  /** Shared subscriptions: queues beside those of sessions (ADR 0013). */
  readonly groups: OwnerGroups;
  readonly #o: OwnerSessionsOptions;
  readonly #filing: Filing;
  #recovery: { close: () => void } | undefined;
  #log: StateLog | undefined;
  #home: SessionHome | undefined;
  #records: SessionRecords | undefined;
  #appender: WillAppender | undefined;
  #wills: WillKeeper | undefined;
  #outs: OutTable | undefined;
  /** Sessions whose home was asked to end them, and when. */
  readonly #fullSinceMs = new Map<number, number>();
  #begun = false;
  #ended = false;

  constructor(options: OwnerSessionsOptions) {
    this.#o = options;
    const { context, board, switchboard, links, sender, voice, counters, limit } = options;
    const { partition, epoch, clock, state } = context;
    const position = (): Position => sender.position;
    this.queues = new SessionQueues(
      state,
      counters,
      (bytes) => limit.put(bytes),
      (slot) => this.#endFull(slot),
      options.queueLimits,
    );
    this.#filing = new Filing({
      ...options,
      sessions: () => this.sessions,
      onWhole: () => this.#lookAgain(),
    });
    this.sessions = new PartitionSessions({
      partition,
      board,
      queues: this.queues,
      floorOf: (incarnation) => links.get(incarnation)?.floor ?? 0,
      join: (session, from) => this.jobs.join(session, from),
      position,
      filedUpTo: () => this.#filing.filedUpTo,
    });
    this.pages = new QueuePages({
      clock,
      queues: this.queues,
      position,
      send: (incarnation, page) => voice.tellQueuePage(incarnation, page),
      onRoom: () => this.#lookAgain(),
      isComplete: (session) => this.sessions.mode(session) !== 'joining',
    });
    this.desk = new SessionDesk({
      partition,
      epoch,
      partitions: context.partitions,
      board,
      sessions: this.sessions,
      queues: this.queues,
      pages: this.pages,
      tell: (incarnation, message) => voice.tell(incarnation, message),
      position,
      filterVersion: (incarnation) => switchboard.interest.version(incarnation),
    });
    this.groups = new OwnerGroups({
      ...options,
      board: switchboard.groups,
      position,
      planFlush: () => switchboard.planFlush(),
    });
  }

  /** Something that questions of gateways wait for has come. */
  #lookAgain(): void {
    this.desk.lookAtEarly();
    this.#o.switchboard.planFlush();
  }

  get jobs(): FilingJobs {
    return this.#filing.jobs;
  }
  get board(): SessionBoard {
    return this.#o.board;
  }
  /** Undefined: not begun. */
  get home(): SessionHome | undefined {
    return this.#home;
  }
  /** Sessions whose home is here. */
  get homeCount(): number {
    return this.#home?.sessionCount ?? 0;
  }
  get willCount(): number {
    return this.#wills?.size ?? 0;
  }
  /** Records of wills that are not in the log yet. */
  get firedWaiting(): number {
    return this.#appender?.waiting ?? 0;
  }
  get outCount(): number {
    return this.#outs?.size ?? 0;
  }
  /** Of the oldest message that waits for a session; 0: none waits. */
  get oldestAgeSeconds(): number {
    const atSeconds = this.queues.store.oldestAtSeconds;
    if (atSeconds === undefined) return 0;
    return Math.max(0, this.#o.context.clock.wallMs() / 1_000 - atSeconds);
  }
  has(generation: number): boolean {
    return this.#o.board.session(generation) !== undefined;
  }
  /** How long the session log's record under way has gone without an answer, ms. */
  get unansweredMs(): number {
    return this.#log?.unansweredMs ?? 0;
  }
  /** Everything up to here is filed for those that have left. */
  get position(): Position {
    return Math.min(this.jobs.position, this.groups.position);
  }

  /** Fences the last home's session log and recovers it. */
  prepare(onReady: () => void): void {
    const { context } = this.#o;
    const { bus, clock, partition, epoch } = context;
    this.#recovery = StateLog.recover(
      {
        bus,
        clock,
        group: SESSIONS_GROUP,
        partition,
        epoch,
        expectationOf: 'subject',
        onFenced: () => context.giveUp([]),
      },
      (log) => {
        this.#recovery = undefined;
        if (this.#ended) return log.close();
        this.#log = log;
        log.begin(() => PROGRESS_START);
        onReady();
      },
    );
  }

  /** Reads all session logs up to a mark of our own (S2). */
  sync(onSynced: () => void): void {
    this.#o.board.view.sync(() => {
      if (!this.#ended) onSynced();
    });
  }

  /** All gateways have answered and the view is new enough (S8). */
  begin(): void {
    const { context, board } = this.#o;
    const { partition, checkpoint } = context;
    for (const session of board.sessions) {
      const last = Math.max(session.record.cursor[partition] ?? 0, checkpoint);
      this.sessions.begin(session, last, this.#liveAfter(session.record));
    }
    this.queues.recover(partition, (generation) => board.session(generation));
    board.addUser(this);
    this.groups.begin();
    this.#begun = true;
    if (this.#log !== undefined) this.#home = this.#makeHome(this.#log);
  }

  #makeHome(log: StateLog): SessionHome {
    const { context, board, switchboard, claims, links } = this.#o;
    const { partition, partitions, clock, bus, state } = context;
    const isAlive = (incarnation: string): boolean => switchboard.line(incarnation) !== undefined;
    const { view } = board;
    const stored = view.recordsOf(partition);
    const records = new SessionRecords(clock, log, stored, view.revision(partition));
    this.#records = records;
    const holds = (): boolean => context.holds();
    const appender = new WillAppender({ bus, clock, state, home: partition, holds });
    this.#appender = appender;
    this.#wills = new WillKeeper({ clock, state, partitions, appender, isAlive });
    this.#outs = new OutTable(state);
    return new SessionHome({
      clock,
      home: partition,
      partitions,
      claims,
      records,
      state,
      wills: this.#wills,
      outs: this.#outs,
      isAlive,
      checkpoints: () => this.#checkpoints(),
      decide: (incarnation, decision) => {
        links.get(incarnation)?.decisions.push(decision);
        switchboard.planFlush();
      },
    });
  }

  /** From where on its gateway says to have it; Infinity: not at all. */
  #liveAfter({ at, stay, generation }: SessionRecord): Position {
    const link = at === undefined ? undefined : this.#o.links.get(at.incarnation);
    const named = link?.sessionsNamed;
    if (at === undefined || link?.phase !== 'ready' || named === undefined) return Infinity;
    if (named.undecided.has(at.connection)) return Infinity;
    const home = homeOfGeneration(generation, this.#o.context.partitions);
    if (stay > (named.known[home] ?? 0) || named.filed.has(generation)) return Infinity;
    return named.fresh.get(generation) ?? 0;
  }

  #checkpoints(): readonly Position[] {
    const { leases, partitions } = this.#o.context;
    return Array.from(
      { length: partitions },
      (_, p) => leases.reader(DISPATCH_GROUP, p)?.content.checkpoint ?? 0,
    );
  }

  end(): void {
    this.#ended = true;
    this.#recovery?.close();
    this.#log?.close();
    this.#home?.close();
    this.#appender?.close();
    this.jobs.close();
    this.groups.end();
    this.#o.board.removeUser(this);
  }

  // ---- the log

  /** The message with QoS ≥ 1 that `reader` stands on. */
  dispatch(topic: string, position: Position, record: TailRecord, reader: RecordReader): void {
    this.#filing.dispatch(topic, position, record, reader);
    this.groups.dispatch(topic, position, record, reader);
  }

  /** Its queue is full: its home is asked, as an operator asks, until the session is gone. */
  #endFull(slot: number): void {
    const session = this.#o.board.sessionAt(slot);
    if (session === undefined) return;
    const { record, generation } = session;
    const { bus, clock, partitions } = this.#o.context;
    const nowMs = clock.nowMs();
    if (nowMs - (this.#fullSinceMs.get(generation) ?? -Infinity) < END_AGAIN_MS) return;
    this.#fullSinceMs.set(generation, nowMs);
    const { clientIdentifier } = record;
    const order = { t: 'delete', ask: 0, clientIdentifier, generation };
    const home = homeOfGeneration(generation, partitions);
    bus.publish(operatorSubject(home), encodeMessage(order), bus.inbox());
  }

  // ---- BoardUser

  onSession(session: BoardSession): void {
    const { partition } = this.#o.context;
    this.sessions.begin(session, session.record.cursor[partition] ?? 0, Infinity);
    this.#records?.share(session.record);
  }
  onSessionChange(session: BoardSession, before: SessionRecord): void {
    this.sessions.changed(session, before);
    this.#records?.share(session.record);
  }
  onSessionEnd(session: BoardSession): void {
    this.jobs.forget(session);
    this.desk.sessionEnded(session);
    this.#fullSinceMs.delete(session.generation);
    this.sessions.end(session);
  }
  onRevision(): void {
    for (const link of this.#o.links.values()) this.applyFloor(link);
    this.desk.onRevision();
    // A stay that was asked about may be there now.
    this.#o.switchboard.planFlush();
  }

  // ---- gateways

  /** A floor counts once the view has what its gateway knew (S7). */
  applyFloor(link: PartitionLink): void {
    const { reported } = link;
    if (reported === undefined || !this.#o.board.view.hasReached(reported.known)) return;
    link.reported = undefined;
    if (reported.floor > link.floor) link.floor = reported.floor;
  }

  onRequest(link: PartitionLink, message: GatewayMessage): void {
    switch (message.t) {
      case 'claim':
        this.#home?.claim(message);
        return;
      case 'release':
        this.#home?.release(message);
        return;
      case 'change':
        this.#home?.change(message);
        return;
      case 'out':
        this.#home?.out(message);
        return;
      case 'groups':
        this.groups.onReport(link, message);
        return;
      default:
        this.desk.onRequest(link, message);
    }
  }

  gatewayEnded(incarnation: string): void {
    if (!this.#begun) return;
    this.sessions.gatewayEnded(incarnation);
    this.groups.gatewayEnded(incarnation);
    this.desk.gatewayEnded(incarnation);
    this.#home?.gatewayEnded(incarnation);
  }

  beforeFlush(): void {
    this.desk.beforeFlush();
    this.groups.beforeFlush();
  }

  /** Twice a second. */
  tick(): void {
    this.#home?.tick();
    this.groups.tick();
    this.queues.store.expireDue(this.#o.context.clock.wallMs(), EXPIRED_PER_TICK);
  }
}
