/** Memory requests — what waits for an answer over a memory connection; settled exactly once. */
import type { Clock, Timer } from '#base';
import type { MemoryConnection } from './memory-connection.ts';

interface Waiting {
  settle(why: string): void;
  timer: Timer | undefined;
}

export class MemoryRequests {
  readonly #connection: MemoryConnection;
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();

  constructor(connection: MemoryConnection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /**
   * `serve` runs at the server, `onAnswer` in the process: with undefined and why, if none came.
   */
  send<T>(
    serve: (answer: (value: T) => void) => void,
    onAnswer: (value: T | undefined, why: string) => void,
    timeoutMs: number,
  ): void {
    const connection = this.#connection;
    if (!connection.connected) {
      this.#clock.whenIdle(() => onAnswer(undefined, 'not connected'));
      return;
    }
    const { epoch } = connection;
    const waiting: Waiting = {
      timer: undefined,
      settle: (why) => {
        if (this.#end(waiting)) onAnswer(undefined, why);
      },
    };
    this.#waiting.add(waiting);
    waiting.timer = this.#clock.after(timeoutMs, () => waiting.settle('no answer in time'));
    connection.toServer(() => {
      serve((value) => {
        connection.toClient(epoch, () => {
          if (this.#end(waiting)) onAnswer(value, '');
        });
      });
    });
  }

  failAll(why: string): void {
    const all = [...this.#waiting];
    for (const waiting of all) waiting.settle(why);
  }

  #end(waiting: Waiting): boolean {
    if (waiting.timer !== undefined) this.#clock.cancel(waiting.timer);
    return this.#waiting.delete(waiting);
  }
}
