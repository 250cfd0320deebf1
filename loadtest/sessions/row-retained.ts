/**
 * Row `retained` — retained messages of distinct topics: publishes, memory, take-over, and one
 * subscription to all of them. Row `recovery` is the same with messages that fill a state log.
 */
import { waitFor } from '../../test/fixtures/wait-for.ts';
import type { BenchCluster } from './bench-cluster.ts';
import { LightClient } from './light-client.ts';
import { pump } from './pump.ts';
import { watchRecovery } from './recovery-watch.ts';
import { cpuOf, growthOf, loopsOf, memoryOf } from './row.ts';
import type { Row, RowContext } from './row.ts';
import { mebibytes, milliseconds, perSecond, whole } from './samples.ts';

const PUBLISHERS = 10;
const LIMIT_MS = 300_000;
/** Small, as the last value of a sensor is. */
const PAYLOAD_BYTES = 32;
const LARGE_PAYLOAD_BYTES = 4_000;

export const RETAINED_ROW: Row = {
  name: 'retained',
  says: 'retained messages of distinct topics, take-over, and a subscription to `#`',
  run,
};

export const RECOVERY_ROW: Row = {
  name: 'recovery',
  says: 'recovery of large state logs after kill −9 of the dispatcher',
  run: recoverLargeLogs,
};

async function run(context: RowContext): Promise<void> {
  const { sizes, say, startCluster } = context;
  const count = sizes.retained;
  const bench = await startCluster();
  await bench.beginWindow();
  const empty = await bench.endWindow();
  await bench.beginWindow();
  const ms = await publishRetained(bench, count, PAYLOAD_BYTES);
  const window = await bench.endWindow();
  say('published', `${perSecond(count, ms)} until all are kept`, '≥ 100,000/s');
  say('', cpuOf(window, count));
  say('loops', loopsOf(window));
  say('memory', memoryOf(window));
  say('per topic', growthOf(empty, window, count));
  await subscribeToAll(context, bench, count);
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    await bench.cluster.kill('dispatcher-1', signal);
    await sayRecovery(context, bench, signal, count);
  }
}

/** → until the dispatchers keep all of them, ms. */
async function publishRetained(
  bench: BenchCluster,
  count: number,
  payloadBytes: number,
): Promise<number> {
  const { ports } = bench;
  const publishers = await Promise.all(
    Array.from({ length: PUBLISHERS }, (_, i) => {
      const identifier = `publisher-${i}`;
      return LightClient.open({ port: ports[i % 2] as number, identifier, expirySeconds: 0 });
    }),
  );
  const share = Math.ceil(count / PUBLISHERS);
  const startMs = performance.now();
  await Promise.all(
    publishers.map((client, i) => {
      const first = i * share;
      return pump({
        client,
        count: Math.min(share, count - first),
        first,
        topicOf: (index) => `plant/${index % 1_000}/sensor/${index}`,
        payloadBytes,
        window: 1_000,
        retain: true,
      });
    }),
  );
  const isKept = async (): Promise<boolean> =>
    (await bench.dispatcherMetric('weir_retained_messages')) === count;
  await waitFor(isKept, { limitMs: LIMIT_MS, what: `${count} retained messages` });
  const ms = performance.now() - startMs;
  for (const publisher of publishers) await publisher.leave();
  return ms;
}

async function subscribeToAll(
  { say }: RowContext,
  bench: BenchCluster,
  count: number,
): Promise<void> {
  const client = await LightClient.open({
    port: bench.ports[1],
    identifier: 'everything',
    expirySeconds: 0,
  });
  await bench.beginWindow();
  const startMs = performance.now();
  let firstMs = 0;
  const all = new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${client.received} came`)), LIMIT_MS);
    client.onMessage = (_bytes, _start, _end, first) => {
      if ((first & 1) === 0) reject(new Error('a message without RETAIN'));
      if (client.received === 1) firstMs = performance.now() - startMs;
      if (client.received < count) return;
      clearTimeout(late);
      resolve();
    };
    client.onEnd = (code) => reject(new Error(`ended with ${code ?? 'no'} code`));
  });
  await client.subscribe(['#']);
  const subackMs = performance.now() - startMs;
  await all;
  const ms = performance.now() - startMs;
  const window = await bench.endWindow();
  say('subscribe to #', `${whole(count)} within ${milliseconds(ms)} (${perSecond(count, ms)})`);
  say('', `SUBACK ${milliseconds(subackMs)}, first ${milliseconds(firstMs)}`);
  say('', cpuOf(window, count));
  say('loops', loopsOf(window));
  await client.leave();
}

async function sayRecovery(
  { say }: RowContext,
  bench: BenchCluster,
  signal: NodeJS.Signals,
  count: number,
): Promise<void> {
  const { ownedMs, servedMs, residentBytes, residentBytesMost } = await watchRecovery(bench);
  // What was kept, but not yet durable, is dispatched again.
  const isRecovered = async (): Promise<boolean> =>
    (await bench.dispatcherMetric('weir_retained_messages')) === count;
  await waitFor(isRecovered, { limitMs: LIMIT_MS, what: `${count} recovered messages` });
  say(`after ${signal}`, `owns all ${milliseconds(ownedMs)}, serves ${milliseconds(servedMs)}`);
  say('', `dispatcher ${mebibytes(residentBytes)}, at most ${mebibytes(residentBytesMost)}`);
}

async function recoverLargeLogs(context: RowContext): Promise<void> {
  const { sizes, say, startCluster } = context;
  const count = Math.ceil((sizes.stateMebibytes * 1_048_576) / LARGE_PAYLOAD_BYTES);
  const bench = await startCluster();
  const ms = await publishRetained(bench, count, LARGE_PAYLOAD_BYTES);
  const bytes = count * LARGE_PAYLOAD_BYTES;
  say('filled', `${mebibytes(bytes)} at ${mebibytes((bytes * 1_000) / ms)}/s`);
  await bench.cluster.kill('dispatcher-1', 'SIGKILL');
  await sayRecovery(context, bench, 'SIGKILL', count);
  await bench.beginWindow();
  say('memory', memoryOf(await bench.endWindow()));
}
