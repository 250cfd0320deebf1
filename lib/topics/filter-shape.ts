/**
 * Shapes — what filters have in common: number of levels, where `+` stands, whether `#` ends them.
 *
 * For one shape the literal levels of a filter are one hash; a topic is hashed the same way, so one
 * probe finds the filter of that shape that matches it. `LevelHashes` hashes the levels of a topic
 * or filter once for all shapes.
 * Bounds: shapes of at most SHAPE_LEVELS_MAX levels, at most SHAPES_MAX of them in use; the index
 *         keeps other filters in its trie.
 */
/** Levels before `#` in a shape; a bit each in one mask. */
export const SHAPE_LEVELS_MAX = 31;

/**
 * Shapes in use at once. A probe costs about 0.1 µs, so that a topic costs 6 µs at the most;
 * deployments seen have fewer than ten. Range 1–255 (one byte per slot).
 */
export const SHAPES_MAX = 64;

const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;

/** The levels of one text: hashes, count and wildcards, overwritten by each `scan`. */
export class LevelHashes {
  readonly hashes = new Int32Array(SHAPE_LEVELS_MAX + 1);
  /** Levels, `#` not counted; SHAPE_LEVELS_MAX + 1 stands for "more". */
  levels = 0;
  /** Bit i: level i is `+`. Only meaningful for filters. */
  plusMask = 0;
  endsWithHash = false;
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed | 0;
  }

  /** Scans a topic name or a filter. Levels beyond SHAPE_LEVELS_MAX are not hashed. */
  scan(text: string): void {
    const { hashes } = this;
    const { length } = text;
    const seed = this.#seed;
    let level = 0;
    let mask = 0;
    let h = seed;
    let start = 0;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code !== SLASH) {
        h = Math.imul(h ^ code, 0x01000193);
        continue;
      }
      if (i === start + 1 && text.charCodeAt(start) === PLUS) mask |= 1 << level;
      hashes[level++] = h;
      h = seed;
      start = i + 1;
      if (level > SHAPE_LEVELS_MAX) break;
    }
    this.endsWithHash = text.charCodeAt(length - 1) === HASH;
    if (level <= SHAPE_LEVELS_MAX && !this.endsWithHash) {
      if (length === start + 1 && text.charCodeAt(start) === PLUS) mask |= 1 << level;
      hashes[level++] = h;
    }
    this.levels = level;
    this.plusMask = mask;
  }

  /** The hash of the literal levels as `shape` has them; never 0, which marks an empty slot. */
  hashFor(shape: FilterShape): number {
    const { hashes } = this;
    const { literals } = shape;
    let h = shape.seed;
    for (let i = 0; i < literals.length; i++) {
      h = Math.imul(h ^ (hashes[literals[i] as number] as number), 0x9e3779b1);
      h ^= h >>> 15;
    }
    h = Math.imul(h, 0x85ebca6b);
    h ^= h >>> 13;
    return h === 0 ? 1 : h;
  }
}

export interface FilterShape {
  /** 1 … SHAPES_MAX. */
  readonly id: number;
  readonly levels: number;
  readonly endsWithHash: boolean;
  /** Whether topics that begin with `$` are not for it. */
  readonly beginsWithWildcard: boolean;
  /** Positions of the literal levels. */
  readonly literals: readonly number[];
  readonly seed: number;
  /** Filters of this shape in use. */
  filterCount: number;
}

/** The shapes in use, and which of them a topic of so many levels can match. */
export class ShapeSet {
  #byKey = new Map<number, FilterShape>();
  #freeIds: number[] = [];
  #candidates: (readonly FilterShape[] | undefined)[] = [];
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed | 0;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** The shape of the scanned filter, if it is in use. */
  find(levels: LevelHashes): FilterShape | undefined {
    return this.#byKey.get(shapeKey(levels));
  }

  /** The shape of the scanned filter, taken into use; undefined when it does not fit. */
  take(levels: LevelHashes): FilterShape | undefined {
    const key = shapeKey(levels);
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    if (levels.levels > SHAPE_LEVELS_MAX || this.#byKey.size >= SHAPES_MAX) return undefined;
    const id = this.#freeIds.pop() ?? this.#byKey.size + 1;
    const shape = createShape(id, levels, Math.imul(this.#seed ^ id, 0x9e3779b1));
    this.#byKey.set(key, shape);
    this.#candidates = [];
    return shape;
  }

  /** Counts one filter less; the last one takes the shape out of use. */
  release(shape: FilterShape): void {
    if (--shape.filterCount > 0) return;
    for (const [key, known] of this.#byKey) if (known === shape) this.#byKey.delete(key);
    this.#freeIds.push(shape.id);
    this.#candidates = [];
  }

  /** Shapes that can match a topic of `levels` levels. */
  candidates(levels: number): readonly FilterShape[] {
    return (this.#candidates[levels] ??= [...this.#byKey.values()].filter((shape) =>
      shape.endsWithHash ? shape.levels <= levels : shape.levels === levels,
    ));
  }

  clear(): void {
    this.#byKey.clear();
    this.#freeIds = [];
    this.#candidates = [];
  }
}

function shapeKey(levels: LevelHashes): number {
  return (levels.plusMask >>> 0) * 128 + levels.levels * 2 + (levels.endsWithHash ? 1 : 0);
}

function createShape(id: number, scanned: LevelHashes, seed: number): FilterShape {
  const { levels, plusMask, endsWithHash } = scanned;
  const literals: number[] = [];
  for (let i = 0; i < levels; i++) if ((plusMask & (1 << i)) === 0) literals.push(i);
  const beginsWithWildcard = levels === 0 || (plusMask & 1) !== 0;
  return { id, levels, endsWithHash, beginsWithWildcard, literals, seed, filterCount: 0 };
}
