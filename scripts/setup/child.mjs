/**
 * Child — runs a program for set-up and keeps what it said, for the case that it fails.
 *
 * Progress: while it runs, `onTick` is called every TICK_MS: a long silence explains itself.
 */
import { spawn } from 'node:child_process';

const TICK_MS = 5_000;
const OUTPUT_CHARS_MAX = 20_000;

/** → {ok, output}; never throws. `output` is the end of both streams, or why it did not start. */
export function runChild(command, args, { cwd, env, onTick } = {}) {
  const startedAt = Date.now();
  return new Promise((done) => {
    let output = '';
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (chunk) => {
      output = (output + chunk).slice(-OUTPUT_CHARS_MAX);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const tick = setInterval(() => onTick?.(Math.round((Date.now() - startedAt) / 1000)), TICK_MS);
    child.once('error', (cause) => {
      clearInterval(tick);
      done({ ok: false, output: cause.message });
    });
    child.once('close', (code, signal) => {
      clearInterval(tick);
      done({ ok: code === 0, output: output.trim() || `ended with ${code ?? signal}` });
    });
  });
}
