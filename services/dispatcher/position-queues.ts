/**
 * Position queues — for each slot an ascending list of positions, first in, first out.
 *
 * Shape: entries in typed arrays, a position and the number of the next one; per slot those of its
 *        first and last. What one message puts for many slots stands side by side, so a message
 *        to 50,000 sessions walks through memory instead of jumping in it.
 * Cost:  12 bytes per entry, 24 per slot; nothing that a collector has to look at.
 * Full:  entries are used again; all memory is given back when no entry is left.
 */
import type { Position } from '#log';

/** Entries of one piece of memory, a power of two: 768 KiB. */
const SEGMENT_BITS = 16;
const SEGMENT_ENTRIES = 2 ** SEGMENT_BITS;
const SLOTS_MIN = 64;
/** The number of no entry. */
const NONE = 0;

interface Segment {
  readonly positions: Float64Array;
  readonly nexts: Uint32Array;
}

function newSegment(): Segment {
  return {
    positions: new Float64Array(SEGMENT_ENTRIES),
    nexts: new Uint32Array(SEGMENT_ENTRIES),
  };
}

export class PositionQueues {
  #segments: Segment[] = [newSegment()];
  /** Entries below it have been used; 0 stands for none. */
  #used = 1;
  #free = NONE;
  #count = 0;
  #firsts = new Uint32Array(SLOTS_MIN);
  #lasts = new Uint32Array(SLOTS_MIN);
  #depths = new Uint32Array(SLOTS_MIN);
  #bytes = new Float64Array(SLOTS_MIN);
  /** The last entry at or below what was looked above: who reads on begins there. */
  #marks = new Uint32Array(SLOTS_MIN);

  /** Entries of all slots. */
  get count(): number {
    return this.#count;
  }
  depth(slot: number): number {
    return this.#depths[slot] ?? 0;
  }
  /** Sum of what was said with each entry. */
  bytes(slot: number): number {
    return this.#bytes[slot] ?? 0;
  }
  first(slot: number): Position | undefined {
    const number = this.#firsts[slot] ?? NONE;
    return number === NONE ? undefined : this.#position(number);
  }

  /** `position` is above all that the slot has. */
  push(slot: number, position: Position, bytes: number): void {
    if (slot >= this.#firsts.length) this.#reserve(slot);
    const number = this.#take();
    const segment = this.#segments[number >>> SEGMENT_BITS] as Segment;
    const at = number & (SEGMENT_ENTRIES - 1);
    segment.positions[at] = position;
    segment.nexts[at] = NONE;
    const last = this.#lasts[slot] as number;
    if (last === NONE) this.#firsts[slot] = number;
    else this.#setNext(last, number);
    this.#lasts[slot] = number;
    this.#depths[slot] = (this.#depths[slot] as number) + 1;
    this.#bytes[slot] = (this.#bytes[slot] as number) + bytes;
    this.#count++;
  }

  /** Takes the first one away; `bytes`: what was said with it. The slot has one. */
  shift(slot: number, bytes: number): void {
    const number = this.#firsts[slot] as number;
    const next = this.#next(number);
    this.#firsts[slot] = next;
    if (next === NONE) this.#lasts[slot] = NONE;
    if (this.#marks[slot] === number) this.#marks[slot] = NONE;
    this.#depths[slot] = (this.#depths[slot] as number) - 1;
    this.#bytes[slot] = next === NONE ? 0 : (this.#bytes[slot] as number) - bytes;
    this.#count--;
    this.#setNext(number, this.#free);
    this.#free = number;
    if (this.#count === 0) this.#giveBack();
  }

  /** Up to `count` positions above `after`, ascending. */
  above(slot: number, after: Position, count: number): Position[] {
    const positions: Position[] = [];
    const mark = this.#marks[slot] ?? NONE;
    const isBehind = mark !== NONE && this.#position(mark) <= after;
    let number = isBehind ? mark : (this.#firsts[slot] ?? NONE);
    for (; number !== NONE && positions.length < count; number = this.#next(number)) {
      const position = this.#position(number);
      if (position > after) positions.push(position);
      else this.#marks[slot] = number;
    }
    return positions;
  }

  #take(): number {
    const number = this.#free;
    if (number !== NONE) {
      this.#free = this.#next(number);
      return number;
    }
    if (this.#used >>> SEGMENT_BITS === this.#segments.length) this.#segments.push(newSegment());
    return this.#used++;
  }

  #giveBack(): void {
    this.#segments.length = 1;
    this.#used = 1;
    this.#free = NONE;
    this.#marks.fill(NONE);
  }

  #position(number: number): Position {
    const { positions } = this.#segments[number >>> SEGMENT_BITS] as Segment;
    return positions[number & (SEGMENT_ENTRIES - 1)] as number;
  }
  #next(number: number): number {
    const { nexts } = this.#segments[number >>> SEGMENT_BITS] as Segment;
    return nexts[number & (SEGMENT_ENTRIES - 1)] as number;
  }
  #setNext(number: number, next: number): void {
    const { nexts } = this.#segments[number >>> SEGMENT_BITS] as Segment;
    nexts[number & (SEGMENT_ENTRIES - 1)] = next;
  }

  #reserve(slot: number): void {
    const size = Math.max(slot + 1, this.#firsts.length * 2);
    this.#firsts = grown(this.#firsts, new Uint32Array(size));
    this.#lasts = grown(this.#lasts, new Uint32Array(size));
    this.#depths = grown(this.#depths, new Uint32Array(size));
    this.#marks = grown(this.#marks, new Uint32Array(size));
    this.#bytes = grown(this.#bytes, new Float64Array(size));
  }
}

function grown<Numbers extends Uint32Array | Float64Array>(old: Numbers, into: Numbers): Numbers {
  into.set(old);
  return into;
}
