/**
 * Supervisor — starts the processes of a table in stages, keeps them running, stops them in order.
 *
 * Start: a stage begins when every process of those before answers its ready URL, or at once if the
 *        table says so. A process that ends before everything was ready fails the whole start:
 *        nothing stays half-started.
 * Stop:  stages backwards, SIGTERM each; a stage gets its share of STOP_LIMIT_MS, then the next one
 *        is asked too. What still lives at the limit is killed, by its own process id.
 */
import { Fault } from '#base';
import { ManagedProcess } from './managed-process.ts';
import type { ProcessEvents, ProcessSpec } from './managed-process.ts';

/** From the first signal to the last kill; leaves half a second of the promised 5 s. */
export const STOP_LIMIT_MS = 4_500;
/** A first start on a slow, busy machine; a second one takes a few seconds. */
export const READY_LIMIT_MS = 60_000;
const READY_POLL_MS = 50;
/** One look at a ready URL. */
const READY_ANSWER_MS = 2_000;

/** Processes that start and stop together. */
export interface Stage {
  readonly processes: readonly ProcessSpec[];
  /** True: starts as soon as the stage before has started; it waits for nothing. */
  readonly startsAtOnce?: boolean;
}
export type ProcessTable = readonly Stage[];

export interface SupervisorOptions {
  readonly table: ProcessTable;
  readonly restart: boolean;
  /** A line of a child. */
  readonly onLine: (name: string, line: string) => void;
  /** A line of the supervisor itself. */
  readonly onNotice: (text: string) => void;
  /** Some process started or ended. */
  readonly onChange: () => void;
  /** Called before a process starts for the first time, to free its ports. */
  readonly beforeStart: (spec: ProcessSpec) => Promise<void>;
  readonly readyLimitMs?: number;
}

export class Supervisor {
  readonly processes: ReadonlyMap<string, ManagedProcess>;
  readonly #options: SupervisorOptions;
  readonly #stages: readonly (readonly ManagedProcess[])[];
  readonly #stopStart = new AbortController();
  #isUp = false;
  #stopped: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    const events: ProcessEvents = {
      onLine: options.onLine,
      onChange: () => options.onChange(),
      onUnexpectedEnd: (child, how, restartMs) => this.#unexpectedEnd(child, how, restartMs),
      onStartedAgain: (child) => options.onNotice(`${child.name} started again, pid ${child.pid}`),
    };
    const restarts = (): boolean => this.#isUp && options.restart;
    this.#stages = options.table.map((stage) =>
      stage.processes.map((spec) => new ManagedProcess(spec, events, restarts)),
    );
    this.processes = new Map(this.#stages.flat().map((child) => [child.name, child]));
  }

  /**
   * Starts all stages and resolves when everything is ready, `whenReady` included: work that begins
   * when the named process is ready and goes on beside the start of later stages.
   * Rejects with a Fault when a process ends or does not get ready, or when `stop` was called.
   */
  async start(whenReady: ReadonlyMap<string, () => Promise<void>> = new Map()): Promise<void> {
    const ready: Promise<void>[] = [];
    const aside: Promise<void>[] = [];
    for (const [number, stage] of this.#stages.entries()) {
      if (this.#options.table[number]?.startsAtOnce !== true) await Promise.all(ready);
      await Promise.all(stage.map((child) => this.#startFirst(child)));
      for (const child of stage) {
        const isReady = this.#untilReady(child);
        ready.push(isReady);
        aside.push(isReady.then(whenReady.get(child.name)));
      }
      // Waited for later: until then a rejection must not count as unhandled.
      for (const work of [...ready, ...aside]) work.catch(() => undefined);
    }
    await Promise.all([...ready, ...aside]);
    this.#stopStart.signal.throwIfAborted();
    this.#isUp = true;
  }

  /** Starts one again that has ended, for tests with --no-restart. False: no such process. */
  startAgain(name: string): boolean {
    const child = this.processes.get(name);
    if (child === undefined || child.state !== 'ended') return false;
    child.start();
    this.#options.onNotice(`${name} started again, pid ${child.pid}`);
    return true;
  }

  /** Resolves when no process is left. May be called twice and during `start`. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#isUp = false;
    this.#stopStart.abort(new Fault('WEIR_CONFIG', 'stopped before everything was ready'));
    const shareMs = STOP_LIMIT_MS / this.#stages.length;
    const kill = setTimeout(() => {
      for (const child of this.processes.values()) {
        if (child.state !== 'running') continue;
        this.#options.onNotice(`${child.name} did not end in time and is killed`);
        child.kill();
      }
    }, STOP_LIMIT_MS);
    const ending: Promise<unknown>[] = [];
    for (const stage of this.#stages.toReversed()) {
      const ended = Promise.all(stage.map((child) => child.stop()));
      ending.push(ended);
      await within(ended, shareMs);
    }
    await Promise.all(ending);
    clearTimeout(kill);
  }

  async #startFirst(child: ManagedProcess): Promise<void> {
    this.#stopStart.signal.throwIfAborted();
    await this.#options.beforeStart(child.spec);
    this.#stopStart.signal.throwIfAborted();
    child.start();
  }

  #unexpectedEnd(child: ManagedProcess, how: string, restartMs: number | undefined): void {
    const { onNotice } = this.#options;
    if (restartMs !== undefined) {
      onNotice(`${child.name} ended (${how}), starting it again in ${restartMs / 1000} s`);
    } else if (this.#isUp) {
      onNotice(`${child.name} ended (${how}), it is not started again (--no-restart)`);
    } else {
      const text = `${child.name} ended (${how}) before everything was ready; see its lines above`;
      this.#stopStart.abort(new Fault('WEIR_CONFIG', text));
    }
  }

  async #untilReady(child: ManagedProcess): Promise<void> {
    const { readyUrl } = child.spec;
    if (readyUrl === undefined) return;
    const limitMs = this.#options.readyLimitMs ?? READY_LIMIT_MS;
    const deadlineMs = performance.now() + limitMs;
    const stopped = this.#stopStart.signal;
    for (;;) {
      stopped.throwIfAborted();
      const answer = await askReady(readyUrl, stopped);
      if (answer === 'ready') return;
      if (performance.now() > deadlineMs) {
        const text = `${child.name} was not ready after ${limitMs / 1000} s: ${answer}`;
        throw new Fault('WEIR_CONFIG', text);
      }
      await pause(READY_POLL_MS);
    }
  }
}

/** `ready`, or why not: the answer's body, or the error. */
async function askReady(url: string, stopped: AbortSignal): Promise<string> {
  try {
    const signal = AbortSignal.any([AbortSignal.timeout(READY_ANSWER_MS), stopped]);
    const response = await fetch(url, { signal });
    const body = await response.text();
    return response.ok ? 'ready' : body.trim();
  } catch (cause) {
    if (!(cause instanceof Error)) return String(cause);
    // fetch says only that it failed; what happened is in the cause.
    return cause.cause instanceof Error ? cause.cause.message : cause.message;
  }
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

/** Resolves when `work` does, at the latest after `limitMs`. */
async function within(work: Promise<unknown>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, limitMs)));
  await Promise.race([work, limit]);
  clearTimeout(timer);
}
