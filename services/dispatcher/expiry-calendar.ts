/**
 * Expiry calendar — which names are due, by the second.
 *
 * Shape: sets by second of the wall clock, and the seconds in order of their setting; setting,
 *        moving and taking cost O(1), looking costs the seconds passed since the last look.
 * Cost:  an entry per name that expires at all.
 */
export class ExpiryCalendar {
  readonly #seconds = new Map<number, Set<string>>();
  readonly #secondOf = new Map<string, number>();
  #lookedAt = Infinity;

  get size(): number {
    return this.#secondOf.size;
  }

  /** Infinity: never. */
  set(name: string, atMs: number): void {
    this.#remove(name);
    if (atMs === Infinity) return;
    const second = Math.ceil(atMs / 1_000);
    this.#secondOf.set(name, second);
    let names = this.#seconds.get(second);
    if (names === undefined) this.#seconds.set(second, (names = new Set()));
    names.add(name);
    if (second < this.#lookedAt) this.#lookedAt = second;
  }

  /** Takes out up to `count` names whose time has come. */
  due(nowMs: number, count: number): string[] {
    const names: string[] = [];
    const now = Math.floor(nowMs / 1_000);
    if (this.#secondOf.size === 0) this.#lookedAt = Infinity;
    while (this.#lookedAt <= now && names.length < count) {
      for (const name of this.#seconds.get(this.#lookedAt) ?? []) {
        if (names.length === count) return names;
        names.push(name);
        this.#remove(name);
      }
      this.#lookedAt = this.#secondOf.size === 0 ? Infinity : this.#lookedAt + 1;
    }
    return names;
  }

  #remove(name: string): void {
    const second = this.#secondOf.get(name);
    if (second === undefined) return;
    this.#secondOf.delete(name);
    const names = this.#seconds.get(second);
    names?.delete(name);
    if (names?.size === 0) this.#seconds.delete(second);
  }
}
