/**
 * Rows `qos2` and `online` — what stored sessions and QoS 2 cost while everybody is connected,
 * measured by mqbench, which judges all brokers alike: Weir fsyncs, Mosquitto keeps all in memory.
 */
import type { BenchCluster } from './bench-cluster.ts';
import { findMosquitto, startMosquitto } from '../bench/mosquitto.ts';
import { settle } from '../bench/broker.ts';
import type { Broker } from '../bench/broker.ts';
import { measure } from '../bench/generator.ts';
import type { Reading } from '../bench/generator.ts';
import { certificatesOf } from '../bench/weir.ts';
import type { Row, RowContext } from './row.ts';
import { whole } from './samples.ts';

const PAIRS = ['--mode', 'pair', '-p', '10', '-s', '10', '-w', '200'];
const ROUNDS = 3;

interface Variant {
  readonly says: string;
  readonly args: readonly string[];
}

const QOS2: readonly Variant[] = [
  { says: 'QoS 2, clean sessions', args: ['-q', '2'] },
  { says: 'QoS 2, stored sessions', args: ['-q', '2', '--persistent'] },
];
const ONLINE: readonly Variant[] = [
  { says: 'QoS 1, clean sessions', args: ['-q', '1'] },
  { says: 'QoS 1, stored sessions', args: ['-q', '1', '--persistent'] },
];

export const QOS2_ROW: Row = {
  name: 'qos2',
  says: '10 pairs, window 200, QoS 2: Weir with fsync beside Mosquitto in memory',
  run: (context) => compare(context, QOS2, '≥ 2 × Mosquitto'),
};

export const ONLINE_ROW: Row = {
  name: 'online',
  says: '10 pairs, window 200, QoS 1: stored sessions beside clean ones',
  run: (context) => compare(context, ONLINE, 'stored within 1.5 × of clean'),
};

async function compare(context: RowContext, variants: readonly Variant[], goal: string) {
  const { directory, say, progress, sizes, signal } = context;
  const generator = await context.generator();
  const bench = await context.startCluster();
  const program = findMosquitto(process.env.PATH ?? '');
  const mosquitto =
    program === undefined
      ? undefined
      : await startMosquitto(program, directory, certificatesOf(bench.cluster));
  const weir = weirOf(bench);
  const run = async (broker: Broker, { args, says }: Variant): Promise<Reading> => {
    const address = ['--port', String(broker.port), '--port2', String(broker.otherPort)];
    const all = [...PAIRS, ...args, ...address, '--pids', broker.pids.join(',')];
    const reading = await measure(generator, all, sizes.seconds, signal);
    progress(`${says}, ${broker.name}: ${whole(reading.rate)}/s`);
    await settle(broker);
    return reading;
  };
  try {
    const readings = variants.map(() => ({ weir: [] as Reading[], mosquitto: [] as Reading[] }));
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, variant] of variants.entries()) {
        if (mosquitto !== undefined) readings[i]?.mosquitto.push(await run(mosquitto, variant));
        readings[i]?.weir.push(await run(weir, variant));
      }
    }
    for (const [i, { says }] of variants.entries()) {
      for (const name of ['mosquitto', 'weir'] as const) {
        const taken = readings[i]?.[name] ?? [];
        if (taken.length > 0) say(`${says}`, `${name.padEnd(9)} ${figures(taken)}`);
      }
    }
    say('', `medians of ${ROUNDS} × ${sizes.seconds} s`, goal);
  } finally {
    await mosquitto?.stop();
  }
}

function figures(readings: readonly Reading[]): string {
  const middle = (pick: (reading: Reading) => number): number =>
    readings.map(pick).toSorted((a, b) => a - b)[readings.length >> 1] ?? 0;
  const rate = whole(middle(({ rate: value }) => value));
  const cpu = middle(({ cpuMicroseconds }) => cpuMicroseconds).toFixed(2);
  const p50 = middle((reading) => reading.p50 ?? 0).toFixed(2);
  const p99 = middle((reading) => reading.p99 ?? 0).toFixed(2);
  return `${rate}/s, CPU ${cpu} µs each, p50 ${p50} ms, p99 ${p99} ms`;
}

function weirOf(bench: BenchCluster): Broker {
  const [port, otherPort] = bench.ports;
  return {
    name: 'weir',
    version: '',
    pids: Object.values(bench.pids()),
    port,
    otherPort,
    tlsPort: 0,
    stop: async () => undefined,
  };
}
