/**
 * Filter trie — the slow lane of the index: filters whose shape is one too many, or too deep.
 *
 * Cost:  a match visits only nodes whose path matches the topic so far, at most all nodes; an
 *        attacker pays one subscription for each branch that a topic visits. Without recursion,
 *        because a filter may have 65,535 levels.
 */
import { NO_VALUES } from './value-lists.ts';

interface TrieNode {
  readonly parent: TrieNode | undefined;
  /** Literal level, `+` or `#`, under which the parent knows this node. */
  readonly level: string;
  children: Map<string, TrieNode> | undefined;
  values: number;
}

function createNode(parent: TrieNode | undefined, level: string): TrieNode {
  return { parent, level, children: undefined, values: NO_VALUES };
}

export class FilterTrie {
  #root = createNode(undefined, '');
  #count = 0;
  /** Walk in progress: nodes and the index of the topic's level that each would match next. */
  #nodes: TrieNode[] = [];
  #depths: number[] = [];

  get count(): number {
    return this.#count;
  }

  get(filter: string): number {
    return this.#find(filter)?.values ?? NO_VALUES;
  }

  /** Sets the values of a filter; NO_VALUES removes it and prunes its path. */
  set(filter: string, values: number): void {
    if (values === NO_VALUES) this.#remove(filter);
    else {
      let node = this.#root;
      for (const level of filter.split('/')) {
        node.children ??= new Map();
        let child = node.children.get(level);
        if (child === undefined) {
          child = createNode(node, level);
          node.children.set(level, child);
        }
        node = child;
      }
      if (node.values === NO_VALUES) this.#count++;
      node.values = values;
    }
  }

  /** Packed values of every filter that matches are given to `onValues`. */
  match(topic: string, onValues: (packed: number) => void): void {
    const levels = topic.split('/');
    const reserved = topic.startsWith('$');
    const nodes = this.#nodes;
    const depths = this.#depths;
    nodes.push(this.#root);
    depths.push(0);
    for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
      const depth = depths.pop() as number;
      const wildcards = depth > 0 || !reserved;
      const { children } = node;
      const hash = wildcards ? children?.get('#') : undefined;
      if (hash !== undefined) onValues(hash.values);
      if (depth === levels.length) {
        if (node.values !== NO_VALUES) onValues(node.values);
        continue;
      }
      if (children === undefined) continue;
      // Levels of a topic are never `+` or `#`, so a literal step finds no wildcard node.
      this.#step(children.get(levels[depth] as string), depth + 1);
      if (wildcards) this.#step(children.get('+'), depth + 1);
    }
  }

  clear(): void {
    this.#root = createNode(undefined, '');
    this.#count = 0;
  }

  #step(node: TrieNode | undefined, depth: number): void {
    if (node === undefined) return;
    this.#nodes.push(node);
    this.#depths.push(depth);
  }

  #find(filter: string): TrieNode | undefined {
    let node: TrieNode | undefined = this.#root;
    for (const level of filter.split('/')) {
      node = node.children?.get(level);
      if (node === undefined) return undefined;
    }
    return node;
  }

  #remove(filter: string): void {
    let node = this.#find(filter);
    if (node === undefined || node.values === NO_VALUES) return;
    node.values = NO_VALUES;
    this.#count--;
    while (node.values === NO_VALUES && node.children === undefined) {
      const { parent, level }: TrieNode = node;
      if (parent === undefined) return;
      parent.children?.delete(level);
      if (parent.children?.size === 0) parent.children = undefined;
      node = parent;
    }
  }
}
