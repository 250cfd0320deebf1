/**
 * Clock — the only way product code learns the time or waits.
 *
 * Shape: a port; the system clock at the edge of each process, a virtual one in the simulation.
 * Why:   lease deadlines, time-outs and retries must be replayable from a seed (design §12).
 */
export interface Clock {
  /** Milliseconds that only move forward; for deadlines and spans. Origin is arbitrary. */
  nowMs(): number;
  /** Milliseconds since 1970, may jump; for message expiry and event times, never for safety. */
  wallMs(): number;
  /** Runs `task` once after `delayMs` (0 allowed). Returns a handle for `cancel`. */
  after(delayMs: number, task: () => void): Timer;
  cancel(timer: Timer): void;
  /** Runs `task` when the current turn of the loop has handled what is ready (batching point). */
  whenIdle(task: () => void): void;
}

export type Timer = object;

/** Randomness as a port: a number in [0, 1), like Math.random. */
export type Random = () => number;

let idleTasks: (() => void)[] = [];

/**
 * All idle tasks of a turn run as one callback, so what they write to a socket leaves in one go.
 */
function runIdleTasks(): void {
  const tasks = idleTasks;
  idleTasks = [];
  for (const task of tasks) task();
}

/** The real clock. Timers do not keep a process alive. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs);
    timer.unref();
    return timer;
  },
  cancel: (timer) => clearTimeout(timer as NodeJS.Timeout),
  whenIdle: (task) => {
    if (idleTasks.push(task) === 1) setImmediate(runIdleTasks);
  },
};
