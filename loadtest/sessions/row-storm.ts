/**
 * Row `storm` — stored sessions on one gateway, kill −9, all of them reconnect to the other one.
 *
 * All sockets are open at once in this process and in the surviving gateway: the limit of open
 * files bounds the row.
 */
import { readFileSync } from 'node:fs';
import { waitFor } from '../../test/fixtures/wait-for.ts';
import { each, openAgain } from './crowd.ts';
import { LightClient } from './light-client.ts';
import { cpuOf, loopsOf } from './row.ts';
import type { Row, RowContext } from './row.ts';
import { milliseconds, perSecond, Samples, whole } from './samples.ts';

/** Files that a process has open beside clients' sockets. */
const OTHER_FILES = 200;
/** The lease of a killed gateway is over long before. */
const LEASE_LIMIT_MS = 30_000;
/** As devices that lose their connection do not wait for each other. */
const AT_ONCE = 2_000;

export const STORM_ROW: Row = {
  name: 'storm',
  says: 'kill −9 of a gateway with stored sessions; all reconnect to the other',
  run,
};

async function run({ sizes, say, progress, startCluster }: RowContext): Promise<void> {
  const count = Math.min(sizes.storm, openFilesMax() - OTHER_FILES);
  if (count < sizes.storm) progress(`the limit of open files allows ${whole(count)} sessions`);
  const bench = await startCluster();
  const { ports } = bench;
  const crowd = new Map<number, LightClient>();
  const connected = await each(count, async (index) => {
    const client = await LightClient.open({ port: ports[0], identifier: `storm-${index}` });
    await client.subscribe([`storm/${index}`, 'storm/all']);
    crowd.set(index, client);
    return client.connackMs;
  });
  say('connected', `${whole(count)} at ${perSecond(count, connected.ms)}`);
  await bench.beginWindow();
  const samples = new Samples();
  const startMs = performance.now();
  await bench.cluster.kill('gateway-1');
  for (const client of crowd.values()) client.destroy();
  await each(
    count,
    async (index) => {
      const client = await openAgain({ port: ports[1], identifier: `storm-${index}` });
      if (!client.sessionPresent) throw new Error(`${client.identifier} was forgotten`);
      samples.add(performance.now() - startMs);
      crowd.set(index, client);
      return client.connackMs;
    },
    AT_ONCE,
  );
  const window = await bench.endWindow();
  say(
    'all are back',
    `${milliseconds(samples.at(1))} after the kill; since the kill ${samples.toString()}`,
  );
  say('', `${perSecond(count, samples.at(1))}, ${cpuOf(window, count)}`);
  say('loops', loopsOf(window));
  await bench.beginWindow();
  const endedCount = (): Promise<number> =>
    bench.dispatcherMetric('weir_dispatch_gateways_ended_total');
  const limit = { limitMs: LEASE_LIMIT_MS, what: 'end of the lease of the killed gateway' };
  await waitFor(async () => (await endedCount()) > 0, limit);
  await expectDeliveries(crowd, ports[1]);
  say('loops afterwards', loopsOf(await bench.endWindow()));
  // A gateway whose lease is ended closes all connections.
  const lost = [...crowd.values()].filter(({ isClosed }) => isClosed).length;
  say('lost afterwards', `${whole(lost)} connections to the other gateway`, '0');
  for (const client of crowd.values()) client.destroy();
}

/** One message reaches every session: all are back with their subscriptions. */
async function expectDeliveries(crowd: ReadonlyMap<number, LightClient>, port: number) {
  const arrived = new Promise<void>((resolve, reject) => {
    let missing = crowd.size;
    const late = setTimeout(() => reject(new Error(`${missing} did not get it`)), 60_000);
    for (const client of crowd.values()) {
      client.onMessage = () => {
        if (--missing > 0) return;
        clearTimeout(late);
        resolve();
      };
    }
  });
  const publisher = await LightClient.open({ port, identifier: 'storm-caller', expirySeconds: 0 });
  publisher.publish('storm/all', Buffer.from('is everybody back?'));
  await arrived;
  await publisher.leave();
}

function openFilesMax(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 1_024);
}
