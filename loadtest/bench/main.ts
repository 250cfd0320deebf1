/**
 * npm run bench — Weir against Mosquitto on this machine, in the same minutes.
 *
 * Runs:   for each row and round Mosquitto, then Weir (`weir dev`, two gateways, every append
 *         fsynced); both stay up, and each is idle before the other is measured.
 * Prints: progress on standard error; on standard output the table of medians, then the disk's
 *         fsync rate, the machine and the versions: without them the figures mean nothing.
 * Ends:   0, or 1 when something failed to run; with --check also when a goal is missed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { measureFsyncRate } from '../../services/cli/dev/fsync-rate.ts';
import { NATS_COUNTS } from '../../services/cli/dev/ports.ts';
import type { NatsCount } from '../../services/cli/dev/ports.ts';
import { settle } from './broker.ts';
import type { BenchCertificates, Broker } from './broker.ts';
import { findGenerator, measure } from './generator.ts';
import type { Reading } from './generator.ts';
import { describeMachine } from './machine.ts';
import { findMosquitto, startMosquitto } from './mosquitto.ts';
import { ROWS, selectRows } from './rows.ts';
import type { Row } from './rows.ts';
import { isGoalMet, medianReading, renderTable } from './table.ts';
import type { RowResult } from './table.ts';
import { startWeir } from './weir.ts';

const USAGE = `npm run bench -- [options]
  --rows NAMES      all (default), goals, or of ${ROWS.map((row) => row.name).join(', ')}
  --rounds N        runs of each broker per row; medians are shown (default 3)
  --seconds N       length of a run (default 3)
  --generator PATH  mqbench or mqbench.c (default: ../shared/bench/mqbench.c, compiled)
  --data DIR        where Weir's data go while it runs: the disk that is measured
  --nats N          nats-servers of Weir, 1 (default) or 3, on this one machine
  --check           exit code 1 when a goal is missed`;

const ROUNDS_DEFAULT = '3';
const SECONDS_DEFAULT = '3';
/** Longer than a start takes: an odd moment of the disk should not decide what is printed. */
const FSYNC_MEASURE_MS = 500;

interface Options {
  readonly rows: readonly Row[];
  readonly rounds: number;
  readonly seconds: number;
  readonly generator: string;
  readonly nats: NatsCount;
  readonly signal: AbortSignal;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rows: { type: 'string', default: 'all' },
      rounds: { type: 'string', default: ROUNDS_DEFAULT },
      seconds: { type: 'string', default: SECONDS_DEFAULT },
      generator: { type: 'string' },
      data: { type: 'string', default: tmpdir() },
      nats: { type: 'string', default: '1' },
      check: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const { env } = process;
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => interrupt.abort());
  const options: Options = {
    rows: selectRows(values.rows),
    rounds: positive('--rounds', values.rounds),
    seconds: positive('--seconds', values.seconds),
    generator: await findGenerator(values.generator ?? env.WEIR_BENCH_GENERATOR),
    nats: natsCount(values.nats),
    signal: interrupt.signal,
  };
  const directory = mkdtempSync(join(resolve(values.data), 'weir-bench-'));
  try {
    const isMissed = await bench(options, directory, findMosquitto(env.PATH ?? ''));
    if (values.check && isMissed) process.exitCode = 1;
  } finally {
    rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`${name} must be a whole number above 0, not ${text}`);
}

function natsCount(text: string): NatsCount {
  const found = NATS_COUNTS.find((count) => String(count) === text);
  if (found !== undefined) return found;
  throw new Error(`--nats must be ${NATS_COUNTS.join(' or ')}, not ${text}`);
}

/** → whether a goal was missed. */
async function bench(
  options: Options,
  directory: string,
  mosquittoProgram: string | undefined,
): Promise<boolean> {
  const fsyncsPerSecond = measureFsyncRate(directory, FSYNC_MEASURE_MS);
  const brokers: Broker[] = [];
  try {
    progress('starting Weir');
    const weir = await startWeir(directory, options.nats);
    brokers.push(weir.broker);
    if (mosquittoProgram === undefined) {
      progress('mosquitto is not installed: there is nothing to compare with');
    } else brokers.unshift(await startMosquitto(mosquittoProgram, directory, weir.certificates));
    const results: RowResult[] = [];
    for (const row of options.rows) {
      results.push(await measureRow(row, brokers, weir.certificates, options));
    }
    console.log(`\n${renderTable(results)}\n`);
    console.log(await describeMachine(fsyncsPerSecond, brokers, options));
    return results.some((result) => isGoalMet(result) === false);
  } finally {
    await Promise.all(brokers.map((broker) => broker.stop()));
  }
}

async function measureRow(
  row: Row,
  brokers: readonly Broker[],
  certificates: BenchCertificates,
  { rounds, seconds, generator, signal }: Options,
): Promise<RowResult> {
  const readings = { mosquitto: [] as Reading[], weir: [] as Reading[] };
  for (let round = 1; round <= rounds; round++) {
    for (const broker of brokers) {
      const args = [...row.args, ...addressOf(row, broker, certificates)];
      const reading = await measure(generator, args, seconds, signal);
      readings[broker.name].push(reading);
      const afterwards = await settle(broker);
      const rate = Math.round(reading.rate).toLocaleString('en');
      progress(
        `${row.name} ${round}/${rounds} ${broker.name}: ${rate}/s, ` +
          `${reading.cpuMicroseconds} µs each, ${afterwards.toFixed(2)} s of CPU afterwards`,
      );
    }
  }
  const isCompared = readings.mosquitto.length > 0;
  return {
    row,
    mosquitto: isCompared ? medianReading(readings.mosquitto) : undefined,
    weir: medianReading(readings.weir),
  };
}

function addressOf(row: Row, broker: Broker, { ca, client }: BenchCertificates): string[] {
  const pids = ['--pids', broker.pids.join(',')];
  if (row.tls !== true) {
    const other = row.acrossGateways ? ['--port2', String(broker.otherPort)] : [];
    return ['--port', String(broker.port), ...other, ...pids];
  }
  const files = ['--cafile', ca, '--cert', client.cert, '--key', client.key];
  return ['--port', String(broker.tlsPort), '--tls', ...files, '--user', client.name, ...pids];
}

function progress(text: string): void {
  console.error(`bench: ${text}`);
}

try {
  await main();
} catch (cause) {
  console.error(cause instanceof Error ? cause.message : String(cause));
  process.exitCode = 1;
}
