/** What control makes of a NATS at its start: new data, its own data, data of another layout. */
import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { connectNats } from '#bus';
import type { Bus, StreamConfig } from '#bus';
import { CLUSTER_SETTINGS_SUBJECT, registryStreamConfig } from '../../lib/registry/names.ts';
import { ensureCluster } from '../../services/control/streams.ts';
import { startNatsServer } from '../fixtures/nats-server.ts';
import type { TestNatsServer } from '../fixtures/nats-server.ts';

const servers: TestNatsServer[] = [];
let bus: Bus;
/** Streams that were set up, with their copies. */
let setUp: [name: string, replicas: number][] = [];

beforeEach(async () => {
  const server = await startNatsServer();
  servers.push(server);
  bus = await connectNats({ servers: server.url, name: 'streams' });
  setUp = [];
});
after(async () => {
  for (const server of servers) await server.stop();
});

/** The bus, but streams are only noted, as one server holds no three copies. */
function notingBus(): Bus {
  const ensureStream = (config: StreamConfig): Promise<void> => {
    setUp.push([config.name, config.replicas]);
    return Promise.resolve();
  };
  return new Proxy(bus, {
    get(target, name) {
      if (name === 'ensureStream') return ensureStream;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

async function writeSettings(settings: object): Promise<void> {
  await bus.ensureStream(registryStreamConfig(1));
  const payload = Buffer.from(JSON.stringify({ version: 1, ...settings }));
  const request = { stream: 'KV_registry', subject: CLUSTER_SETTINGS_SUBJECT, payload };
  await new Promise((resolve) => bus.append(request, resolve));
}

test('new data gets the settings that were asked for, and again the same', async () => {
  const wanted = { partitions: 1, replicas: 1 };
  const settings = await ensureCluster(bus, wanted);
  assert.deepEqual({ ...settings, layoutVersion: 0 }, { ...wanted, layoutVersion: 0 });
  assert.deepEqual(await ensureCluster(bus, { partitions: 8, replicas: 1 }), settings);
  await bus.close();
});

test('the copies that stand are kept, those of the registry, too', async () => {
  await writeSettings({ partitions: 1, replicas: 3, layoutVersion: 1 });
  await ensureCluster(notingBus(), { partitions: 1, replicas: 1 });
  assert.ok(setUp.length > 4);
  assert.deepEqual(
    setUp.filter(([, replicas]) => replicas !== 3),
    [],
  );
  await bus.close();
});

test('data of another layout is refused before any stream is touched', async () => {
  await writeSettings({ partitions: 1, replicas: 1, layoutVersion: 999 });
  const started = ensureCluster(notingBus(), { partitions: 1, replicas: 1 });
  await assert.rejects(started, { code: 'WEIR_DATA_VERSION' });
  assert.deepEqual(setUp, []);
  await bus.close();
});

test('copies on a server without a cluster are refused with what to do', async () => {
  const started = ensureCluster(bus, { partitions: 1, replicas: 3 });
  await assert.rejects(started, /3 copies need a NATS cluster: .* WEIR_REPLICAS=1/);
  await bus.close();
});
