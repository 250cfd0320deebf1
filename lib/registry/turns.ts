/**
 * Turns — lets one task at a time go on, in the order in which they came; a bounded queue.
 */
export interface Turn {
  /** Resolves when it is this one's turn. */
  readonly begin: Promise<void>;
  /** Must be called once, after `begin`, whatever happened. */
  end(): void;
}

export class Turns {
  readonly #waitingMax: number;
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(waitingMax: number) {
    this.#waitingMax = waitingMax;
  }

  /** Undefined: the queue is full. */
  take(): Turn | undefined {
    if (this.#waiting >= this.#waitingMax) return undefined;
    this.#waiting++;
    const begin = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    const end = (): void => {
      this.#waiting--;
      resolve();
    };
    return { begin, end };
  }
}
