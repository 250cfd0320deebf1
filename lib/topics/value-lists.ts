/**
 * Values of a filter, packed into one 32-bit number per filter.
 *
 * Shape: most filters have one value, which is then stored itself (0 … 2^31 − 1); more stand in a
 *        list outside, named by its complement (a negative number). Short lists are arrays, longer
 *        ones sets, so that a filter with very many subscribers still takes and loses one in O(1).
 */
import assert from 'node:assert/strict';

/** "No values": no list has this number. */
export const NO_VALUES = -0x80000000;

export const VALUE_MAX = 0x7fffffff;

/** Up to here a scan of an array is cheaper than a set. */
const ARRAY_LENGTH_MAX = 16;

type List = number[] | Set<number>;

export class ValueLists {
  #lists: List[] = [];
  #free: number[] = [];

  /** Adds `value` to what `packed` stands for; returns the new packed form. */
  add(packed: number, value: number): number {
    assert.ok(Number.isInteger(value) && value >= 0 && value <= VALUE_MAX, 'value out of range');
    if (packed === NO_VALUES) return value;
    if (packed >= 0) return packed === value ? packed : this.#create(packed, value);
    const index = ~packed;
    const list = this.#lists[index] as List;
    if (!Array.isArray(list)) list.add(value);
    else if (!list.includes(value)) {
      list.push(value);
      if (list.length > ARRAY_LENGTH_MAX) this.#lists[index] = new Set(list);
    }
    return packed;
  }

  has(packed: number, value: number): boolean {
    if (packed >= 0) return packed === value;
    if (packed === NO_VALUES) return false;
    const list = this.#lists[~packed] as List;
    return Array.isArray(list) ? list.includes(value) : list.has(value);
  }

  /** Takes `value` away; NO_VALUES when it was the last one. */
  remove(packed: number, value: number): number {
    if (packed >= 0) return packed === value ? NO_VALUES : packed;
    if (packed === NO_VALUES) return packed;
    const index = ~packed;
    const list = this.#lists[index] as List;
    if (Array.isArray(list)) {
      const at = list.indexOf(value);
      if (at >= 0) {
        list[at] = list[list.length - 1] as number;
        list.pop();
      }
      if (list.length > 1) return packed;
    } else {
      list.delete(value);
      if (list.size > 1) return packed;
    }
    const [last] = list;
    this.#lists[index] = [];
    this.#free.push(index);
    return last as number;
  }

  visit(packed: number, onValue: (value: number) => void): void {
    if (packed >= 0) onValue(packed);
    else if (packed !== NO_VALUES) for (const v of this.#lists[~packed] as List) onValue(v);
  }

  /** Writes the values to `out` from `at` on; returns one past the last. */
  collect(packed: number, out: number[], at: number): number {
    let to = at;
    if (packed >= 0) out[to++] = packed;
    else if (packed !== NO_VALUES) for (const v of this.#lists[~packed] as List) out[to++] = v;
    return to;
  }

  clear(): void {
    this.#lists = [];
    this.#free = [];
  }

  #create(first: number, second: number): number {
    const index = this.#free.pop() ?? this.#lists.length;
    this.#lists[index] = [first, second];
    return ~index;
  }
}
