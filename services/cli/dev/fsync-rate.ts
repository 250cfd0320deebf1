/**
 * Fsync rate — how many times a second this disk makes a small append durable.
 *
 * Every acknowledged record waits for one fsync, so this number says what to expect of a machine.
 * Cost: blocks for `durationMs`; writes into `directory` and removes what it wrote.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Long enough for some hundred on a fast disk; a start should not feel it. */
export const FSYNC_MEASURE_MS = 150;
/** About what one small record adds to a stream's file. */
const WRITE_BYTES = 512;

/** Fsyncs per second. Throws when the directory cannot be written. */
export function measureFsyncRate(directory: string, durationMs: number = FSYNC_MEASURE_MS): number {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `fsync-rate.${process.pid}.tmp`);
  const file = openSync(path, 'w', 0o600);
  const block = Buffer.alloc(WRITE_BYTES, 0x57);
  try {
    const startMs = performance.now();
    let count = 0;
    let elapsedMs = 0;
    while (elapsedMs < durationMs) {
      writeSync(file, block);
      fsyncSync(file);
      count += 1;
      elapsedMs = performance.now() - startMs;
    }
    return (count * 1000) / elapsedMs;
  } finally {
    closeSync(file);
    rmSync(path, { force: true });
  }
}
