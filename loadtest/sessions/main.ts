/**
 * npm run bench:sessions — what stored sessions, queues, retained messages and QoS 2 cost.
 *
 * Runs:   each row on a cluster of its own (`weir dev`, two gateways, one dispatcher, every append
 *         fsynced), driven by clients on bare sockets in this process. A row checks what it counts
 *         (nothing lost, nobody forgotten) before it prints.
 * Prints: progress on standard error; the figures, then disk, machine and versions.
 * Ends:   0, or 1 when a row failed; the others run all the same.
 */
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { measureFsyncRate } from '../../services/cli/dev/fsync-rate.ts';
import { findGenerator } from '../bench/generator.ts';
import { describeHost } from '../bench/machine.ts';
import { commit } from '../bench/weir.ts';
import { BenchCluster } from './bench-cluster.ts';
import { summarize } from './profile-summary.ts';
import type { Row, RowContext, Sizes } from './row.ts';
import { ROWS, selectRows } from './rows.ts';

const USAGE = `npm run bench:sessions -- [options]
  --rows NAMES      all (default), or of ${ROWS.map((row) => row.name).join(', ')}
  --sessions N      row stored (10,000)
  --records N       row records (1,000,000)
  --storm N         row storm (5,000)
  --takeovers N     row takeover (400)
  --sleepers N      row sleepers (50,000)
  --bursts N        row sleepers: messages in a row (100)
  --filings N       row filing: messages to 1,000 sleepers (2,000)
  --retained N      row retained: topics (1,000,000)
  --state-mib N     row recovery: size of the state log (1,024)
  --seconds N       rows qos2 and online: length of a run (5)
  --generator PATH  mqbench or mqbench.c (default: ../shared/bench/mqbench.c, compiled)
  --data DIR        where Weir's data go while it runs: the disk that is measured
  --profiles DIR    CPU profiles of all processes go there, with a summary of each`;

const FSYNC_MEASURE_MS = 500;

const SIZES = {
  sessions: { type: 'string', default: '10000' },
  records: { type: 'string', default: '1000000' },
  storm: { type: 'string', default: '5000' },
  takeovers: { type: 'string', default: '400' },
  sleepers: { type: 'string', default: '50000' },
  bursts: { type: 'string', default: '100' },
  filings: { type: 'string', default: '2000' },
  retained: { type: 'string', default: '1000000' },
  'state-mib': { type: 'string', default: '1024' },
  seconds: { type: 'string', default: '5' },
} as const;

interface Options {
  readonly sizes: Sizes;
  readonly generator: string | undefined;
  readonly data: string;
  readonly profiles: string | undefined;
  readonly signal: AbortSignal;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      ...SIZES,
      rows: { type: 'string', default: 'all' },
      generator: { type: 'string' },
      data: { type: 'string', default: tmpdir() },
      profiles: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const rows = selectRows(values.rows);
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => interrupt.abort());
  const options: Options = {
    sizes: sizesOf(values),
    generator: values.generator ?? process.env.WEIR_BENCH_GENERATOR,
    data: resolve(values.data),
    profiles: values.profiles === undefined ? undefined : resolve(values.profiles),
    signal: interrupt.signal,
  };
  const fsyncsPerSecond = measureFsyncRate(options.data, FSYNC_MEASURE_MS);
  for (const row of rows) {
    if (options.signal.aborted) break;
    if (!(await runRow(row, options))) process.exitCode = 1;
  }
  console.log(`\n${await describeHost(fsyncsPerSecond, [`weir ${await commit()}`])}`);
}

function sizesOf(values: Readonly<Record<keyof typeof SIZES, string>>): Sizes {
  const size = (name: keyof typeof SIZES): number => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value > 0) return value;
    throw new Error(`--${name} must be a whole number above 0, not ${values[name]}`);
  };
  return {
    sessions: size('sessions'),
    records: size('records'),
    storm: size('storm'),
    takeOvers: size('takeovers'),
    sleepers: size('sleepers'),
    bursts: size('bursts'),
    filings: size('filings'),
    retained: size('retained'),
    stateMebibytes: size('state-mib'),
    seconds: size('seconds'),
  };
}

/** False: it failed, and has said so. */
async function runRow(row: Row, options: Options): Promise<boolean> {
  const directory = mkdtempSync(join(options.data, `weir-${row.name}-`));
  const clusters: BenchCluster[] = [];
  const stopClusters = async (): Promise<void> => {
    await Promise.all(clusters.splice(0).map((cluster) => cluster.stop()));
  };
  // A cluster that ends fails whatever the row waits for.
  const stop = (): void => void stopClusters();
  options.signal.addEventListener('abort', stop);
  const context: RowContext = {
    directory,
    sizes: options.sizes,
    signal: options.signal,
    generator: () => findGenerator(options.generator),
    startCluster: async (env) => {
      await stopClusters();
      const own = join(directory, `cluster-${performance.now().toFixed(0)}`);
      mkdirSync(own);
      const cluster = await BenchCluster.start(own, options.profiles !== undefined, env);
      clusters.push(cluster);
      return cluster;
    },
    say: (what, figure, goal) => {
      console.log(`  ${what.padEnd(20)} ${figure}${goal === undefined ? '' : `   [goal ${goal}]`}`);
    },
    progress: (text) => console.error(`bench ${row.name}: ${text}`),
  };
  console.log(`\n${row.name}: ${row.says}`);
  try {
    await row.run(context);
    return true;
  } catch (cause) {
    console.error(cause instanceof Error ? cause.stack : String(cause));
    const logs = clusters.map(({ cluster }) => cluster.logs()).join('\n');
    const troubles = logs.split('\n').filter((line) => / (warn|error|fatal) /.test(line));
    console.error(`bench ${row.name}: FAILED\n${troubles.slice(-20).join('\n')}`);
    return false;
  } finally {
    options.signal.removeEventListener('abort', stop);
    if (options.profiles !== undefined) keepProfiles(row, clusters, options.profiles);
    await stopClusters();
    rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }
}

function keepProfiles(row: Row, clusters: readonly BenchCluster[], target: string): void {
  mkdirSync(target, { recursive: true });
  for (const cluster of clusters) {
    for (const file of readdirSync(cluster.probes)) {
      if (!file.endsWith('.cpuprofile')) continue;
      const name = cluster.nameOf(Number(file.split('.')[0])) ?? 'other';
      const kept = join(target, `${row.name}.${name}.${file}`);
      renameSync(join(cluster.probes, file), kept);
      summarize(kept);
    }
  }
}

try {
  await main();
} catch (cause) {
  console.error(cause instanceof Error ? cause.message : String(cause));
  process.exitCode = 1;
}
