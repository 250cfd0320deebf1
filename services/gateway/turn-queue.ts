/**
 * Turn queue — work that is bounded per turn of the loop, so that no turn lasts.
 *
 * Used for TLS handshakes, CONNECTs, repeated authentication and connections that go on: all of
 * them come in storms, and a turn over 50 ms endangers the lease (design §11).
 * Bound: the caller's, by `size`. Order: first in, first out.
 */
export class TurnQueue<Item> {
  readonly #perTurn: number;
  readonly #work: (item: Item) => void;
  readonly #waiting = new Set<Item>();
  readonly #run = (): void => this.#turn();
  #isPlanned = false;

  /** `work` must not throw. */
  constructor(perTurn: number, work: (item: Item) => void) {
    this.#perTurn = perTurn;
    this.#work = work;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Something that waits already keeps its place. */
  add(item: Item): void {
    this.#waiting.add(item);
    this.#plan();
  }

  remove(item: Item): void {
    this.#waiting.delete(item);
  }

  #plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    setImmediate(this.#run);
  }

  #turn(): void {
    this.#isPlanned = false;
    let left = this.#perTurn;
    for (const item of this.#waiting) {
      if (left-- === 0) break;
      this.#waiting.delete(item);
      this.#work(item);
    }
    if (this.#waiting.size > 0) this.#plan();
  }
}
