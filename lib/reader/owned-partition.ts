/**
 * Owned partition — one life as owner of a partition in a reader group (protocol 7, 10–12, 17).
 *
 * Shape: taking → recovering → preparing → reading → leaving → over. In order: take the reader
 *        record, mark and recover the state log, follow the leases up to the take, let the logic
 *        prepare, read the log from the checkpoint.
 * Ends:  lease refused, state log fenced, or given up: last record, checkpoint, owner none.
 */
import type { Clock, Timer } from '#base';
import { LeaseHolder, readerLeaseSubject, READER_TTL_MS, type LeaseEnd } from '#lease';
import type { ReaderEntry, ReaderReport } from '#lease';
import { PROGRESS_START, StateLog, type StateProgress } from '#state';
import { EXACTLY_ONCE_TABLE, ExactlyOnce } from './exactly-once.ts';
import { LeaseTrimmer } from './lease-trimmer.ts';
import { LogFeed } from './log-feed.ts';
import { figuresOf, LogRoom } from './log-room.ts';
import { LogTrimmer } from './log-trimmer.ts';
import type {
  LogRecordView,
  PartitionContext,
  PartitionFigures,
  PartitionLogic,
  ReaderEvent,
  ReaderGroupOptions,
} from './port.ts';
import { SKIPPED_TABLE, SkippedMessages } from './skipped-messages.ts';
import { WriterNumbers, WRITERS_TABLE } from './writer-numbers.ts';

/**
 * Read whole at a take-over, while they stand anywhere in the state log: kept from the recovery on,
 * which has read all of it anyway.
 */
const READER_TABLES = [WRITERS_TABLE, EXACTLY_ONCE_TABLE, SKIPPED_TABLE];
/** Wait for the last state record and for the release each, ms: SIGTERM leaves 4 s in all. */
const LEAVE_STEP_MS = 1_000;

export interface OwnedPartitionOptions {
  readonly group: ReaderGroupOptions;
  readonly shared: Pick<PartitionContext, 'leases' | 'observer' | 'endGateway'>;
  readonly partition: number;
  /** Counts the takes of this process: no two lives as owner write the same bytes. */
  readonly take: number;
  /** The record seen, free or expired; undefined: there was never one. */
  readonly previous: ReaderEntry | undefined;
  /** Groups that must have registered before the log is trimmed; empty: another group trims. */
  readonly trimsFor: readonly string[];
  readonly onOver: (marked: boolean) => void;
}

/** What decides about copies and repeats, as an earlier owner left it. */
interface Decisions {
  readonly numbers: WriterNumbers;
  readonly exactlyOnce: ExactlyOnce;
  readonly skipped: SkippedMessages;
}

type PartitionPhase = 'taking' | 'recovering' | 'preparing' | 'reading' | 'leaving' | 'over';

export class OwnedPartition {
  readonly #o: OwnedPartitionOptions;
  readonly #clock: Clock;
  readonly #lease: LeaseHolder<ReaderReport>;
  #phase: PartitionPhase = 'taking';
  #recovery: { close: () => void } | undefined;
  #state: StateLog | undefined;
  #logic: PartitionLogic | undefined;
  #feed: LogFeed | undefined;
  #trimmer: LogTrimmer | undefined;
  #leaseTrimmer: LeaseTrimmer | undefined;
  #room: LogRoom | undefined;
  #logicStopped = false;
  #stuckOn: readonly string[];
  #marked = false;
  #lastProgress: StateProgress | undefined;
  #leaveTimer: Timer | undefined;
  #onLeft: (() => void)[] = [];

  constructor(options: OwnedPartitionOptions) {
    this.#o = options;
    const { bus, clock, group, member } = options.group;
    this.#clock = clock;
    this.#stuckOn = options.previous?.content.stuckOn ?? [];
    this.#lease = new LeaseHolder<ReaderReport>({
      bus,
      clock,
      subject: readerLeaseSubject(group, options.partition),
      holder: `${member}.${options.take}`,
      ttlMs: READER_TTL_MS,
      content: () => this.#report(),
      onTaken: (epoch) => this.#recover(epoch),
      onStandStill: () => this.#standStill(),
      onGoOn: () => this.#goOn(),
      onEnded: (why) => this.#onLeaseEnded(why),
    });
    this.#lease.take(options.previous?.revision ?? 0);
  }

  get phase(): PartitionPhase {
    return this.#phase;
  }
  get logic(): PartitionLogic | undefined {
    return this.#logic;
  }
  get state(): StateLog | undefined {
    return this.#state;
  }
  get feed(): LogFeed | undefined {
    return this.#feed;
  }
  /** Undefined: not reading yet. */
  get figures(): PartitionFigures | undefined {
    const [feed, state, room] = [this.#feed, this.#state, this.#room];
    if (feed === undefined || state === undefined || room === undefined) return undefined;
    return figuresOf(this.#o.partition, feed, state, room);
  }
  get epoch(): number {
    return this.#lease.takenAt;
  }

  /** Last record, checkpoint, owner none; `onLeft` when written, or not to be had in time. */
  leave(onLeft?: () => void): void {
    if (onLeft !== undefined) this.#onLeft.push(onLeft);
    if (this.#phase === 'over') return this.#finishLeaving();
    if (this.#phase === 'leaving') return;
    const state = this.#state;
    this.#lastProgress = this.#progress();
    this.#phase = 'leaving';
    this.#stopReading();
    if (state === undefined) return this.#release();
    this.#leaveTimer = this.#clock.after(LEAVE_STEP_MS, () => this.#release());
    state.flush(() => this.#release());
  }

  /** Ends without a word. */
  kill(): void {
    this.#lease.abandon();
    this.#over();
  }

  #report(): ReaderReport {
    const { group, previous } = this.#o;
    const known = previous?.content.checkpoint ?? 0;
    return {
      owner: this.#phase === 'leaving' ? null : group.member,
      instance: group.instance,
      epoch: this.#lease.takenAt,
      checkpoint: this.#state?.durableCheckpoint ?? known,
      stuckOn: this.#stuckOn,
    };
  }

  #recover(epoch: number): void {
    this.#phase = 'recovering';
    this.#event('partition taken');
    const { bus, clock, group } = this.#o.group;
    const { partition } = this.#o;
    const onFenced = (): void => this.#onFenced();
    const residentTables = new Set([...READER_TABLES, ...(this.#o.group.residentTables ?? [])]);
    this.#recovery = StateLog.recover(
      { bus, clock, group, partition, epoch, onFenced, residentTables },
      (state) => {
        this.#recovery = undefined;
        if (this.#isEnding()) return state.close();
        this.#state = state;
        const decisions = this.#loadDecisions(state);
        this.#o.shared.leases.waitFor(epoch, () => this.#prepare(state, decisions));
      },
    );
  }

  #loadDecisions(state: StateLog): Decisions {
    const numbers = new WriterNumbers(state);
    const exactlyOnce = new ExactlyOnce(state, (generation) =>
      this.#logic?.hasSession?.(generation),
    );
    const skipped = new SkippedMessages(state);
    for (const decider of [numbers, exactlyOnce, skipped]) decider.load();
    return { numbers, exactlyOnce, skipped };
  }

  #isEnding(): boolean {
    return this.#phase === 'leaving' || this.#phase === 'over';
  }

  #prepare(state: StateLog, decisions: Decisions): void {
    if (this.#isEnding()) return;
    this.#phase = 'preparing';
    const logic = this.#o.group.makeLogic(this.#context(state));
    this.#logic = logic;
    state.begin(() => this.#progressToWrite(decisions));
    if (!this.#lease.holds()) this.#standStillLogic();
    let told = false;
    logic.prepare(() => {
      if (told || this.#isEnding()) return;
      told = true;
      this.#read(state, decisions);
    });
  }

  #context(state: StateLog): PartitionContext {
    const { group, shared, partition } = this.#o;
    const feedOf = (): LogFeed | undefined => this.#feed;
    return {
      group: group.group,
      partition,
      partitions: group.partitions,
      epoch: this.#lease.takenAt,
      bus: group.bus,
      clock: group.clock,
      random: group.random,
      state,
      leases: shared.leases,
      observer: shared.observer,
      endGateway: shared.endGateway,
      checkpoint: state.recovered.checkpoint,
      decided: state.recovered.decided,
      stuckBefore: this.#o.previous?.content.stuckOn ?? [],
      holds: () => this.#lease.holds(),
      pause: () => feedOf()?.pause(),
      resume: () => feedOf()?.resume(),
      get headSequence() {
        return feedOf()?.headSequence ?? 0;
      },
      giveUp: (stuckOn) => this.giveUp(stuckOn),
    };
  }

  #read(state: StateLog, decisions: Decisions): void {
    this.#phase = 'reading';
    this.#stuckOn = [];
    const { bus, clock } = this.#o.group;
    const { partition, trimsFor } = this.#o;
    const feed = new LogFeed({
      bus,
      clock,
      partition,
      recovered: state.recovered,
      ...decisions,
      holds: () => this.#lease.holds(),
      onRecord: (record) => this.#onRecord(record),
      onCopy: (sequence) => this.#logic?.copySkipped?.(sequence),
      ...this.#wanted(),
      onGap: (wanted, first) => this.#event('log gap', `wanted ${wanted}, first is ${first}`),
      onUnreadable: (sequence, fault) =>
        this.#event('record unreadable', `${sequence}: ${String(fault)}`),
    });
    this.#feed = feed;
    if (trimsFor.length > 0) {
      const { leases } = this.#o.shared;
      const logTimeMs = (): number => feed.logTimeMs;
      if (partition === 0) this.#leaseTrimmer = new LeaseTrimmer(bus, clock, leases);
      this.#trimmer = new LogTrimmer({
        bus,
        clock,
        leases,
        partition,
        groups: trimsFor,
        logTimeMs,
        onUnregistered: (group) => this.#event('log not trimmed', `no ${group} ever ran`),
      });
    }
    this.#room = new LogRoom(bus, clock, partition);
    if (this.#logicStopped) feed.standStill();
    feed.start();
    this.#event('partition reading', `from ${state.recovered.checkpoint}`);
  }

  /** Only a logic that may want nothing is asked. */
  #wanted(): { wanted?: () => boolean } {
    if (this.#logic?.wantsRecords === undefined) return {};
    return { wanted: () => this.#logic?.wantsRecords?.() ?? true };
  }

  #onRecord(record: LogRecordView): void {
    this.#trimmer?.note(record.sequence, record.storedAtMs);
    this.#logic?.record(record);
  }

  /** Never below what was recovered: the logic may not know before it has read. */
  #progress(): StateProgress {
    const recovered = this.#state?.recovered;
    if (this.#lastProgress !== undefined) return this.#lastProgress;
    const feed = this.#feed;
    const logic = this.#logic;
    if (recovered === undefined) return PROGRESS_START;
    if (feed === undefined || logic === undefined) return recovered;
    const { decided } = feed;
    const checkpoint = Math.max(recovered.checkpoint, Math.min(logic.checkpoint(), decided));
    return {
      checkpoint,
      decided,
      skippedRecords: feed.skippedRecords(checkpoint),
    };
  }

  /** What decisions rest on at this moment rides with the record that says *decided*. */
  #progressToWrite({ numbers, exactlyOnce, skipped }: Decisions): StateProgress {
    const progress = this.#progress();
    numbers.ride();
    exactlyOnce.ride();
    skipped.ride(progress.checkpoint);
    return progress;
  }

  /** To another process; `stuckOn` marks it (protocol 9). */
  giveUp(stuckOn: readonly string[]): void {
    if (this.#isEnding()) return;
    this.#stuckOn = stuckOn;
    this.#marked = stuckOn.length > 0;
    this.#event('partition given up', stuckOn.length > 0 ? `stuck on ${stuckOn.join()}` : '');
    this.leave();
  }

  #standStill(): void {
    this.#event('standing still');
    this.#standStillLogic();
  }

  #standStillLogic(): void {
    this.#feed?.standStill();
    if (this.#logic === undefined || this.#logicStopped || this.#isEnding()) return;
    this.#logicStopped = true;
    this.#logic.standStill();
  }

  #goOn(): void {
    this.#event('going on');
    if (this.#logicStopped && !this.#isEnding()) {
      this.#logicStopped = false;
      this.#logic?.goOn();
    }
    this.#feed?.goOn();
  }

  #release(): void {
    if (this.#leaveTimer !== undefined) this.#clock.cancel(this.#leaveTimer);
    if (this.#phase !== 'leaving') return;
    this.#leaveTimer = this.#clock.after(LEAVE_STEP_MS, () => this.kill());
    this.#lease.end();
  }

  #onLeaseEnded(why: LeaseEnd): void {
    if (this.#phase === 'over') return;
    if (why === 'refused') this.#event('partition lost');
    this.#over();
  }

  #onFenced(): void {
    this.#event('state log fenced');
    this.kill();
  }

  #stopReading(): void {
    this.#feed?.close();
    this.#trimmer?.close();
    this.#leaseTrimmer?.close();
    this.#room?.close();
    this.#recovery?.close();
    const logic = this.#logic;
    this.#logic = undefined;
    logic?.end();
  }

  #over(): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    if (this.#leaveTimer !== undefined) this.#clock.cancel(this.#leaveTimer);
    this.#stopReading();
    this.#state?.close();
    this.#finishLeaving();
    this.#o.onOver(this.#marked);
  }

  #finishLeaving(): void {
    for (const onLeft of this.#onLeft.splice(0)) onLeft();
  }

  #event(kind: ReaderEvent['kind'], detail = ''): void {
    const { partition, group } = this.#o;
    const epoch = this.#lease.takenAt;
    group.onEvent(detail === '' ? { kind, partition, epoch } : { kind, partition, epoch, detail });
  }
}
