/**
 * Record tail — the newest records of one partition, kept for gateways that missed some.
 *
 * Shape: a queue of stored records in log order, bounded by bytes; one per partition, not per
 *        gateway (protocol 26). What is older is read from the log.
 */
export interface TailRecord {
  readonly sequence: number;
  readonly payload: Buffer;
  /** Incarnation that appended it: No Local holds only there. */
  readonly incarnation: string;
}

/** Bytes kept per partition: seconds of a busy log. Range 1 MiB – 256 MiB. */
export const TAIL_BYTES_MAX = 16 * 1024 * 1024;
/** Queue entries skipped before the array is compacted. */
const COMPACT_AT = 1_024;

export class RecordTail {
  readonly #bytesMax: number;
  #records: TailRecord[] = [];
  #head = 0;
  #bytes = 0;

  constructor(bytesMax: number = TAIL_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }
  /** Sequence of the oldest record kept; Infinity when empty. */
  get firstSequence(): number {
    return this.#records[this.#head]?.sequence ?? Infinity;
  }

  add(record: TailRecord): void {
    this.#records.push(record);
    this.#bytes += record.payload.length;
    while (this.#bytes > this.#bytesMax && this.#head < this.#records.length - 1) {
      this.#bytes -= (this.#records[this.#head] as TailRecord).payload.length;
      this.#head++;
    }
    if (this.#head < COMPACT_AT) return;
    this.#records = this.#records.slice(this.#head);
    this.#head = 0;
  }

  /** The first record whose sequence is ≥ `sequence`; undefined at the end. */
  from(sequence: number): TailRecord | undefined {
    let low = this.#head;
    let high = this.#records.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#records[middle] as TailRecord).sequence < sequence) low = middle + 1;
      else high = middle;
    }
    return this.#records[low];
  }
}
