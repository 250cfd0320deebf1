/**
 * State log — the durable tables of one owner in one reader group and partition (protocol 10–13).
 *
 * Shape: one record in flight, compare-and-set on the stream's last sequence: that is the fence.
 *        What is put meanwhile goes into the next batch, with the progress of that moment.
 * Pace:  a batch that carries nothing but progress is written every PROGRESS_MS at most.
 * Ends:  refused = another wrote = stop at once: `onFenced`, then silence.
 * Bound: index in memory, one object per key; bytes in JetStream ≤ ~3 × live (`CopyForward`).
 */
import assert from 'node:assert/strict';
import type { Clock, Timer } from '#base';
import type { Bus } from '#bus';
import { ConditionalWrite, type ConditionalOutcome } from '#lease';
import type { Position } from '#log';
import { CopyForward } from './copy-forward.ts';
import { stateStream, stateSubject } from './names.ts';
import type { StateProgress, StateTables } from './port.ts';
import { RecordStore } from './record-store.ts';
import { StateBatch, type StateLink } from './state-batch.ts';
import type { Slot, StateIndex } from './state-index.ts';
import { entryBytes, KIND_COPY, KIND_DELETE, KIND_PUT } from './state-record.ts';
import { StateRecovery, type RecoveredState } from './state-recovery.ts';

/** Progress alone is written so often, ms. The log is dispatched again from it after a kill. */
export const PROGRESS_MS = 250;
/** A record that should be there is asked for so often (a replica may be behind), then is lost. */
const READ_ATTEMPTS_MAX = 50;
const READ_RETRY_MS = 100;

export interface StateLogOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly group: string;
  readonly partition: number;
  /** Revision of the write that took the partition. */
  readonly epoch: number;
  readonly cacheBytesMax?: number;
  /**
   * Tables whose values stay in memory, for `peek`: small values that are looked at all the time.
   */
  readonly residentTables?: ReadonlySet<number>;
  /**
   * What the fence is: the last sequence of the stream, or of the subject where others may append
   * to further subjects of the stream (marks, ADR 0012). Default: stream.
   */
  readonly expectationOf?: 'stream' | 'subject';
  readonly onFenced: () => void;
}

export class StateLog implements StateTables {
  /** Plain counters. */
  recordsWritten = 0;
  bytesWritten = 0;
  /** Values whose record is gone from the stream though it should be there. */
  valuesLost = 0;

  /** What was recovered. */
  readonly recovered: StateProgress;
  readonly #o: StateLogOptions;
  readonly #stream: string;
  readonly #subject: string;
  readonly #index: StateIndex;
  readonly #store: RecordStore;
  readonly #copyForward: CopyForward;
  #batch = new StateBatch();
  #writing: StateBatch | undefined;
  #links: StateLink[] = [];
  #write: ConditionalWrite | undefined;
  #writtenNewBytes = 0;
  #lastSequence: number;
  #progressSequence: number;
  #nextNumber: number;
  #progressOf: (() => StateProgress) | undefined;
  #sentProgress: StateProgress;
  #durableProgress: StateProgress;
  #planned = false;
  #ticker: Timer | undefined;
  #closed = false;

  /** Fences the predecessor, reads its log, then hands over the log. `close` gives up. */
  static recover(
    options: StateLogOptions,
    onReady: (log: StateLog) => void,
  ): { close: () => void } {
    const { bus, clock, group, partition, epoch, onFenced } = options;
    const { residentTables, expectationOf } = options;
    const stream = stateStream(group, partition);
    const store = new RecordStore(bus, clock, stream, options.cacheBytesMax);
    return new StateRecovery({
      bus,
      clock,
      group,
      partition,
      epoch,
      residentTables,
      expectationOf,
      onRecord: (sequence, record) => store.add(sequence, record),
      onFenced,
      onRecovered: (state) => onReady(new StateLog(options, state, store)),
    });
  }

  private constructor(options: StateLogOptions, state: RecoveredState, store: RecordStore) {
    this.#o = options;
    this.#stream = stateStream(options.group, options.partition);
    this.#subject = stateSubject(options.group, options.partition);
    this.#index = state.index;
    this.#store = store;
    this.recovered = state.progress;
    this.#sentProgress = state.progress;
    this.#durableProgress = state.progress;
    this.#lastSequence = state.lastSequence;
    this.#progressSequence = state.progressSequence;
    this.#nextNumber = state.nextNumber;
    this.#copyForward = new CopyForward({
      index: this.#index,
      store,
      copy: (table, key, slot, value) => this.#copy(table, key, slot, value),
      afterBatch: (onDurable) => {
        this.#batch.waiters.push(onDurable);
        this.#hurry();
      },
      trim: (sequence, onResult) => options.bus.trim(this.#stream, sequence, onResult),
      progressSequence: () => this.#progressSequence,
    });
  }

  /** From now on `progress` is asked with each record; nothing is written before. Once. */
  begin(progress: () => StateProgress): void {
    assert.equal(this.#progressOf, undefined, 'a state log begins once');
    this.#progressOf = progress;
    this.#tick();
    if (this.#batch.urgent) this.#hurry();
  }

  get durableCheckpoint(): Position {
    return this.#durableProgress.checkpoint;
  }
  get unansweredMs(): number {
    return this.#write === undefined ? 0 : this.#o.clock.nowMs() - this.#write.firstSentMs;
  }
  /** Bytes of current entries, and of all records in the stream. */
  get liveBytes(): number {
    return this.#index.liveBytes;
  }
  get totalBytes(): number {
    return this.#index.totalBytes;
  }
  get bytesCopied(): number {
    return this.#copyForward.bytesCopied;
  }
  get recordsTrimmed(): number {
    return this.#copyForward.recordsTrimmed;
  }

  put(table: number, key: string, value: Uint8Array): void {
    this.ride(table, key, value);
    this.#hurry();
  }

  delete(table: number, key: string): void {
    if (!this.#index.slot(table, key)) return;
    this.rideDelete(table, key);
    this.#hurry();
  }

  ride(table: number, key: string, value: Uint8Array): void {
    const resident = this.#o.residentTables?.has(table) === true;
    const slot: Slot = {
      record: undefined,
      valueStart: 0,
      valueBytes: value.length,
      entryBytes: entryBytes(Buffer.byteLength(key, 'utf8'), value.length),
      // A small Buffer is a part of a slab: a few bytes that stay would keep all of it.
      value: resident ? new Uint8Array(value) : value,
      resident,
    };
    const old = this.#index.set(table, key, slot);
    if (old !== undefined) this.#batch.replaced.push(old);
    this.#batch.set(table, key, { kind: KIND_PUT, slot, value });
  }

  rideDelete(table: number, key: string): void {
    const old = this.#index.remove(table, key);
    if (old === undefined) return;
    this.#batch.replaced.push(old);
    this.#batch.set(table, key, { kind: KIND_DELETE, slot: undefined, value: undefined });
  }

  has(table: number, key: string): boolean {
    return this.#index.slot(table, key) !== undefined;
  }
  placeOf(table: number, key: string): number {
    return this.#index.slot(table, key)?.record?.sequence ?? Infinity;
  }
  keys(table: number): IterableIterator<string> {
    return this.#index.keys(table);
  }
  count(table: number): number {
    return this.#index.count(table);
  }
  tables(): IterableIterator<number> {
    return this.#index.tables();
  }

  /** The newest value of a key of a resident table. */
  peek(table: number, key: string): Uint8Array | undefined {
    return this.#index.slot(table, key)?.value;
  }

  get(table: number, key: string, onValue: (value: Buffer | undefined) => void): void {
    this.#o.clock.whenIdle(() => this.#read(table, key, READ_ATTEMPTS_MAX, onValue));
  }

  whenDurable(onDurable: () => void): void {
    if (this.#batch.urgent) this.#batch.waiters.push(onDurable);
    else if (this.#writing !== undefined) this.#writing.waiters.push(onDurable);
    else this.#o.clock.whenIdle(() => !this.#closed && onDurable());
  }

  flush(onDurable?: () => void): void {
    if (onDurable !== undefined) this.#batch.waiters.push(onDurable);
    this.#hurry();
  }

  /** Stops for good: nothing is written or called back any more. */
  close(): void {
    this.#closed = true;
    this.#write?.close();
    this.#store.close();
    if (this.#ticker !== undefined) this.#o.clock.cancel(this.#ticker);
    this.#batch = new StateBatch();
    this.#writing = undefined;
  }

  #copy(table: number, key: string, slot: Slot, value: Buffer): void {
    if (this.#batch.has(table, key)) return;
    this.#batch.set(table, key, { kind: KIND_COPY, slot, value });
  }

  #read(
    table: number,
    key: string,
    attempts: number,
    onValue: (value: Buffer | undefined) => void,
  ): void {
    if (this.#closed) return;
    const slot = this.#index.slot(table, key);
    if (slot === undefined) return onValue(undefined);
    const { record, value } = slot;
    if (record === undefined || value !== undefined) {
      const bytes = value ?? new Uint8Array(0);
      return onValue(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    }
    const end = slot.valueStart + slot.valueBytes;
    const cached = this.#store.cached(record.sequence);
    if (cached !== undefined) return onValue(cached.subarray(slot.valueStart, end));
    const { valueStart } = slot;
    this.#store.read(record.sequence, (bytes) => {
      if (bytes !== undefined) return onValue(bytes.subarray(valueStart, end));
      // Trimmed meanwhile: the index knows where it went. Not moved: a replica that is behind.
      if (slot.record !== record || this.#index.slot(table, key) !== slot) {
        return this.#read(table, key, attempts, onValue);
      }
      if (attempts > 0) {
        this.#o.clock.after(READ_RETRY_MS, () => this.#read(table, key, attempts - 1, onValue));
        return;
      }
      this.valuesLost++;
      onValue(undefined);
    });
  }

  #hurry(): void {
    if (this.#closed) return;
    this.#batch.urgent = true;
    if (this.#planned || this.#writing !== undefined || this.#progressOf === undefined) return;
    this.#planned = true;
    this.#o.clock.whenIdle(() => {
      this.#planned = false;
      if (!this.#closed && this.#writing === undefined && this.#batch.urgent) this.#writeBatch();
    });
  }

  #tick(): void {
    this.#ticker = this.#o.clock.after(PROGRESS_MS, () => this.#tick());
    if (this.#writing === undefined && !this.#planned) this.#writeBatch();
    this.#copyForward.tick();
  }

  /** Writes the batch, unless there is nothing in it and no progress. */
  #writeBatch(): void {
    const progress = this.#progressOf?.() ?? this.recovered;
    const { checkpoint, decided } = this.#sentProgress;
    const batch = this.#batch;
    const still = progress.checkpoint === checkpoint && progress.decided === decided;
    if (batch.empty && still) {
      batch.urgent = false;
      for (const onDurable of batch.waiters.splice(0)) onDurable();
      return;
    }
    this.#batch = new StateBatch();
    this.#writing = batch;
    this.#sentProgress = progress;
    this.#links = batch.encode(this.#o.epoch, this.#nextNumber, progress);
    this.#nextNumber += this.#links.length;
    this.#writtenNewBytes = 0;
    this.#sendNext();
  }

  #sendNext(): void {
    const link = this.#links[0];
    assert(link !== undefined, 'a batch has a record');
    this.#write = new ConditionalWrite({
      bus: this.#o.bus,
      clock: this.#o.clock,
      stream: this.#stream,
      subject: this.#subject,
      payload: link.bytes,
      messageId: `${this.#subject}:${this.#o.epoch}.${link.number}`,
      expectedSequence: this.#lastSequence,
      expectationOf: this.#o.expectationOf ?? 'stream',
      onDecided: (outcome) => this.#onDecided(link, outcome),
    });
  }

  #onDecided(link: StateLink, outcome: ConditionalOutcome): void {
    this.#write = undefined;
    if (outcome.kind === 'refused') {
      this.close();
      this.#o.onFenced();
      return;
    }
    const { sequence } = outcome;
    this.#lastSequence = sequence;
    this.#store.add(sequence, link.bytes);
    const record = this.#index.addRecord(sequence, link.bytes.length);
    for (const { slot, valueStart } of link.placed) this.#index.place(slot, record, valueStart);
    this.recordsWritten++;
    this.bytesWritten += link.bytes.length;
    this.#writtenNewBytes += link.newBytes;
    this.#links.shift();
    if (this.#links.length > 0) this.#sendNext();
    else this.#batchDurable(sequence);
  }

  #batchDurable(sequence: number): void {
    const batch = this.#writing;
    this.#writing = undefined;
    this.#progressSequence = sequence;
    this.#durableProgress = this.#sentProgress;
    for (const slot of batch?.replaced ?? []) this.#index.bury(slot);
    // The next record goes first, so that the disk works while waiters are called.
    if (this.#batch.urgent) this.#writeBatch();
    for (const onDurable of batch?.waiters ?? []) onDurable();
    if (!this.#closed) this.#copyForward.wrote(this.#writtenNewBytes);
  }
}
