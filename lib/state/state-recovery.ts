/**
 * Recovery of a state log: fence the predecessor with a mark, then read up to it (protocol 10, 12).
 *
 * Mark:  expectation = last sequence; refused = the predecessor wrote meanwhile: again behind its
 *        record, unless that carries a higher epoch: then this owner is the old one.
 * Gap:   a record trimmed while reading means deletions may be missed: everything is thrown away
 *        and reading starts at the first record. The same hole seen twice is no trim (a stream
 *        that lost bytes): it is counted and read over.
 */
import type { Clock, Timer } from '#base';
import type { Bus, Follower, StreamMessage } from '#bus';
import { ConditionalWrite } from '#lease';
import { stateStream, stateSubject } from './names.ts';
import type { StateProgress } from './port.ts';
import { StateIndex, type StoredRecord } from './state-index.ts';
import {
  decodeStateHeader,
  forEachEntry,
  KIND_DELETE,
  PROGRESS_START,
  stateEpoch,
  StateRecordBuilder,
  type StateHeader,
} from './state-record.ts';

/** Wait before asking a silent server again, ms. */
const RETRY_MS = 100;

export interface RecoveryOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly group: string;
  readonly partition: number;
  readonly epoch: number;
  readonly residentTables: ReadonlySet<number> | undefined;
  readonly expectationOf: 'stream' | 'subject' | undefined;
  /** Bytes read, for a cache. */
  readonly onRecord: (sequence: number, record: Buffer) => void;
  readonly onFenced: () => void;
  readonly onRecovered: (recovered: RecoveredState) => void;
}

export interface RecoveredState {
  readonly index: StateIndex;
  readonly progress: StateProgress;
  /** Sequence of the own mark: the expectation of the next write. */
  readonly lastSequence: number;
  /** Record that holds `progress`: must not be trimmed before another one does. 0: none. */
  readonly progressSequence: number;
  /** Number for the next record of this epoch. */
  readonly nextNumber: number;
  /** Holes read over: bytes that the stream lost. */
  readonly holes: number;
}

export class StateRecovery {
  readonly #o: RecoveryOptions;
  readonly #stream: string;
  readonly #subject: string;
  readonly #index = new StateIndex();
  #number = 0;
  #write: ConditionalWrite | undefined;
  #timer: Timer | undefined;
  #follower: Follower | undefined;
  #closed = false;
  #markSequence = 0;
  #progress: StateProgress = PROGRESS_START;
  #progressSequence = 0;
  #lastRead = 0;
  #chain: { record: StoredRecord; bytes: Buffer; header: StateHeader }[] = [];
  #hole: string | undefined;
  #holes = 0;

  constructor(options: RecoveryOptions) {
    this.#o = options;
    this.#stream = stateStream(options.group, options.partition);
    this.#subject = stateSubject(options.group, options.partition);
    this.#findLast();
  }

  close(): void {
    this.#closed = true;
    this.#write?.close();
    this.#follower?.close();
    if (this.#timer !== undefined) this.#o.clock.cancel(this.#timer);
  }

  #findLast(): void {
    this.#o.bus.lastOnSubject(this.#stream, this.#subject, (result) => {
      if (this.#closed) return;
      if (result.kind === 'found') {
        this.#mark(result.message.sequence, result.message.payload);
      } else if (result.kind === 'absent') this.#findEmpty();
      else this.#later(() => this.#findLast());
    });
  }

  /** No record: the expectation is the stream's last sequence (0 for a new stream). */
  #findEmpty(): void {
    this.#o.bus.state(this.#stream, (state) => {
      if (this.#closed) return;
      const isForeign = this.#o.expectationOf === 'subject';
      if (state === undefined || (state.messages > 0 && !isForeign)) {
        this.#later(() => this.#findLast());
      } else this.#mark(isForeign ? 0 : state.lastSequence, undefined);
    });
  }

  #mark(expectedSequence: number, last: Buffer | undefined): void {
    const { bus, clock, epoch } = this.#o;
    if (last !== undefined && stateEpoch(last) > epoch) {
      this.close();
      this.#o.onFenced();
      return;
    }
    const number = ++this.#number;
    const head = { epoch, number, continues: false, mark: true };
    const { bytes } = new StateRecordBuilder(0).take(head, PROGRESS_START);
    this.#write = new ConditionalWrite({
      bus,
      clock,
      stream: this.#stream,
      subject: this.#subject,
      payload: bytes,
      messageId: `${this.#subject}:${epoch}.${number}`,
      expectedSequence,
      expectationOf: this.#o.expectationOf ?? 'stream',
      onDecided: (outcome) => {
        if (outcome.kind === 'refused') this.#mark(outcome.lastSequence, outcome.last);
        else {
          this.#markSequence = outcome.sequence;
          this.#read();
        }
      },
    });
  }

  #read(): void {
    this.#index.clear();
    this.#progress = PROGRESS_START;
    this.#progressSequence = 0;
    this.#chain = [];
    this.#lastRead = 0;
    this.#holes = 0;
    const follower = this.#o.bus.follow({
      stream: this.#stream,
      fromSequence: 1,
      onMessage: (message) => {
        if (!this.#closed && this.#follower === follower) this.#apply(message);
      },
    });
    this.#follower = follower;
  }

  #apply(message: StreamMessage): void {
    const { sequence, payload } = message;
    if (this.#lastRead !== 0 && sequence !== this.#lastRead + 1) {
      const hole = `${this.#lastRead}-${sequence}`;
      if (this.#hole !== hole) {
        this.#hole = hole;
        this.#follower?.close();
        this.#read();
        return;
      }
      this.#holes++;
      this.#chain = [];
    }
    this.#lastRead = sequence;
    if (sequence > this.#markSequence || message.subject !== this.#subject) return;
    const header = decodeStateHeader(payload);
    const record = this.#index.addRecord(sequence, payload.length);
    this.#o.onRecord(sequence, payload);
    if (header.mark) this.#chain = [];
    else {
      this.#chain.push({ record, bytes: payload, header });
      if (!header.continues) {
        for (const link of this.#chain) this.#applyEntries(link.record, link.bytes, link.header);
        this.#chain = [];
        this.#progress = header.progress;
        this.#progressSequence = sequence;
      }
    }
    if (sequence === this.#markSequence) this.#finish();
  }

  #applyEntries(record: StoredRecord, bytes: Buffer, header: StateHeader): void {
    const index = this.#index;
    forEachEntry(bytes, header, (table, kind, key, valueStart, valueEnd, entryBytes) => {
      const valueBytes = valueEnd - valueStart;
      const resident = this.#o.residentTables?.has(table) === true;
      const value = resident ? Buffer.from(bytes.subarray(valueStart, valueEnd)) : undefined;
      const slot = { record, valueStart, valueBytes, entryBytes, value, resident };
      const old = kind === KIND_DELETE ? index.remove(table, key) : index.set(table, key, slot);
      if (old !== undefined) index.bury(old);
    });
  }

  #finish(): void {
    this.close();
    this.#o.onRecovered({
      index: this.#index,
      progress: this.#progress,
      lastSequence: this.#markSequence,
      progressSequence: this.#progressSequence,
      nextNumber: this.#number + 1,
      holes: this.#holes,
    });
  }

  #later(task: () => void): void {
    this.#timer = this.#o.clock.after(RETRY_MS, () => {
      this.#timer = undefined;
      if (!this.#closed) task();
    });
  }
}
