/**
 * State records — the bytes of one append to a state log (proto/wire/state.md).
 *
 * Shape: `StateRecordBuilder` packs entries behind a header; `decodeStateHeader` and
 *        `forEachEntry` read them back, entries as offsets into the record.
 * Whole: a batch larger than one record is a chain of records, all but the last with CONTINUES;
 *        a reader applies the chain when its last record is there, or never.
 */
import { Fault } from '#base';
import type { StateProgress } from './port.ts';

export const STATE_VERSION = 1;

const FLAG_CONTINUES = 1;
const FLAG_MARK = 2;

/** version, flags, epoch, number, checkpoint, decided, two counts, entry count. */
const HEADER_BYTES = 1 + 1 + 6 + 6 + 8 + 8 + 4 + 4 + 4;
/** table, kind, key length, value length. */
const ENTRY_PREFIX_BYTES = 8;
const POSITION_BYTES = 8;

/** Bytes at which a record is closed: large enough for one fsync, small enough to read alone. */
export const STATE_RECORD_BYTES_MAX = 256 * 1024;

export const KIND_PUT = 0;
export const KIND_DELETE = 1;
/** A put that copies an older one forward. */
export const KIND_COPY = 2;

export interface StateHeader {
  readonly epoch: number;
  readonly number: number;
  readonly continues: boolean;
  readonly mark: boolean;
  /** Meaningless in a mark and in a record that continues. */
  readonly progress: StateProgress;
  readonly entryCount: number;
  readonly entriesStart: number;
}

export const PROGRESS_START: StateProgress = {
  checkpoint: 0,
  decided: 0,
  skippedRecords: [],
};

export function entryBytes(keyBytes: number, valueBytes: number): number {
  return ENTRY_PREFIX_BYTES + keyBytes + valueBytes;
}

/** Collects entries; `take` prefixes the header. Used once per record. */
export class StateRecordBuilder {
  #buffer: Buffer;
  #end = 0;
  #count = 0;

  constructor(bytesHint: number) {
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(256, bytesHint));
  }

  get count(): number {
    return this.#count;
  }
  get bytes(): number {
    return this.#end;
  }

  /** Returns the offset of the value within the entries. */
  add(table: number, kind: number, key: string, value: Uint8Array | undefined): number {
    const keyBytes = Buffer.byteLength(key, 'utf8');
    if (keyBytes > 0xffff) throw new RangeError('a key has at most 65,535 bytes');
    const valueBytes = value?.length ?? 0;
    this.#reserve(entryBytes(keyBytes, valueBytes));
    const b = this.#buffer;
    let at = this.#end;
    b[at] = table;
    b[at + 1] = kind;
    b.writeUInt16BE(keyBytes, at + 2);
    b.writeUInt32BE(valueBytes, at + 4);
    at += ENTRY_PREFIX_BYTES;
    at += b.write(key, at, 'utf8');
    if (value !== undefined) b.set(value, at);
    this.#end = at + valueBytes;
    this.#count++;
    return at;
  }

  /** The record; offsets that `add` returned count from the second value. */
  take(
    head: { epoch: number; number: number; continues: boolean; mark: boolean },
    progress: StateProgress,
  ): { bytes: Buffer; entriesStart: number } {
    const { skippedRecords } = progress;
    const entriesStart = HEADER_BYTES + POSITION_BYTES * skippedRecords.length;
    const bytes = Buffer.allocUnsafeSlow(entriesStart + this.#end);
    bytes[0] = STATE_VERSION;
    bytes[1] = (head.continues ? FLAG_CONTINUES : 0) | (head.mark ? FLAG_MARK : 0);
    bytes.writeUIntBE(head.epoch, 2, 6);
    bytes.writeUIntBE(head.number, 8, 6);
    bytes.writeDoubleBE(progress.checkpoint, 14);
    bytes.writeDoubleBE(progress.decided, 22);
    bytes.writeUInt32BE(skippedRecords.length, 30);
    bytes.writeUInt32BE(0, 34);
    bytes.writeUInt32BE(this.#count, 38);
    let at = HEADER_BYTES;
    for (const sequence of skippedRecords) at = bytes.writeDoubleBE(sequence, at);
    this.#buffer.copy(bytes, at, 0, this.#end);
    return { bytes, entriesStart };
  }

  #reserve(length: number): void {
    const needed = this.#end + length;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#end);
    this.#buffer = grown;
  }
}

/** Epoch of a state record, also of one whose rest is of no interest. */
export function stateEpoch(record: Buffer): number {
  checkStateRecord(record);
  return record.readUIntBE(2, 6);
}

export function decodeStateHeader(record: Buffer): StateHeader {
  checkStateRecord(record);
  const flags = record[1] as number;
  const recordsCount = record.readUInt32BE(30);
  const entriesStart = HEADER_BYTES + POSITION_BYTES * recordsCount;
  if (entriesStart > record.length) {
    throw new Fault('WEIR_WIRE', 'positions reach beyond their state record');
  }
  const skippedRecords: number[] = [];
  for (let at = HEADER_BYTES; at < entriesStart; at += POSITION_BYTES) {
    skippedRecords.push(record.readDoubleBE(at));
  }
  return {
    epoch: record.readUIntBE(2, 6),
    number: record.readUIntBE(8, 6),
    continues: (flags & FLAG_CONTINUES) !== 0,
    mark: (flags & FLAG_MARK) !== 0,
    progress: {
      checkpoint: record.readDoubleBE(14),
      decided: record.readDoubleBE(22),
      skippedRecords,
    },
    entryCount: record.readUInt32BE(38),
    entriesStart,
  };
}

export type EntryVisitor = (
  table: number,
  kind: number,
  key: string,
  valueStart: number,
  valueEnd: number,
  bytes: number,
) => void;

/** Visits the entries in order. */
export function forEachEntry(record: Buffer, header: StateHeader, visit: EntryVisitor): void {
  let at = header.entriesStart;
  for (let i = 0; i < header.entryCount; i++) {
    if (at + ENTRY_PREFIX_BYTES > record.length) {
      throw new Fault('WEIR_WIRE', 'state record ends within an entry');
    }
    const keyBytes = record.readUInt16BE(at + 2);
    const valueBytes = record.readUInt32BE(at + 4);
    const keyStart = at + ENTRY_PREFIX_BYTES;
    const valueStart = keyStart + keyBytes;
    const valueEnd = valueStart + valueBytes;
    if (valueEnd > record.length) {
      throw new Fault('WEIR_WIRE', 'state entry reaches beyond its record');
    }
    const key = record.toString('utf8', keyStart, valueStart);
    visit(record[at] as number, record[at + 1] as number, key, valueStart, valueEnd, valueEnd - at);
    at = valueEnd;
  }
}

function checkStateRecord(record: Buffer): void {
  if (record.length < HEADER_BYTES || record[0] !== STATE_VERSION) {
    throw new Fault('WEIR_WIRE', `state record of unknown version ${record[0] ?? 'none'}`);
  }
}
