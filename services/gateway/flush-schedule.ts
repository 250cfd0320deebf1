/**
 * Flush schedule — the outputs that were written to in this turn of the loop.
 *
 * Why:  syscalls are the budget (design §11): whatever the turn brought for a socket — a frame of
 *       hundreds of messages, acknowledgements, answers — leaves in one write when the turn ends.
 * Cost: one immediate per turn, one list entry per socket.
 */
import type { ConnectionOutput } from './connection-output.ts';

export class FlushSchedule {
  #waiting: ConnectionOutput[] = [];
  #spare: ConnectionOutput[] = [];
  readonly #run = (): void => this.flush();

  add(output: ConnectionOutput): void {
    if (this.#waiting.length === 0) setImmediate(this.#run);
    this.#waiting.push(output);
  }

  /** Writes everything now. */
  flush(): void {
    const outputs = this.#waiting;
    this.#waiting = this.#spare;
    for (const output of outputs) output.flush();
    outputs.length = 0;
    this.#spare = outputs;
  }
}
