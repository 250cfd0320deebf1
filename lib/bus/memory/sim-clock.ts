/**
 * Sim clock — virtual time for the seeded simulation: nothing waits, every run is alike.
 *
 * Shape: a binary heap of tasks ordered by (due time, order of planning) and a list of idle tasks.
 * Order: what is due now runs first; when nothing more is due now, the idle tasks run; then time
 *        moves a little, or to the next due task.
 */
import type { Clock, Timer } from '#base';

/** Wall clock at virtual time 0: 2026-01-01T00:00:00Z, so that logs of runs look alike. */
export const SIM_WALL_START_MS = 1_767_225_600_000;

/** What a turn of idle tasks takes: who plans them for ever must not stop time. */
const IDLE_TURN_MS = 0.01;

interface SimTimer {
  readonly atMs: number;
  readonly order: number;
  task: (() => void) | undefined;
}

function isBefore(a: SimTimer, b: SimTimer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

export class SimClock implements Clock {
  /** Tasks run since the start: the measure of a run's size. */
  tasksRun = 0;

  readonly #heap: SimTimer[] = [];
  #idle: (() => void)[] = [];
  #nowMs = 0;
  #order = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return SIM_WALL_START_MS + Math.floor(this.#nowMs);
  }

  after(delayMs: number, task: () => void): Timer {
    return this.at(this.#nowMs + Math.max(0, delayMs), task);
  }

  /** As `after`, at an exact time: two tasks of one time run in the order of planning. */
  at(atMs: number, task: () => void): Timer {
    const timer: SimTimer = { atMs, order: this.#order++, task };
    this.#push(timer);
    return timer;
  }

  cancel(timer: Timer): void {
    (timer as SimTimer).task = undefined;
  }

  whenIdle(task: () => void): void {
    this.#idle.push(task);
  }

  /**
   * Runs one due task, or the idle tasks, or moves to the next due time. False: nothing is left.
   */
  step(untilMs = Number.POSITIVE_INFINITY): boolean {
    for (;;) {
      const top = this.#heap[0];
      if (top !== undefined && top.task === undefined) {
        this.#pop();
        continue;
      }
      if (this.#idle.length > 0 && (top === undefined || top.atMs > this.#nowMs)) {
        this.#runIdle();
        const atMs = this.#nowMs + IDLE_TURN_MS;
        this.#nowMs = top === undefined ? atMs : Math.min(atMs, top.atMs);
        return true;
      }
      if (top === undefined || top.atMs > untilMs) return false;
      this.#pop();
      this.#nowMs = Math.max(this.#nowMs, top.atMs);
      const { task } = top;
      top.task = undefined;
      this.tasksRun++;
      task?.();
      return true;
    }
  }

  /** Runs everything due up to `untilMs`; afterwards it is `untilMs`. */
  run(untilMs: number): void {
    while (this.step(untilMs));
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** Runs until `condition` holds or `untilMs` has come; returns whether it holds. */
  runUntil(condition: () => boolean, untilMs: number): boolean {
    while (!condition()) {
      if (!this.step(untilMs)) {
        this.#nowMs = Math.max(this.#nowMs, untilMs);
        return condition();
      }
    }
    return true;
  }

  #runIdle(): void {
    const tasks = this.#idle;
    this.#idle = [];
    for (const task of tasks) {
      this.tasksRun++;
      task();
    }
  }

  #push(timer: SimTimer): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(timer);
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex] as SimTimer;
      if (!isBefore(timer, parent)) break;
      heap[index] = parent;
      index = parentIndex;
    }
    heap[index] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let childIndex = 2 * index + 1;
      if (childIndex >= heap.length) break;
      const right = heap[childIndex + 1];
      if (right !== undefined && isBefore(right, heap[childIndex] as SimTimer)) childIndex++;
      const child = heap[childIndex] as SimTimer;
      if (!isBefore(child, last)) break;
      heap[index] = child;
      index = childIndex;
    }
    heap[index] = last;
  }
}
