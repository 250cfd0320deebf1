/**
 * Project — where the clone is, where its cache is, and how set-up speaks.
 *
 * Everything under scripts/setup runs on a plain Node ≥ 20 before any dependency is installed:
 * no imports but Node's own modules.
 */
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root of the clone, absolute. */
export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Tools shared by all clones of one user. Read at each call: tests move it. */
export function cacheDirectory() {
  const base = process.env.XDG_CACHE_HOME;
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'weir');
}

/** A failed set-up: `message` is one line that says what to do. Printed without a stack. */
export class SetupError extends Error {}

/** Set-up speaks on standard error: standard output belongs to the command. */
export function logLine(text) {
  process.stderr.write(`setup: ${text}\n`);
}

/** Runs `main`; a SetupError becomes its one line and exit code 1. */
export function runScript(main) {
  main().catch((cause) => {
    const text = cause instanceof SetupError ? cause.message : (cause?.stack ?? String(cause));
    process.stderr.write(`${text}\n`);
    process.exitCode = 1;
  });
}
