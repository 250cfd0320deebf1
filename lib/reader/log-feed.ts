/**
 * Log feed — the records of one partition, in order, to the logic that owns it.
 *
 * Shape: a follower, a queue for what arrives while the logic is paused or the lease is not held
 *        (bounded by the follower's window), and one reused view per record.
 * Unwanted: while the logic wants nothing of the log, nothing is read; what was stored some seconds
 *        ago is passed over, so that the checkpoint, and with it the trimming, goes on.
 * Once:  a copy of a record is skipped. Up to *decided* of an earlier owner only its list of
 *        skipped records counts; above it the numbers of the writers do (protocol 25). In the same
 *        way repeats of QoS 2 messages are found and listed, message by message.
 */
import { type Clock, Fault, type Timer } from '#base';
import type { Bus, Follower, StreamMessage } from '#bus';
import {
  indexOf,
  logStream,
  type Position,
  positionAfterRecord,
  RECORD_MESSAGES_MAX,
  recordHasKeys,
  recordNumber,
  sequenceOf,
  writerOfSubject,
} from '#log';
import type { StateProgress } from '#state';
import type { ExactlyOnce } from './exactly-once.ts';
import type { LogRecordView } from './port.ts';
import type { SkippedMessages } from './skipped-messages.ts';
import type { WriterNumbers } from './writer-numbers.ts';

/**
 * Records are handed over for so long in one turn of the loop, ms; the rest waits for the next one.
 * A socket gives megabytes in a turn: a second of work for who keeps retained messages.
 */
const TURN_MS = 8;
/** How often it is looked whether records are wanted, and how far the log is, ms. */
const PASS_OVER_LOOK_MS = 1_000;
/**
 * Only what was stored so long ago is passed over, ms: who begins to want records (an event
 * subscription was created) hears of it later than the log does.
 */
const PASS_OVER_DELAY_MS = 3_000;

export interface LogFeedOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly partition: number;
  /** What an earlier owner left. */
  readonly recovered: StateProgress;
  readonly numbers: WriterNumbers;
  readonly exactlyOnce: ExactlyOnce;
  readonly skipped: SkippedMessages;
  readonly holds: () => boolean;
  readonly onRecord: (record: LogRecordView) => void;
  readonly onCopy: (sequence: number) => void;
  readonly onGap: (wanted: number, first: number) => void;
  readonly onUnreadable: (sequence: number, fault: unknown) => void;
  /** Asked once a second: whether any record matters now. Default: always. */
  readonly wanted?: () => boolean;
}

const NONE: readonly number[] = [];

class RecordView implements LogRecordView {
  sequence = 0;
  payload: Buffer = Buffer.alloc(0);
  writer = '';
  storedAtMs = 0;
  after: Position = 0;
  decidedBefore = false;
  skipped = NONE;
}

/** First record to read behind a checkpoint: its own when messages of it may be left. */
function firstSequence(after: Position): number {
  const sequence = sequenceOf(after);
  if (sequence === 0) return 1;
  return indexOf(after) === RECORD_MESSAGES_MAX - 1 ? sequence + 1 : sequence;
}

export class LogFeed {
  /** Plain counters. */
  records = 0;
  copies = 0;

  readonly #o: LogFeedOptions;
  readonly #view = new RecordView();
  readonly #skippedBefore: Set<number>;
  #follower: Follower | undefined;
  #queue: StreamMessage[] = [];
  #head = 0;
  #paused = false;
  #stopped = false;
  #closed = false;
  #draining = false;
  /** When the first record of this turn of the loop was handed over. */
  #turnStartMs: number | undefined;
  #lastSequence = 0;
  #headSequence = 0;
  #skippedRecords: number[];
  #storedAtMs = 0;
  #seenAtMs = 0;
  /** Heads of the log seen while nothing is wanted, oldest first; undefined: reading. */
  #heads: { readonly atMs: number; readonly last: number }[] | undefined;
  #lookTimer: Timer | undefined;

  constructor(options: LogFeedOptions) {
    this.#o = options;
    this.#skippedRecords = [...options.recovered.skippedRecords];
    this.#skippedBefore = new Set(options.recovered.skippedRecords);
  }

  /** Decisions are made up to here, by this owner or an earlier one. */
  get decided(): Position {
    const own = this.#lastSequence === 0 ? 0 : positionAfterRecord(this.#lastSequence);
    return Math.max(own, this.#o.recovered.decided);
  }
  /** Last sequence handed over. */
  get lastSequence(): number {
    return this.#lastSequence;
  }
  /** Last sequence of the log as far as known. */
  get headSequence(): number {
    return this.#headSequence;
  }
  /** Now by the log's own clock: never ahead of the server's. 0: nothing seen yet. */
  get logTimeMs(): number {
    if (this.#storedAtMs === 0) return 0;
    return this.#storedAtMs + (this.#o.clock.nowMs() - this.#seenAtMs);
  }

  start(): void {
    this.#follow(firstSequence(this.#o.recovered.checkpoint));
    if (this.#o.wanted !== undefined) this.#planLook();
  }

  #follow(wanted: number): void {
    this.#follower = this.#o.bus.follow({
      stream: logStream(this.#o.partition),
      fromSequence: wanted,
      onMessage: (message) => this.#onMessage(message),
      onCaughtUp: (last) => {
        this.#headSequence = Math.max(this.#headSequence, last);
      },
      onGap: (first) => {
        const next = Math.max(wanted, this.#lastSequence + 1);
        // A new owner of a log that nobody has read: it begins where it begins.
        if (this.#closed || next === 1) return;
        if (positionAfterRecord(first - 1) > this.decided) this.#o.exactlyOnce.closeAll();
        this.#o.onGap(next, first);
      },
    });
    this.#steer();
  }

  /** The logic wants no more for now, or wants more again. */
  pause(): void {
    this.#paused = true;
    this.#steer();
  }
  resume(): void {
    this.#paused = false;
    this.#drainSoon();
  }

  /** The lease is past its deadline, or held again. */
  standStill(): void {
    this.#stopped = true;
    this.#steer();
  }
  goOn(): void {
    this.#stopped = false;
    this.#drainSoon();
  }

  /** Records skipped above `checkpoint`. */
  skippedRecords(checkpoint: Position): readonly number[] {
    const list = this.#skippedRecords;
    if (list.length > 0 && positionAfterRecord(list[0] as number) <= checkpoint) {
      this.#skippedRecords = list.filter((s) => positionAfterRecord(s) > checkpoint);
    }
    return this.#skippedRecords;
  }

  close(): void {
    this.#closed = true;
    if (this.#lookTimer !== undefined) this.#o.clock.cancel(this.#lookTimer);
    this.#follower?.close();
    this.#queue = [];
  }

  #planLook(): void {
    this.#lookTimer = this.#o.clock.after(PASS_OVER_LOOK_MS, () => {
      this.#look();
      if (!this.#closed) this.#planLook();
    });
  }

  #look(): void {
    const isWanted = this.#o.wanted?.() ?? true;
    if (isWanted && this.#heads !== undefined) {
      this.#heads = undefined;
      const { checkpoint } = this.#o.recovered;
      this.#follow(Math.max(this.#lastSequence + 1, firstSequence(checkpoint)));
    } else if (!isWanted && this.#mayHandle() && this.#head === this.#queue.length) {
      this.#passOver();
    }
  }

  #passOver(): void {
    const heads = (this.#heads ??= []);
    this.#follower?.close();
    this.#follower = undefined;
    const { bus, clock, partition, onCopy } = this.#o;
    while (heads[1] !== undefined && clock.nowMs() - heads[1].atMs >= PASS_OVER_DELAY_MS) {
      heads.shift();
    }
    const old = heads[0];
    if (old !== undefined && clock.nowMs() - old.atMs >= PASS_OVER_DELAY_MS) {
      if (old.last > this.#lastSequence) {
        this.#lastSequence = old.last;
        this.#o.exactlyOnce.closeAll();
        onCopy(old.last);
      }
    }
    const atMs = clock.nowMs();
    bus.state(logStream(partition), (state) => {
      if (this.#heads !== heads || state === undefined) return;
      this.#headSequence = Math.max(this.#headSequence, state.lastSequence);
      heads.push({ atMs, last: state.lastSequence });
    });
  }

  #onMessage(message: StreamMessage): void {
    if (this.#closed || this.#heads !== undefined) return;
    this.#headSequence = Math.max(this.#headSequence, message.sequence);
    if (this.#head < this.#queue.length || !this.#mayHandle()) this.#queue.push(message);
    else if (this.#isTurnOver()) {
      this.#queue.push(message);
      this.#drainSoon();
    } else this.#handle(message);
  }

  #isTurnOver(): boolean {
    const { clock } = this.#o;
    const nowMs = clock.nowMs();
    if (this.#turnStartMs !== undefined) return nowMs - this.#turnStartMs >= TURN_MS;
    this.#turnStartMs = nowMs;
    clock.whenIdle(() => (this.#turnStartMs = undefined));
    return false;
  }

  #mayHandle(): boolean {
    return !this.#paused && !this.#stopped && this.#o.holds();
  }

  #drainSoon(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#o.clock.whenIdle(() => {
      this.#draining = false;
      this.#drain();
    });
  }

  #drain(): void {
    while (!this.#closed && this.#head < this.#queue.length && this.#mayHandle()) {
      if (this.#isTurnOver()) {
        this.#drainSoon();
        break;
      }
      const message = this.#queue[this.#head++];
      if (message !== undefined) this.#handle(message);
    }
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
    }
    this.#steer();
  }

  #steer(): void {
    const stop = this.#paused || this.#stopped || this.#queue.length > 0;
    if (stop) this.#follower?.pause();
    else this.#follower?.resume();
  }

  #handle(message: StreamMessage): void {
    this.#handOver(message);
    this.#o.bus.giveBack(message.payload);
  }

  #handOver(message: StreamMessage): void {
    const { sequence, payload, storedAtMs } = message;
    const { recovered } = this.#o;
    this.records++;
    this.#storedAtMs = storedAtMs;
    this.#seenAtMs = this.#o.clock.nowMs();
    const decidedBefore = positionAfterRecord(sequence) <= recovered.decided;
    const writer = writerOfSubject(message.subject);
    if (this.#isSkipped(sequence, writer, payload, storedAtMs, decidedBefore)) {
      this.copies++;
      this.#lastSequence = sequence;
      this.#o.onCopy(sequence);
      return;
    }
    const view = this.#view;
    view.sequence = sequence;
    view.payload = payload;
    view.writer = writer;
    view.storedAtMs = storedAtMs;
    view.after = recovered.checkpoint;
    view.decidedBefore = decidedBefore;
    view.skipped = decidedBefore ? this.#o.skipped.of(sequence) : this.#findRepeats(message);
    this.#lastSequence = sequence;
    this.#o.onRecord(view);
  }

  #findRepeats({ sequence, payload, storedAtMs }: StreamMessage): readonly number[] {
    if (!recordHasKeys(payload)) return NONE;
    const indexes: number[] = [];
    try {
      this.#o.exactlyOnce.decide(payload, storedAtMs, indexes);
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      this.#o.onUnreadable(sequence, fault);
    }
    if (indexes.length > 0) this.#o.skipped.add(sequence, indexes);
    return indexes;
  }

  #isSkipped(
    sequence: number,
    writer: string,
    payload: Buffer,
    storedAtMs: number,
    decidedBefore: boolean,
  ): boolean {
    if (decidedBefore) return this.#skippedBefore.has(sequence);
    let number = 0;
    try {
      number = recordNumber(payload);
    } catch (fault) {
      this.#o.onUnreadable(sequence, fault);
      this.#skippedRecords.push(sequence);
      return true;
    }
    if (this.#o.numbers.note(writer, number, storedAtMs)) return false;
    this.#skippedRecords.push(sequence);
    return true;
  }
}
