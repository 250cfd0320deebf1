/**
 * Filter table — a hash table of filters over typed arrays, in segments.
 *
 * Shape: extendible hashing. The upper bits of a hash choose the segment, the lower ones the first
 *        slot; linear probing, holes are closed on removal. A full segment splits in two, so no
 *        single add moves more than SEGMENT_SLOTS_MAX filters: no pause grows with the table.
 * Cost:  ~32 bytes per filter beside its string; a probe is usually one cache line.
 * Ends:  if hashes agree in DIRECTORY_BITS_MAX bits a segment doubles instead of splitting.
 */
import { topicMatchesFilter } from './topic-filter.ts';
import { NO_VALUES } from './value-lists.ts';

const SEGMENT_SLOTS_MIN = 16;
export const SEGMENT_SLOTS_MAX = 8_192;
/** 2^20 segments of 8,192 slots are more than memory holds. */
const DIRECTORY_BITS_MAX = 20;

class Segment {
  readonly bits: number;
  count = 0;
  hashes: Int32Array;
  shapes: Uint8Array;
  values: Int32Array;
  texts: (string | undefined)[];

  constructor(bits: number, slots: number) {
    this.bits = bits;
    this.hashes = new Int32Array(slots);
    this.shapes = new Uint8Array(slots);
    this.values = new Int32Array(slots);
    this.texts = Array.from<undefined>({ length: slots });
  }

  get slots(): number {
    return this.hashes.length;
  }

  insert(hash: number, shape: number, text: string, values: number): void {
    const mask = this.hashes.length - 1;
    let slot = hash & mask;
    while (this.hashes[slot] !== 0) slot = (slot + 1) & mask;
    this.hashes[slot] = hash;
    this.shapes[slot] = shape;
    this.values[slot] = values;
    this.texts[slot] = text;
    this.count++;
  }

  /** Slot of exactly this filter, or -1. */
  find(hash: number, text: string): number {
    const mask = this.hashes.length - 1;
    let slot = hash & mask;
    for (;;) {
      const found = this.hashes[slot] as number;
      if (found === 0) return -1;
      if (found === hash && this.texts[slot] === text) return slot;
      slot = (slot + 1) & mask;
    }
  }

  /** Empties a slot and closes the hole, so that no probe ends too early. */
  remove(at: number): void {
    const mask = this.hashes.length - 1;
    let hole = at;
    let slot = at;
    for (;;) {
      slot = (slot + 1) & mask;
      const hash = this.hashes[slot] as number;
      if (hash === 0) break;
      const distance = (slot - (hash & mask)) & mask;
      if (distance < ((slot - hole) & mask)) continue;
      this.#move(slot, hole);
      hole = slot;
    }
    this.hashes[hole] = 0;
    this.texts[hole] = undefined;
    this.count--;
  }

  #move(from: number, to: number): void {
    this.hashes[to] = this.hashes[from] as number;
    this.shapes[to] = this.shapes[from] as number;
    this.values[to] = this.values[from] as number;
    this.texts[to] = this.texts[from];
  }
}

export class FilterTable {
  #bits = 0;
  #directory: Segment[] = [new Segment(0, SEGMENT_SLOTS_MIN)];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Packed values of exactly this filter, or NO_VALUES. */
  get(hash: number, text: string): number {
    const segment = this.#segment(hash);
    const slot = segment.find(hash, text);
    return slot < 0 ? NO_VALUES : (segment.values[slot] as number);
  }

  /** Packed values of the filter of this shape that matches `topic`, or NO_VALUES. */
  match(hash: number, shape: number, topic: string): number {
    const segment = this.#segment(hash);
    const { hashes } = segment;
    const mask = hashes.length - 1;
    let slot = hash & mask;
    for (;;) {
      const found = hashes[slot] as number;
      if (found === 0) return NO_VALUES;
      if (found === hash && segment.shapes[slot] === shape) {
        // Equal hashes prove nothing: the levels decide.
        if (topicMatchesFilter(topic, segment.texts[slot] as string)) {
          return segment.values[slot] as number;
        }
      }
      slot = (slot + 1) & mask;
    }
  }

  /** Sets the values of a filter. Returns true when the filter is new. */
  set(hash: number, shape: number, text: string, values: number): boolean {
    let segment = this.#segment(hash);
    const slot = segment.find(hash, text);
    if (slot >= 0) {
      segment.values[slot] = values;
      return false;
    }
    while (segment.count * 4 >= segment.slots * 3) {
      this.#grow(segment, hash);
      segment = this.#segment(hash);
    }
    segment.insert(hash, shape, text, values);
    this.#count++;
    return true;
  }

  delete(hash: number, text: string): void {
    const segment = this.#segment(hash);
    const slot = segment.find(hash, text);
    if (slot < 0) return;
    segment.remove(slot);
    if (--this.#count === 0) this.clear();
  }

  clear(): void {
    this.#bits = 0;
    this.#directory = [new Segment(0, SEGMENT_SLOTS_MIN)];
    this.#count = 0;
  }

  #segment(hash: number): Segment {
    // A shift by 32 would be a shift by 0, hence in two steps.
    return this.#directory[(hash >>> 1) >>> (31 - this.#bits)] as Segment;
  }

  #grow(segment: Segment, hash: number): void {
    if (segment.slots < SEGMENT_SLOTS_MAX || segment.bits === DIRECTORY_BITS_MAX) {
      const larger = new Segment(segment.bits, segment.slots * 2);
      refill(segment, () => larger);
      this.#replace(segment, hash, larger, larger);
      return;
    }
    if (segment.bits === this.#bits) {
      this.#directory = this.#directory.flatMap((known) => [known, known]);
      this.#bits++;
    }
    const bits = segment.bits + 1;
    const low = new Segment(bits, SEGMENT_SLOTS_MAX);
    const high = new Segment(bits, SEGMENT_SLOTS_MAX);
    refill(segment, (h) => (((h >>> (32 - bits)) & 1) === 0 ? low : high));
    this.#replace(segment, hash, low, high);
  }

  /** Puts `low` and `high` into the two halves of the directory entries of `old`. */
  #replace(old: Segment, hash: number, low: Segment, high: Segment): void {
    const span = 2 ** (this.#bits - old.bits);
    const at = (hash >>> 1) >>> (31 - this.#bits);
    const first = at - (at % span);
    for (let i = 0; i < span; i++) this.#directory[first + i] = i < span / 2 ? low : high;
  }
}

function refill(from: Segment, segmentOf: (hash: number) => Segment): void {
  for (let slot = 0; slot < from.slots; slot++) {
    const hash = from.hashes[slot] as number;
    if (hash === 0) continue;
    const to = segmentOf(hash);
    to.insert(
      hash,
      from.shapes[slot] as number,
      from.texts[slot] as string,
      from.values[slot] as number,
    );
  }
}
