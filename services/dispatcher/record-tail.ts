/**
 * Record tail — the newest records of one partition, kept for gateways that missed some.
 *
 * Shape: a ring of bytes and a queue of what stands in it, in log order; one per partition, not per
 *        gateway (protocol 26). What is older is read from the log.
 * Cost:  one copy per record. Keeping the received buffers themselves would hold each of them alive
 *        for seconds, until only a full garbage collection can free it.
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

interface Kept {
  readonly sequence: number;
  readonly incarnation: string;
  readonly start: number;
  readonly end: number;
}

export class RecordTail {
  readonly #bytesMax: number;
  #ring: Buffer | undefined;
  #kept: Kept[] = [];
  #head = 0;
  #bytes = 0;
  /** Where the next record goes. */
  #at = 0;

  constructor(bytesMax: number = TAIL_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }
  /** Sequence of the oldest record kept; Infinity when empty. */
  get firstSequence(): number {
    return this.#kept[this.#head]?.sequence ?? Infinity;
  }

  /** Copies the record in; the oldest ones make room. One larger than the ring empties it. */
  add({ sequence, payload, incarnation }: TailRecord): void {
    // Untouched pages of the ring cost nothing.
    const ring = (this.#ring ??= Buffer.allocUnsafeSlow(this.#bytesMax));
    if (payload.length > ring.length) {
      this.#clear();
      return;
    }
    if (this.#at + payload.length > ring.length) {
      this.#dropWithin(this.#at, ring.length);
      this.#at = 0;
    }
    const start = this.#at;
    const end = start + payload.length;
    this.#dropWithin(start, end);
    payload.copy(ring, start);
    this.#at = end;
    this.#bytes += payload.length;
    this.#kept.push({ sequence, incarnation, start, end });
  }

  /**
   * The first record whose sequence is ≥ `sequence`; undefined at the end. Its payload is valid
   * until the next `add`.
   */
  from(sequence: number): TailRecord | undefined {
    let low = this.#head;
    let high = this.#kept.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#kept[middle] as Kept).sequence < sequence) low = middle + 1;
      else high = middle;
    }
    const kept = this.#kept[low];
    if (kept === undefined || this.#ring === undefined) return undefined;
    const payload = this.#ring.subarray(kept.start, kept.end);
    return { sequence: kept.sequence, incarnation: kept.incarnation, payload };
  }

  /** Forgets the oldest records as long as they stand in the way. */
  #dropWithin(start: number, end: number): void {
    for (;;) {
      const oldest = this.#kept[this.#head];
      if (oldest === undefined || oldest.start >= end || oldest.end <= start) break;
      this.#bytes -= oldest.end - oldest.start;
      this.#head++;
    }
    if (this.#head < COMPACT_AT) return;
    this.#kept = this.#kept.slice(this.#head);
    this.#head = 0;
  }

  #clear(): void {
    this.#kept = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#at = 0;
  }
}
