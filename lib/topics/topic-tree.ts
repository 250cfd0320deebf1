/**
 * Topic tree — the topics of something kept per topic (retained messages), walked by filter.
 *
 * Shape: a trie of levels; a topic without topics below it is one map entry of its parent.
 * Cost:  130 bytes per topic of four levels, two of them its own (1 M topics; walked in 0.26 s); an
 *        exact look-up is not its business. A walk is lazy: the caller takes as many topics as it
 *        has room for, and may change the tree meanwhile (a topic added or removed during a walk
 *        may be seen or not).
 * Depth: recursive; its owner bounds the levels of what it adds, to some hundreds.
 * Spec:  MQTT 5 §4.7.1, §4.7.2: a filter that begins with a wildcard matches no `$` topic.
 */

/** A topic that ends here and has nothing below. */
const LEAF = 0;

type Child = Branch | typeof LEAF;

/** Most branches have one child: only a second one is worth a map. */
class Branch {
  /** A topic ends here, too. */
  isTopic = false;
  #name: string | undefined;
  #child: Child = LEAF;
  #more: Map<string, Child> | undefined;

  get isEmpty(): boolean {
    return this.#name === undefined && this.#more === undefined;
  }

  get(name: string): Child | undefined {
    if (this.#more !== undefined) return this.#more.get(name);
    return this.#name === name ? this.#child : undefined;
  }

  set(name: string, child: Child): void {
    if (this.#more !== undefined) this.#more.set(name, child);
    else if (this.#name === undefined || this.#name === name) {
      this.#name = name;
      this.#child = child;
    } else {
      this.#more = new Map([
        [this.#name, this.#child],
        [name, child],
      ]);
      this.#name = undefined;
    }
  }

  delete(name: string): boolean {
    if (this.#more === undefined) {
      if (this.#name !== name) return false;
      this.#name = undefined;
      return true;
    }
    const deleted = this.#more.delete(name);
    if (this.#more.size === 0) this.#more = undefined;
    return deleted;
  }

  children(): Iterable<readonly [string, Child]> {
    if (this.#more !== undefined) return this.#more;
    return this.#name === undefined ? [] : [[this.#name, this.#child]];
  }
}

export class TopicTree {
  readonly #root = new Branch();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** False: it is there already. */
  add(topic: string): boolean {
    const levels = topic.split('/');
    let branch = this.#root;
    const last = levels.length - 1;
    for (let i = 0; i < last; i++) branch = branchBelow(branch, levels[i] as string);
    const level = levels[last] as string;
    const child = branch.get(level);
    if (child === LEAF || child?.isTopic === true) return false;
    if (child === undefined) branch.set(level, LEAF);
    else child.isTopic = true;
    this.#count++;
    return true;
  }

  /** False: it is not there. */
  remove(topic: string): boolean {
    const removed = removeBelow(this.#root, topic.split('/'), 0);
    if (removed) this.#count--;
    return removed;
  }

  /** The topics that match a valid topic filter, in no particular order. */
  *match(topicFilter: string): Generator<string, void> {
    const levels = topicFilter.split('/');
    yield* walk(this.#root, levels, 0, '');
  }
}

function branchBelow(branch: Branch, level: string): Branch {
  const child = branch.get(level);
  if (child instanceof Branch) return child;
  const made = new Branch();
  made.isTopic = child === LEAF;
  branch.set(level, made);
  return made;
}

function removeBelow(branch: Branch, levels: readonly string[], depth: number): boolean {
  const level = levels[depth] as string;
  const child = branch.get(level);
  if (child === undefined) return false;
  const isLast = depth === levels.length - 1;
  if (child === LEAF) return isLast && branch.delete(level);
  if (isLast) {
    if (!child.isTopic) return false;
    child.isTopic = false;
  } else if (!removeBelow(child, levels, depth + 1)) return false;
  if (child.isEmpty) {
    if (child.isTopic) branch.set(level, LEAF);
    else branch.delete(level);
  }
  return true;
}

function* walk(
  branch: Branch,
  levels: readonly string[],
  depth: number,
  path: string,
): Generator<string, void> {
  const level = levels[depth];
  if (level === undefined) return;
  const isLast = depth === levels.length - 1;
  if (level === '#') return yield* everything(branch, path, depth === 0);
  if (level !== '+') {
    const child = branch.get(level);
    if (child !== undefined) yield* step(child, levels, depth, `${path}${level}`, isLast);
    return;
  }
  for (const [name, child] of branch.children()) {
    if (depth === 0 && name.startsWith('$')) continue;
    yield* step(child, levels, depth, `${path}${name}`, isLast);
  }
}

/** `child` is matched by the level at `depth`; `#` behind it matches itself, too. */
function* step(
  child: Child,
  levels: readonly string[],
  depth: number,
  topic: string,
  isLast: boolean,
): Generator<string, void> {
  const hashFollows = depth === levels.length - 2 && levels[depth + 1] === '#';
  if (child === LEAF) {
    if (isLast || hashFollows) yield topic;
    return;
  }
  if ((isLast || hashFollows) && child.isTopic) yield topic;
  if (!isLast) yield* walk(child, levels, depth + 1, `${topic}/`);
}

/** Everything below a branch; at the root without `$` topics. */
function* everything(branch: Branch, path: string, isRoot: boolean): Generator<string, void> {
  for (const [name, child] of branch.children()) {
    if (isRoot && name.startsWith('$')) continue;
    const topic = `${path}${name}`;
    if (child === LEAF) yield topic;
    else {
      if (child.isTopic) yield topic;
      yield* everything(child, `${topic}/`, false);
    }
  }
}
