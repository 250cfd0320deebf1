/**
 * Shutdown — a process ends in order, once, and in time.
 *
 * Order: on SIGTERM, SIGINT or the end of the parent, tasks run one after another, last registered
 *        first (what was built last is taken down first). A task that fails is reported and the
 *        next one runs. Then exit 0; past SHUTDOWN_LIMIT_MS exit 1, whatever is under way.
 * Parent: a supervisor that dies without a word closes the pipe that is our standard input;
 *        `exitWithParent` takes that as SIGTERM, so that nobody stays behind for ever.
 */
import { Fault } from '#base';
import type { Logger } from './logger.ts';

export type ShutdownTask = (signal: string) => Promise<void>;

/** All tasks together, milliseconds. A supervisor waits 5 s before it kills. */
export const SHUTDOWN_LIMIT_MS = 3_800;

type Phase = 'unarmed' | 'armed' | 'ending';
let phase: Phase = 'unarmed';
const tasks: ShutdownTask[] = [];

/** Registers a task. Each runs once; further signals change nothing. */
export function onShutdown(task: ShutdownTask): void {
  tasks.push(task);
  arm();
}

/** Ends the process as a signal would: for faults that end a service in an orderly way. */
export function beginShutdown(signal: string, exitCode = 0): void {
  if (phase === 'ending') return;
  phase = 'ending';
  setTimeout(() => process.exit(exitCode === 0 ? 1 : exitCode), SHUTDOWN_LIMIT_MS).unref();
  void runTasks(signal).then((clean) => process.exit(clean ? exitCode : 1));
}

/**
 * Ends with the parent if WEIR_PARENT_PIPE is set: standard input is then a pipe whose other end
 * only the parent holds. Otherwise does nothing. May be called twice.
 */
export function exitWithParent(): void {
  if (process.env.WEIR_PARENT_PIPE === undefined) return;
  arm();
  const pipe = process.stdin;
  pipe.once('close', () => beginShutdown('parent ended'));
  pipe.once('error', () => beginShutdown('parent ended'));
  pipe.resume();
  // Watching alone must not keep a process alive.
  if ('unref' in pipe) pipe.unref();
}

/**
 * Runs a service: ends with the parent, and turns a failed start into one log line and exit code 1.
 * Programmer errors keep their stack.
 */
export function runMain(logger: Logger, main: () => Promise<void>): void {
  exitWithParent();
  main().catch((cause: unknown) => {
    if (cause instanceof Fault) {
      logger.error('start failed', { code: cause.code, why: cause.message });
    } else logger.error('start failed', { error: cause });
    beginShutdown('start failed', 1);
  });
}

function arm(): void {
  if (phase !== 'unarmed') return;
  phase = 'armed';
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => beginShutdown(signal));
}

async function runTasks(signal: string): Promise<boolean> {
  let clean = true;
  for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) {
    try {
      await task(signal);
    } catch (cause) {
      clean = false;
      process.stderr.write(`shutdown task failed: ${String(cause)}\n`);
    }
  }
  return clean;
}
