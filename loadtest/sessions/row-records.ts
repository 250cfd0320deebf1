/** Row `records` — a dispatcher starts and finds very many stored sessions. */
import { LightClient } from './light-client.ts';
import { writeRecords } from './record-writer.ts';
import { watchRecovery } from './recovery-watch.ts';
import { loopsOf, memoryOf } from './row.ts';
import type { Row, RowContext } from './row.ts';
import { each, mebibytes, milliseconds, perSecond } from './samples.ts';

export const RECORDS_ROW: Row = {
  name: 'records',
  says: 'a starting dispatcher reads records of very many stored sessions',
  run,
};

async function run({ sizes, say, progress, startCluster }: RowContext): Promise<void> {
  const count = sizes.records;
  const bench = await startCluster();
  await bench.cluster.kill('dispatcher-1', 'SIGTERM');
  const bus = await bench.connectBus();
  const startMs = performance.now();
  await writeRecords(bus, 'record', count);
  const writtenMs = performance.now() - startMs;
  await bus.close();
  progress(`written at ${perSecond(count, writtenMs)}`);
  await bench.beginWindow();
  const recovery = await watchRecovery(bench);
  const stored = await bench.dispatcherMetric('weir_sessions_stored');
  if (stored !== count) throw new Error(`${stored} of ${count} sessions were found`);
  say(
    'owns all after',
    `${milliseconds(recovery.ownedMs)} (${perSecond(count, recovery.ownedMs)})`,
  );
  say('serves after', milliseconds(recovery.servedMs));
  say('dispatcher', `at most ${mebibytes(recovery.residentBytesMost)} resident`);
  // Of the new dispatcher: since its start.
  const window = await bench.endWindow();
  say('memory', memoryOf(window));
  const reading = window.readings['dispatcher-1'];
  const live = (reading?.heapBytes ?? 0) + (reading?.externalBytes ?? 0);
  say('loops', loopsOf(window));
  say('per session', `${each(live, count)} live in the dispatcher`);
  await bench.beginWindow();
  const client = await LightClient.open({
    port: bench.ports[0],
    identifier: `record-${count - 1}`,
  });
  if (!client.sessionPresent) throw new Error('the last session was forgotten');
  say('one comes back', `CONNACK after ${milliseconds(client.connackMs)}`);
  await client.leave();
  say('loops', loopsOf(await bench.endWindow()));
}
