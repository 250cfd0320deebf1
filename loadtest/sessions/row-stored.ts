/** Row `stored` — sessions with three subscriptions that connect, are gone, and are resumed. */
import { setTimeout } from 'node:timers/promises';
import { each, putToSleep } from './crowd.ts';
import { LightClient } from './light-client.ts';
import { cpuOf, growthOf, loopsOf, memoryOf } from './row.ts';
import type { Row, RowContext } from './row.ts';
import { perSecond, whole } from './samples.ts';

/** Two of its own, as a device has them, and one that all have. */
function filtersOf(index: number): string[] {
  return [`stored/${index}/command`, `stored/${index}/config/+`, 'stored/all'];
}

/** Memory is looked at when the last releases have been written. */
const SETTLE_MS = 1_500;

export const STORED_ROW: Row = {
  name: 'stored',
  says: 'stored sessions with 3 subscriptions: connect, go, resume',
  run,
};

async function run(context: RowContext): Promise<void> {
  const { sizes, say, progress } = context;
  const count = sizes.sessions;
  const bench = await context.startCluster();
  const { ports } = bench;
  await putToSleep({ count: 200, name: 'warm', ports, filtersOf: () => [] });
  await bench.beginWindow();
  const empty = await bench.endWindow();
  await bench.beginWindow();
  const connected = await putToSleep({ count, name: 'stored', ports, filtersOf });
  const connecting = await bench.endWindow();
  await expectStored(bench.dispatcherMetric('weir_sessions_stored'), count + 200);
  say('connect', `${perSecond(count, connected.ms)}, CONNACK ${connected.samples.toString()}`);
  say('', `${cpuOf(connecting, count)} with CONNECT, SUBSCRIBE and DISCONNECT`);
  say('loops', loopsOf(connecting));
  await setTimeout(SETTLE_MS);
  await bench.beginWindow();
  const full = await bench.endWindow();
  say('memory', memoryOf(full));
  say('per session', growthOf(empty, full, count));
  progress(`${whole(count)} sessions stored`);
  await bench.beginWindow();
  const resumed = await each(count, async (index) => {
    const client = await LightClient.open({
      port: ports[(index + 1) % 2] as number,
      identifier: `stored-${index}`,
    });
    if (!client.sessionPresent) throw new Error(`stored-${index} was forgotten`);
    await client.leave();
    return client.connackMs;
  });
  const resuming = await bench.endWindow();
  say('resume', `${perSecond(count, resumed.ms)}, CONNACK ${resumed.samples.toString()}`);
  say('', `${cpuOf(resuming, count)} with CONNECT and DISCONNECT`);
  say('loops', loopsOf(resuming));
}

async function expectStored(metric: Promise<number>, count: number): Promise<void> {
  const stored = await metric;
  if (stored !== count) throw new Error(`${stored} sessions are stored, not ${count}`);
}
