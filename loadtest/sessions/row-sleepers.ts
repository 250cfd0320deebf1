/** Row `sleepers` — one message that very many absent sessions wait for, and many in a row. */
import { setTimeout } from 'node:timers/promises';
import { PARTITIONS } from './bench-cluster.ts';
import type { BenchCluster, WindowUsage } from './bench-cluster.ts';
import { putToSleep } from './crowd.ts';
import { DurableWatch } from './durable-watch.ts';
import { LightClient } from './light-client.ts';
import { pump } from './pump.ts';
import { readQueue } from './queue-reader.ts';
import { cpuOf, growthOf, loopsOf } from './row.ts';
import type { Row, RowContext } from './row.ts';
import { milliseconds, perSecond, Samples, whole } from './samples.ts';
import { SteadyPair } from './steady-pair.ts';

const TOPIC = 'sleepers/all';
const LIMIT_MS = 120_000;
/** Of the pair, before anything happens. */
const CALM_MS = 3_000;
/** What the pair feels may come a little later. */
const AFTER_MS = 250;
/** Messages one at a time, after the first. */
const SINGLES = 10;

export const SLEEPERS_ROW: Row = {
  name: 'sleepers',
  says: 'one message to very many sleeping sessions, and many in a row',
  run,
};

interface Stage {
  readonly context: RowContext;
  readonly bench: BenchCluster;
  readonly watch: DurableWatch;
  readonly pair: SteadyPair;
  readonly client: LightClient;
}

async function run(context: RowContext): Promise<void> {
  const { sizes, say, progress, startCluster } = context;
  const { sleepers: count, bursts } = sizes;
  const bench = await startCluster();
  const { ports } = bench;
  await putToSleep({ count, name: 'sleeper', ports, filtersOf: () => [TOPIC] });
  progress(`${whole(count)} sessions sleep`);
  const bus = await bench.connectBus();
  const watch = new DurableWatch(bus, PARTITIONS);
  const pair = await SteadyPair.start(ports);
  const client = await LightClient.open({ port: ports[0], identifier: 'caller', expirySeconds: 0 });
  const stage: Stage = { context, bench, watch, pair, client };
  try {
    await setTimeout(CALM_MS);
    pair.take();
    await setTimeout(CALM_MS);
    say('pair alone', pair.take().toString());
    const cold = await inARow(stage, 1, undefined);
    await oneByOne(stage);
    await inARow(stage, bursts, cold);
    await verify(stage);
  } finally {
    watch.close();
    await bus.close();
  }
  await pair.stop();
}

/** That many messages at once, until the entries of all sleepers are durable. */
async function inARow(
  { context, bench, watch, pair, client }: Stage,
  messages: number,
  before: WindowUsage | undefined,
): Promise<WindowUsage> {
  const { sizes, say } = context;
  const count = sizes.sleepers;
  const entries = messages * count;
  const first = watch.entries / count;
  await bench.beginWindow();
  await setTimeout(AFTER_MS);
  pair.take();
  const startMs = performance.now();
  const durable = watch.until(watch.entries + entries, LIMIT_MS);
  await pump({ client, count: messages, topicOf: () => TOPIC, first, window: 1_000 });
  const ackedMs = performance.now() - startMs;
  await durable;
  const ms = performance.now() - startMs;
  await setTimeout(AFTER_MS);
  const felt = pair.take();
  const window = await bench.endWindow();
  say(
    `${whole(messages)} × ${whole(count)}`,
    `durable after ${milliseconds(ms)} (${perSecond(entries, ms)}), ` +
      `PUBACK of the last ${milliseconds(ackedMs)}`,
    messages === 1 ? '≤ 0.5 s' : undefined,
  );
  say('pair meanwhile', felt.toString(), 'pause ≤ 10 ms');
  say('', `${cpuOf(window, entries)} per entry`);
  say('loops', loopsOf(window));
  if (before !== undefined) say('memory per entry', growthOf(before, window, entries));
  return window;
}

/** Nothing is new to anybody any more: no code is cold, the sessions are known for the topic. */
async function oneByOne({ context, watch, pair, client }: Stage): Promise<void> {
  const { sizes, say } = context;
  const count = sizes.sleepers;
  const samples = new Samples();
  pair.take();
  for (let i = 0; i < SINGLES; i++) {
    const startMs = performance.now();
    const durable = watch.until(watch.entries + count, LIMIT_MS);
    const first = watch.entries / count;
    await pump({ client, count: 1, topicOf: () => TOPIC, first });
    await durable;
    samples.add(performance.now() - startMs);
    await setTimeout(AFTER_MS);
  }
  say(`${SINGLES} more, alone`, `durable: ${samples.toString()}`);
  say('pair meanwhile', pair.take().toString(), 'pause ≤ 10 ms');
}

async function verify({ context, bench }: Stage): Promise<void> {
  const { sizes, say } = context;
  const count = sizes.sleepers;
  const all = 1 + SINGLES + sizes.bursts;
  const waiting = await bench.dispatcherMetric('weir_queue_entries');
  if (waiting !== all * count) throw new Error(`${waiting} entries wait, not ${all * count}`);
  const ms = await readQueue(bench.ports[1], `sleeper-${count - 1}`, all);
  say('one wakes up', `${whole(all)} messages in order within ${milliseconds(ms)}`);
}
