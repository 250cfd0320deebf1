/**
 * Managed process — one child of the supervisor: started, watched, started again, ended.
 *
 * Group: each child has a process group of its own, so that Ctrl-C in a terminal reaches only the
 *        supervisor, which then stops them in order.
 * Orphan: a Weir process watches the pipe that is its standard input (WEIR_PARENT_PIPE). A foreign
 *        program gets a watchdog instead: a shell that waits on such a pipe and ends the program
 *        when the supervisor dies without a word.
 * Again: a child that ends by itself is started again after RESTART_MIN_MS, doubled up to
 *        RESTART_MAX_MS; one that ran for STEADY_MS begins at the minimum.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Back-off of restarts, milliseconds: short enough for a laptop, no storm when it is hopeless. */
export const RESTART_MIN_MS = 500;
export const RESTART_MAX_MS = 5_000;
/** A life of this length says that the start was good. */
const STEADY_MS = 10_000;

/** One row of the process table. */
export interface ProcessSpec {
  /** `gateway-1`. Unique; also WEIR_INSTANCE. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What it listens on; freed just before it starts. */
  readonly ports: readonly number[];
  /** Answers 200 when it is ready; undefined = ready once started. */
  readonly readyUrl: string | undefined;
  /** True: it watches WEIR_PARENT_PIPE. False: a watchdog ends it. */
  readonly watchesParent: boolean;
}

export type ProcessState = 'waiting' | 'running' | 'ended' | 'stopped';

export interface ProcessEvents {
  /** One line of its output, without the line end. */
  onLine(name: string, line: string): void;
  /** It started or ended. */
  onChange(process: ManagedProcess): void;
  /** It ended by itself; `restartMs` undefined = it stays down. */
  onUnexpectedEnd(process: ManagedProcess, how: string, restartMs: number | undefined): void;
  onStartedAgain(process: ManagedProcess): void;
}

export class ManagedProcess {
  readonly spec: ProcessSpec;
  readonly #events: ProcessEvents;
  readonly #restarts: () => boolean;
  #state: ProcessState = 'waiting';
  #child: ChildProcess | undefined;
  #watchdog: ChildProcess | undefined;
  #restartTimer: NodeJS.Timeout | undefined;
  #backoffMs = RESTART_MIN_MS;
  #startedAtMs = 0;
  #stopping = false;
  #restartCount = 0;
  readonly #endWaiters: (() => void)[] = [];

  /** `restarts` is asked at each unexpected end. */
  constructor(spec: ProcessSpec, events: ProcessEvents, restarts: () => boolean) {
    this.spec = spec;
    this.#events = events;
    this.#restarts = restarts;
  }

  get name(): string {
    return this.spec.name;
  }
  get state(): ProcessState {
    return this.#state;
  }
  /** Undefined while it does not run. */
  get pid(): number | undefined {
    return this.#state === 'running' ? this.#child?.pid : undefined;
  }
  get restartCount(): number {
    return this.#restartCount;
  }

  /** Starts it; does nothing while it runs or after `stop`. */
  start(): void {
    if (this.#state === 'running' || this.#stopping) return;
    clearTimeout(this.#restartTimer);
    const { command, args, env } = this.spec;
    const child = spawn(command, args, {
      env: { ...env, ...(this.spec.watchesParent ? { WEIR_PARENT_PIPE: '1' } : {}) },
      stdio: [this.spec.watchesParent ? 'pipe' : 'ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child = child;
    this.#state = 'running';
    this.#startedAtMs = performance.now();
    child.stdin?.on('error', () => undefined);
    this.#readLines(child);
    child.once('error', (cause) => this.#ended(`cannot be started: ${cause.message}`));
    child.once('exit', (code, signal) => {
      this.#ended(signal === null ? `exit code ${code}` : `signal ${signal}`);
    });
    if (!this.spec.watchesParent && child.pid !== undefined) this.#startWatchdog(child.pid);
    this.#events.onChange(this);
  }

  /** Asks it to end and never starts it again. Resolves when it has ended. */
  stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#restartTimer);
    if (this.#state !== 'running') {
      this.#state = 'stopped';
      return Promise.resolve();
    }
    const ended = new Promise<void>((resolve) => this.#endWaiters.push(resolve));
    this.#child?.kill('SIGTERM');
    return ended;
  }

  /** Ends it at once. */
  kill(): void {
    if (this.#state === 'running') this.#child?.kill('SIGKILL');
  }

  #readLines(child: ChildProcess): void {
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      const lines = createInterface({ input: stream });
      lines.on('line', (line) => this.#events.onLine(this.name, line));
    }
  }

  /** `read` returns when the pipe closes: then the supervisor is gone. */
  #startWatchdog(pid: number): void {
    const script = 'read _; kill -TERM "$1" 2>/dev/null';
    const watchdog = spawn('/bin/sh', ['-c', script, 'weir-watchdog', String(pid)], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      env: {},
    });
    watchdog.on('error', (cause) => {
      this.#events.onLine(this.name, `no watchdog: ${cause.message}`);
    });
    watchdog.stdin.on('error', () => undefined);
    watchdog.unref();
    this.#watchdog = watchdog;
  }

  #ended(how: string): void {
    if (this.#state !== 'running') return;
    this.#state = this.#stopping ? 'stopped' : 'ended';
    // Before its process id can belong to somebody else.
    this.#watchdog?.kill('SIGKILL');
    for (const resolve of this.#endWaiters.splice(0)) resolve();
    if (!this.#stopping) this.#planRestart(how);
    this.#events.onChange(this);
  }

  #planRestart(how: string): void {
    if (!this.#restarts()) {
      this.#events.onUnexpectedEnd(this, how, undefined);
      return;
    }
    if (performance.now() - this.#startedAtMs > STEADY_MS) this.#backoffMs = RESTART_MIN_MS;
    const delayMs = this.#backoffMs;
    this.#backoffMs = Math.min(delayMs * 2, RESTART_MAX_MS);
    this.#restartTimer = setTimeout(() => {
      this.#restartCount += 1;
      this.start();
      this.#events.onStartedAgain(this);
    }, delayMs);
    this.#events.onUnexpectedEnd(this, how, delayMs);
  }
}
