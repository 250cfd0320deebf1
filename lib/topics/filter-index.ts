/**
 * Filter index — which values (gateway links, subscription numbers) a topic is for (design §5).
 *
 * Shape: filters by shape in one hash table (filter-shape.ts, filter-table.ts): a topic costs one
 *        probe per shape that can match its number of levels. Decision: at most SHAPES_MAX shapes
 *        of SHAPE_LEVELS_MAX levels get probes; filters of any further shape go to a trie, so that
 *        somebody who subscribes with thousands of shapes slows topics by what the trie visits and
 *        not by a probe for each shape. The trie costs nothing while it is empty.
 * Keys:  strings, compared as they are. Filters and topics must have the same form: all decoded
 *        from UTF-8, or all latin1 of the bytes (cheaper to make from a buffer; `/ + # $` are the
 *        same in both). Filters must be valid; `$share/…` is taken apart before (shared-filter.ts).
 *        A string that is kept must not be a slice of a much larger one, which would stay alive.
 * Rule:  a filter that begins with a wildcard does not match `$`-topics [MQTT-4.7.2-1].
 * Cost:  see loadtest/filter-index-bench.ts. Memory returns when the last filter is removed.
 * Owner: one thread; `match` may not change the index.
 */
import { LevelHashes, ShapeSet } from './filter-shape.ts';
import { FilterTable } from './filter-table.ts';
import { FilterTrie } from './filter-trie.ts';
import { NO_VALUES, ValueLists } from './value-lists.ts';

export interface FilterIndexOptions {
  /** A random 32-bit number, so that nobody can prepare filters whose hashes agree. Default 0. */
  readonly seed?: number;
}

export class FilterIndex {
  readonly #lists = new ValueLists();
  readonly #table = new FilterTable();
  readonly #trie = new FilterTrie();
  readonly #levels: LevelHashes;
  readonly #shapes: ShapeSet;
  #generation = 0;

  constructor(options: FilterIndexOptions = {}) {
    const seed = (options.seed ?? 0) ^ 0x811c9dc5;
    this.#levels = new LevelHashes(seed);
    this.#shapes = new ShapeSet(seed);
  }

  /** Rises with each change; what was derived from matches is stale when it differs. */
  get generation(): number {
    return this.#generation;
  }

  /** Different filters in the index, however many values each has. */
  get filterCount(): number {
    return this.#table.count + this.#trie.count;
  }

  /** Shapes in use, and filters that found no room among them: for metrics. */
  get shapeCount(): number {
    return this.#shapes.size;
  }
  get trieFilterCount(): number {
    return this.#trie.count;
  }

  /** Adds `value` (0 … 2^31 − 1) to a filter. A pair that is there already changes nothing. */
  add(topicFilter: string, value: number): void {
    this.#levels.scan(topicFilter);
    // A filter stays where it is: one in the trie does not move when its shape finds room later.
    const inTrie = this.#trie.count > 0 ? this.#trie.get(topicFilter) : NO_VALUES;
    const shape = inTrie === NO_VALUES ? this.#shapes.take(this.#levels) : undefined;
    if (shape === undefined) {
      if (this.#lists.has(inTrie, value)) return;
      this.#trie.set(topicFilter, this.#lists.add(inTrie, value));
    } else {
      const hash = this.#levels.hashFor(shape);
      const values = this.#table.get(hash, topicFilter);
      if (this.#lists.has(values, value)) return;
      const added = this.#lists.add(values, value);
      if (added !== values && this.#table.set(hash, shape.id, topicFilter, added)) {
        shape.filterCount++;
      }
    }
    this.#generation++;
  }

  /** Takes `value` from a filter. False: the pair was not there. */
  remove(topicFilter: string, value: number): boolean {
    this.#levels.scan(topicFilter);
    const shape = this.#shapes.find(this.#levels);
    if (shape !== undefined) {
      const hash = this.#levels.hashFor(shape);
      const values = this.#table.get(hash, topicFilter);
      if (this.#lists.has(values, value)) {
        const left = this.#lists.remove(values, value);
        if (left === NO_VALUES) {
          this.#table.delete(hash, topicFilter);
          this.#shapes.release(shape);
        } else if (left !== values) this.#table.set(hash, shape.id, topicFilter, left);
        this.#generation++;
        return true;
      }
    }
    if (this.#trie.count === 0) return false;
    const values = this.#trie.get(topicFilter);
    if (!this.#lists.has(values, value)) return false;
    this.#trie.set(topicFilter, this.#lists.remove(values, value));
    this.#generation++;
    return true;
  }

  /**
   * Calls `onValue` for each value of each filter that matches the (valid) topic: a value that
   * several of them have comes several times. Order is not defined.
   */
  match(topic: string, onValue: (value: number) => void): void {
    this.#each(topic, (packed) => this.#lists.visit(packed, onValue));
  }

  /**
   * As `match`, but writes the values into `out` from index 0 and returns how many they are.
   * `out` is never shortened, so that one array can be used for ever without allocation.
   */
  matchInto(topic: string, out: number[]): number {
    const lists = this.#lists;
    const levels = this.#levels;
    let count = 0;
    levels.scan(topic);
    const reserved = topic.charCodeAt(0) === 0x24;
    const shapes = this.#shapes.candidates(levels.levels);
    for (let i = 0; i < shapes.length; i++) {
      const shape = shapes[i];
      if (shape === undefined || (reserved && shape.beginsWithWildcard)) continue;
      const packed = this.#table.match(levels.hashFor(shape), shape.id, topic);
      if (packed >= 0) out[count++] = packed;
      else if (packed !== NO_VALUES) count = lists.collect(packed, out, count);
    }
    if (this.#trie.count > 0) {
      this.#trie.match(topic, (packed) => {
        count = lists.collect(packed, out, count);
      });
    }
    return count;
  }

  clear(): void {
    this.#lists.clear();
    this.#table.clear();
    this.#trie.clear();
    this.#shapes.clear();
    this.#generation++;
  }

  #each(topic: string, onValues: (packed: number) => void): void {
    const levels = this.#levels;
    levels.scan(topic);
    const reserved = topic.charCodeAt(0) === 0x24;
    for (const shape of this.#shapes.candidates(levels.levels)) {
      if (reserved && shape.beginsWithWildcard) continue;
      const packed = this.#table.match(levels.hashFor(shape), shape.id, topic);
      if (packed !== NO_VALUES) onValues(packed);
    }
    if (this.#trie.count > 0) this.#trie.match(topic, onValues);
  }
}
