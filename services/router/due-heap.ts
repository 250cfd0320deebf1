/**
 * Due heap — entries by the time at which they are due; earliest first, ties by position.
 *
 * Cost: O(log n) per push and pop. Without removal from the middle: nothing needs it.
 */
import type { Position } from '#log';

interface Due {
  readonly position: Position;
  readonly nextAtMs: number;
}

export class DueHeap<Entry extends Due> {
  #entries: Entry[] = [];

  peek(): Entry | undefined {
    return this.#entries[0];
  }

  push(entry: Entry): void {
    const entries = this.#entries;
    let at = entries.length;
    entries.push(entry);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = entries[above] as Entry;
      if (!isBefore(entry, parent)) break;
      entries[at] = parent;
      at = above;
    }
    entries[at] = entry;
  }

  pop(): Entry | undefined {
    const entries = this.#entries;
    const first = entries[0];
    const last = entries.pop();
    if (last === undefined || entries.length === 0) return first;
    this.#sink(0, last);
    return first;
  }

  /** Orders everything anew after times were changed from outside. */
  rebuild(): void {
    for (let at = (this.#entries.length >> 1) - 1; at >= 0; at--) {
      this.#sink(at, this.#entries[at] as Entry);
    }
  }

  #sink(from: number, entry: Entry): void {
    const entries = this.#entries;
    let at = from;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= entries.length) break;
      const right = entries[below + 1];
      if (right !== undefined && isBefore(right, entries[below] as Entry)) below++;
      const child = entries[below] as Entry;
      if (!isBefore(child, entry)) break;
      entries[at] = child;
      at = below;
    }
    entries[at] = entry;
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.nextAtMs === b.nextAtMs ? a.position < b.position : a.nextAtMs < b.nextAtMs;
}
