/**
 * Sim process — what stands between the simulated world and one process: it can be stopped.
 *
 * Shape: every timer and every message of the process passes `run`. Paused (SIGSTOP): what is due
 *        waits, in order, timers and messages apart; at `resume` both are made up in an order
 *        drawn anew, as a loop after SIGCONT may see either first. Killed (kill −9): nothing of
 *        it is ever called again.
 */
import type { Clock, Random, Timer } from '#base';

type Source = 'timer' | 'network';

interface ProcessTimer {
  root: Timer | undefined;
  task: (() => void) | undefined;
}

export class SimProcess {
  readonly name: string;
  /** The process's own view of time: stops with it, jumps on with it. */
  readonly clock: Clock;
  readonly #random: Random;
  #state: 'running' | 'paused' | 'killed' = 'running';
  #waiting: Record<Source, (() => void)[]> = { timer: [], network: [] };

  constructor(name: string, root: Clock, random: Random) {
    this.name = name;
    this.#random = random;
    this.clock = {
      nowMs: () => root.nowMs(),
      wallMs: () => root.wallMs(),
      after: (delayMs, task) => {
        const timer: ProcessTimer = { root: undefined, task };
        const fire = (): void => {
          const due = timer.task;
          timer.task = undefined;
          due?.();
        };
        timer.root = root.after(delayMs, () => this.run('timer', fire));
        return timer;
      },
      cancel: (timer) => {
        const own = timer as ProcessTimer;
        own.task = undefined;
        if (own.root !== undefined) root.cancel(own.root);
      },
      whenIdle: (task) => root.whenIdle(() => this.run('timer', task)),
    };
  }

  get state(): 'running' | 'paused' | 'killed' {
    return this.#state;
  }

  run(source: Source, task: () => void): void {
    if (this.#state === 'running') task();
    else if (this.#state === 'paused') this.#waiting[source].push(task);
  }

  pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    const { timer, network } = this.#waiting;
    this.#waiting = { timer: [], network: [] };
    const first = this.#random() < 0.5 ? timer : network;
    for (const task of first) this.run(first === timer ? 'timer' : 'network', task);
    const second = first === timer ? network : timer;
    for (const task of second) this.run(second === timer ? 'timer' : 'network', task);
  }

  kill(): void {
    this.#state = 'killed';
    this.#waiting = { timer: [], network: [] };
  }
}
