import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import {
  DISPATCHERS_MAX,
  GATEWAYS_MAX,
  LOOPBACK,
  OFFSET_MAX,
  holdFreePorts,
  holdPorts,
  listPorts,
  natsName,
  planPorts,
} from '../../../services/cli/dev/ports.ts';

const SMALL = { gateways: 2, dispatchers: 1, plain: true, demo: true };
const LARGE = { ...SMALL, gateways: GATEWAYS_MAX, dispatchers: DISPATCHERS_MAX, nats: 3 } as const;

test('without an offset the ports are the well-known ones', () => {
  const ports = planPorts(SMALL, 0);
  assert.deepEqual(
    ports.gateways.map(({ tls, plain, wss, ws }) => [tls, plain, wss, ws]),
    [
      [8883, 1883, 8443, 8083],
      [8884, 1884, 8444, 8084],
    ],
  );
  assert.equal(ports.control, 8080);
  assert.deepEqual(ports.nats, [{ client: 4222, http: 8222 }]);
});

test('no port stands twice, and all are ports, however many processes there are', () => {
  for (const offset of [0, 20_000, OFFSET_MAX]) {
    const ports = listPorts(planPorts(LARGE, offset)).map(([, port]) => port);
    assert.equal(new Set(ports).size, ports.length);
    assert.ok(ports.every((port) => port > 0 && port <= 65_535));
  }
});

test('three nats-servers have routes, a single one has none', () => {
  const three = planPorts({ ...SMALL, nats: 3 }, 0);
  const names = [0, 1, 2].map((index) => natsName(three, index));
  assert.deepEqual(names, ['nats-1', 'nats-2', 'nats-3']);
  assert.deepEqual(three.nats[2], { client: 4224, http: 8224, route: 6224 });
  assert.equal(natsName(planPorts(SMALL, 0), 0), 'nats');
});

test('what is not wanted has no port', () => {
  const ports = planPorts({ ...SMALL, plain: false, demo: false }, 0);
  assert.deepEqual(Object.keys(ports.gateways[0] ?? {}), ['tls', 'wss', 'http']);
  assert.equal(ports.webhook, undefined);
});

test('ports are held until they are released', async (context) => {
  const { ports, held } = await holdFreePorts(SMALL);
  context.after(() => held.releaseAll());
  await assert.rejects(
    holdPorts(ports),
    /ports (\d+ \(.*\), ){2}\d+ \(.*\) and 13 more are in use/,
  );
  const client = connect(ports.control, LOOPBACK);
  client.on('error', () => undefined);
  await once(client, 'close');
  await held.releaseAll();
  await held.releaseAll();
  const again = await holdPorts(ports);
  await again.releaseAll();
});

test('one port in use is named with what it is for, and the others are freed', async (context) => {
  const { ports, held } = await holdFreePorts(SMALL);
  await held.releaseAll();
  const blocker = createServer().listen(ports.gateways[1]?.tls, LOOPBACK);
  context.after(() => blocker.close());
  await once(blocker, 'listening');
  const tls = ports.gateways[1]?.tls;
  const expected = new RegExp(
    `port ${tls} \\(gateway-2, MQTT over TLS\\) is in use.*--port-offset`,
  );
  await assert.rejects(holdPorts(ports), expected);
  blocker.close();
  await once(blocker, 'close');
  await (await holdPorts(ports)).releaseAll();
});

test('auto goes on until it finds an offset at which all are free', async (context) => {
  let last = 0;
  const first = await holdFreePorts(SMALL, () => (last = Math.random()));
  const answers = [last, last];
  const second = await holdFreePorts(SMALL, () => answers.shift() ?? Math.random());
  context.after(() => Promise.all([first.held.releaseAll(), second.held.releaseAll()]));
  assert.equal(answers.length, 0);
  assert.notEqual(first.ports.offset, second.ports.offset);
});
