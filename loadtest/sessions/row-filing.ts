/** Row `filing` — a stream of messages to a thousand sleepers, and how fast queues are drained. */
import { PARTITIONS } from './bench-cluster.ts';
import { each, putToSleep } from './crowd.ts';
import { DurableWatch } from './durable-watch.ts';
import { LightClient } from './light-client.ts';
import { pump } from './pump.ts';
import { readQueue } from './queue-reader.ts';
import { cpuOf, loopsOf, memoryOf } from './row.ts';
import type { Row, RowContext } from './row.ts';
import { milliseconds, perSecond, whole } from './samples.ts';

const SLEEPERS = 1_000;
const DRAINED_TOGETHER = 100;
const TOPIC = 'filing/all';
const LIMIT_MS = 180_000;

export const FILING_ROW: Row = {
  name: 'filing',
  says: 'messages to 1,000 sleeping sessions, then draining of queues',
  run,
};

async function run({ sizes, say, startCluster }: RowContext): Promise<void> {
  const count = sizes.filings;
  const bench = await startCluster();
  const { ports } = bench;
  await putToSleep({ count: SLEEPERS, name: 'sleeper', ports, filtersOf: () => [TOPIC] });
  const bus = await bench.connectBus();
  const watch = new DurableWatch(bus, PARTITIONS);
  const client = await LightClient.open({ port: ports[0], identifier: 'caller', expirySeconds: 0 });
  const entries = count * SLEEPERS;
  await bench.beginWindow();
  const startMs = performance.now();
  const durable = watch.until(entries, LIMIT_MS);
  await pump({ client, count, topicOf: () => TOPIC });
  const ackedMs = performance.now() - startMs;
  await durable;
  const ms = performance.now() - startMs;
  const window = await bench.endWindow();
  watch.close();
  await bus.close();
  const waiting = await bench.dispatcherMetric('weir_queue_entries');
  if (waiting !== entries) throw new Error(`${waiting} entries wait, not ${entries}`);
  say('filed', `${perSecond(entries, ms)} durable, of ${whole(entries)}`, '≥ 200,000/s');
  say('', `last PUBACK after ${milliseconds(ackedMs)}, ${cpuOf(window, entries)} per entry`);
  say('loops', loopsOf(window));
  say('memory', memoryOf(window));

  await bench.beginWindow();
  const oneMs = await readQueue(ports[0], 'sleeper-0', count);
  const one = await bench.endWindow();
  say('drained by one', `${perSecond(count, oneMs)}, ${cpuOf(one, count)}`);
  say('loops', loopsOf(one));
  await bench.beginWindow();
  const drained = await each(
    DRAINED_TOGETHER,
    (index) => readQueue(ports[index % 2] as number, `sleeper-${index + 1}`, count),
    DRAINED_TOGETHER,
  );
  const many = await bench.endWindow();
  const messages = DRAINED_TOGETHER * count;
  say(
    `by ${DRAINED_TOGETHER} together`,
    `${perSecond(messages, drained.ms)}, each ${drained.samples.toString()}`,
  );
  say('', cpuOf(many, messages));
  say('loops', loopsOf(many));
}
