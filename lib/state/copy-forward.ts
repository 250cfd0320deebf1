/**
 * Copy-forward — keeps a state log at most about three times its live content (protocol 13).
 *
 * Shape: a scan over the oldest records. Dead ones are passed for nothing; of others the current
 *        entries are copied into the batch being collected. What was scanned is trimmed once that
 *        batch is acknowledged, so a zombie's trim harms nobody; by then whatever replaced the
 *        other entries is durable, too.
 * Pace:  two scanned bytes per new byte written while the log is above twice its live content; a
 *        log that is far above it (much was deleted at once) is also worked off slowly by itself.
 *        Otherwise an idle log copies nothing.
 * Never: the record that holds the latest progress, or anything behind it.
 */
import assert from 'node:assert/strict';
import type { RecordStore } from './record-store.ts';
import type { Slot, StateIndex, StoredRecord } from './state-index.ts';
import {
  decodeStateHeader,
  forEachEntry,
  KIND_DELETE,
  STATE_RECORD_BYTES_MAX,
} from './state-record.ts';

/** Bytes that a log may hold beyond its live content for nothing: four small reads. */
const SLACK_BYTES = 256 * 1024;
/** Scanned bytes per new byte. */
const SCAN_FACTOR = 2;
/** Bytes scanned by itself per tick while far above the bound: 1 MiB a second. */
const TICK_BYTES = STATE_RECORD_BYTES_MAX;
const BUDGET_BYTES_MAX = 1024 * 1024;
/** A trim frees at least this much, or an eighth of the live content. */
const TRIM_BYTES_MIN = 64 * 1024;

export interface CopyForwardOptions {
  readonly index: StateIndex;
  readonly store: RecordStore;
  /** Adds a current entry to the batch being collected. */
  readonly copy: (table: number, key: string, slot: Slot, value: Buffer) => void;
  /** Has that batch written; called when it is durable. */
  readonly afterBatch: (onDurable: () => void) => void;
  readonly trim: (sequence: number, onResult: (done: boolean) => void) => void;
  /** Sequence of the record with the latest progress. */
  readonly progressSequence: () => number;
}

export class CopyForward {
  /** Plain counters. */
  bytesCopied = 0;
  recordsTrimmed = 0;

  readonly #o: CopyForwardOptions;
  #budget = 0;
  #scanned = 0;
  #scannedBytes = 0;
  #fetching = false;
  #copying = false;
  #trimming = false;
  #fetched: { sequence: number; bytes: Buffer } | undefined;

  constructor(options: CopyForwardOptions) {
    this.#o = options;
  }

  /** A batch with so many new bytes (copies not counted) is durable. */
  wrote(newBytes: number): void {
    this.#budget = Math.min(BUDGET_BYTES_MAX, this.#budget + newBytes * SCAN_FACTOR);
    this.#step();
  }

  /** Called a few times a second. */
  tick(): void {
    const { liveBytes } = this.#o.index;
    if (this.#unscannedBytes() > liveBytes * 2.5 + 2 * SLACK_BYTES) {
      this.#budget = Math.max(this.#budget, TICK_BYTES);
    }
    this.#step();
  }

  #unscannedBytes(): number {
    return this.#o.index.totalBytes - this.#scannedBytes;
  }

  #step(): void {
    if (this.#fetching || this.#copying) return;
    let copied = 0;
    let waits = false;
    for (;;) {
      const record = this.#o.index.recordAt(this.#scanned);
      if (record === undefined || record.sequence >= this.#o.progressSequence()) break;
      if (record.liveBytes > 0) {
        const over = this.#unscannedBytes() > this.#o.index.liveBytes * 2 + SLACK_BYTES;
        if (!over || this.#budget <= 0 || copied >= STATE_RECORD_BYTES_MAX) break;
        const bytes = this.#bytesOf(record);
        if (bytes === undefined) {
          if (!waits) this.#fetch(record);
          break;
        }
        copied += this.#copyEntries(record, bytes);
        waits = true;
        this.#budget -= record.bytes;
      }
      this.#scanned++;
      this.#scannedBytes += record.bytes;
    }
    if (!waits) {
      this.#trimScanned();
      return;
    }
    this.bytesCopied += copied;
    this.#copying = true;
    this.#o.afterBatch(() => {
      this.#copying = false;
      this.#trimScanned();
      this.#step();
    });
  }

  #bytesOf(record: StoredRecord): Buffer | undefined {
    const { sequence } = record;
    const cached = this.#o.store.cached(sequence);
    if (cached !== undefined) return cached;
    return this.#fetched?.sequence === sequence ? this.#fetched.bytes : undefined;
  }

  #fetch(record: StoredRecord): void {
    const { sequence } = record;
    this.#fetching = true;
    this.#o.store.read(sequence, (bytes) => {
      this.#fetching = false;
      // Not found: a replica that is behind; the next tick asks again.
      if (bytes === undefined) return;
      this.#fetched = { sequence, bytes };
      this.#step();
    });
  }

  #copyEntries(record: StoredRecord, bytes: Buffer): number {
    const { index, copy } = this.#o;
    let copied = 0;
    forEachEntry(bytes, decodeStateHeader(bytes), (table, kind, key, start, end, length) => {
      const slot = kind === KIND_DELETE ? undefined : index.slot(table, key);
      if (slot === undefined || slot.record !== record || slot.valueStart !== start) return;
      copy(table, key, slot, bytes.subarray(start, end));
      copied += length;
    });
    this.#fetched = undefined;
    return copied;
  }

  #trimScanned(): void {
    const { index, store } = this.#o;
    const keepFrom = index.recordAt(this.#scanned);
    const enough = Math.max(TRIM_BYTES_MIN, index.liveBytes / 8);
    if (this.#trimming || keepFrom === undefined || this.#scannedBytes < enough) return;
    for (let n = 0; n < this.#scanned; n++) {
      assert.equal(index.recordAt(n)?.liveBytes, 0, 'only dead records are trimmed');
    }
    this.#trimming = true;
    const { sequence } = keepFrom;
    const bytes = this.#scannedBytes;
    this.#o.trim(sequence, (done) => {
      this.#trimming = false;
      if (!done) return;
      const dropped = index.dropBelow(sequence);
      store.dropBelow(sequence);
      this.#scanned -= dropped;
      this.#scannedBytes -= bytes;
      this.recordsTrimmed += dropped;
    });
  }
}
