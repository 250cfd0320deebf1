/**
 * Generator — mqbench, a closed-loop MQTT load generator in C that judges all brokers alike. It is
 * not part of this repository.
 *
 * Found: `--generator PATH`, $WEIR_BENCH_GENERATOR, then `../shared/bench/mqbench.c` beside the
 *        clone. A path that ends with `.c` is compiled once into the user's cache; the name holds
 *        the hash of the source, so a changed one is compiled anew.
 * Says:  one line of `name=value` pairs per run; `reading` takes it apart.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory, ROOT } from '../../scripts/setup/project.mjs';

const BESIDE_CLONE = join(ROOT, '..', 'shared', 'bench', 'mqbench.c');
/** A run that says nothing for so long beyond its own time has hung. */
const SLACK_MS = 90_000;

const run = promisify(execFile);

/** What a run measured. `rate` counts messages received, or connections opened. */
export interface Reading {
  readonly rate: number;
  readonly cpuMicroseconds: number;
  /** Milliseconds; undefined for a row of connections. */
  readonly p50?: number;
  readonly p99?: number;
}

/** Absolute path of the program, compiled if need be. */
export async function findGenerator(named: string | undefined): Promise<string> {
  const path = resolve(named ?? BESIDE_CLONE);
  if (!existsSync(path)) {
    const how = 'name it with --generator PATH or WEIR_BENCH_GENERATOR (mqbench or mqbench.c)';
    throw new Error(`no load generator at ${path}: ${how}`);
  }
  return path.endsWith('.c') ? compile(path) : path;
}

async function compile(source: string): Promise<string> {
  const hash = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16);
  const directory = join(cacheDirectory(), 'bench');
  const target = join(directory, `mqbench-${hash}`);
  if (existsSync(target)) return target;
  mkdirSync(directory, { recursive: true });
  const unfinished = `${target}.${process.pid}.tmp`;
  try {
    await run('gcc', ['-O2', '-w', '-o', unfinished, source, '-lssl', '-lcrypto']);
  } catch (cause) {
    const needs = 'gcc and the headers of OpenSSL (Debian: gcc libssl-dev) are needed';
    throw new Error(`${source} could not be compiled: ${needs}`, { cause });
  }
  renameSync(unfinished, target);
  return target;
}

/** One run; rejects with what the generator said when it failed. */
export async function measure(
  generator: string,
  args: readonly string[],
  seconds: number,
  signal: AbortSignal,
): Promise<Reading> {
  const options = { signal, timeout: seconds * 1_000 + SLACK_MS };
  const { stdout } = await run(generator, [...args, '-t', String(seconds)], options);
  return reading(stdout);
}

export function reading(line: string): Reading {
  const values = new Map<string, number>();
  for (const [, name = '', value] of line.matchAll(/(\w+)=([\d.]+)/g)) {
    values.set(name, Number(value));
  }
  const rate = values.get('recv') ?? values.get('rate');
  const cpuMicroseconds = values.get('broker_cpu_us_per_msg') ?? values.get('cpu_us_per_conn');
  if (rate === undefined || cpuMicroseconds === undefined) {
    throw new Error(`the generator said something else than figures: ${line}`);
  }
  const [p50, p99] = [values.get('p50'), values.get('p99')];
  if (p50 === undefined || p99 === undefined) return { rate, cpuMicroseconds };
  return { rate, cpuMicroseconds, p50, p99 };
}
