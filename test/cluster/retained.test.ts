/** Retained messages in a real cluster: kept by the dispatchers, asked for at the other gateway. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startDevCluster } from '../fixtures/dev-cluster.ts';
import type { DevCluster } from '../fixtures/dev-cluster.ts';
import { publish, subscribe, unsubscribe } from '../fixtures/mqtt-client-encoder.ts';
import type { PublishFields, Version } from '../fixtures/mqtt-client-encoder.ts';
import { MqttProbe } from '../fixtures/mqtt-probe.ts';

/** Bits of the subscription options (MQTT 5 §3.8.3.1). */
const AS_PUBLISHED = 0x08;
const ONLY_NEW = 0x10;
const NEVER = 0x20;

let cluster: DevCluster;
let clients = 0;
before(async () => {
  cluster = await startDevCluster({ dispatchers: 2, noRestart: true });
});
after(() => cluster.stop());

function client(gateway: number, version: Version = 5): Promise<MqttProbe> {
  const port = cluster.ports.gateways[gateway]?.plain ?? 0;
  return MqttProbe.connected({ port, version, clientIdentifier: `r${++clients}` });
}

/** Publishes at QoS 1 with RETAIN; returns when it is on disk. */
async function retain(topic: string, text: string, fields: PublishFields = {}): Promise<void> {
  const probe = await client(0);
  const payload = Buffer.from(text);
  const message = { topic, payload, qos: 1, retain: true, packetIdentifier: 1, ...fields };
  probe.send(publish(5, message));
  if (message.qos === 1) await probe.expect('puback');
  probe.destroy();
}

/** Subscribes on the other gateway. */
async function subscriber(filter: string, options = 1, version: Version = 5): Promise<MqttProbe> {
  const probe = await client(1, version);
  probe.send(subscribe(version, [[filter, options]]));
  await probe.expect('suback');
  return probe;
}

/** The next message as text: topic, payload, RETAIN, QoS. */
async function received(probe: MqttProbe): Promise<string> {
  const { topic, payload, retain: bit, qos } = await probe.expect('publish');
  return `${topic} ${payload.toString()} ${bit ? 'retained' : 'live'} ${qos}`;
}

/** Nothing came before a message published now, so nothing comes. */
async function nothingBefore(probe: MqttProbe, topic: string): Promise<void> {
  await retain(topic, 'now', { retain: false });
  assert.equal(await received(probe), `${topic} now live 1`);
}

test('[MQTT-3.3.1-5] the last retained message comes to a late subscriber, in both versions', async () => {
  await retain('keep/5', 'first');
  await retain('keep/5', 'second');
  for (const version of [4, 5] as const) {
    const probe = await subscriber('keep/5', 1, version);
    assert.equal(await received(probe), 'keep/5 second retained 1');
    probe.destroy();
  }
});

test('[MQTT-3.3.1-6] [MQTT-3.3.1-7] an empty payload clears it and is forwarded', async () => {
  await retain('keep/6', 'x');
  const live = await subscriber('keep/6', 1 | NEVER);
  await retain('keep/6', '');
  assert.equal(await received(live), 'keep/6  live 1');
  const late = await subscriber('keep/6');
  await nothingBefore(late, 'keep/6');
});

test('[MQTT-3.3.1-8] a message without RETAIN changes nothing that is kept', async () => {
  await retain('keep/8', 'kept');
  await retain('keep/8', 'plain', { retain: false });
  await retain('keep/8', '', { retain: false });
  assert.equal(await received(await subscriber('keep/8')), 'keep/8 kept retained 1');
});

test('[MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11] Retain Handling', async () => {
  await retain('keep/9', 'kept');
  const always = await subscriber('keep/9', 1);
  assert.equal(await received(always), 'keep/9 kept retained 1');
  always.send(subscribe(5, [['keep/9', 1]]));
  await always.expect('suback');
  assert.equal(await received(always), 'keep/9 kept retained 1');
  const once = await subscriber('keep/9', 1 | ONLY_NEW);
  assert.equal(await received(once), 'keep/9 kept retained 1');
  once.send(subscribe(5, [['keep/9', 1 | ONLY_NEW]]));
  await once.expect('suback');
  await nothingBefore(once, 'keep/9');
  once.send(unsubscribe(5, ['keep/9']));
  await once.expect('unsuback');
  once.send(subscribe(5, [['keep/9', 1 | ONLY_NEW]]));
  await once.expect('suback');
  assert.equal(await received(once), 'keep/9 kept retained 1');
  await nothingBefore(await subscriber('keep/9', 1 | NEVER), 'keep/9');
});

test('[MQTT-3.3.1-12] [MQTT-3.3.1-13] RETAIN of live messages follows Retain As Published', async () => {
  const plain = await subscriber('keep/12', 1);
  const asPublished = await subscriber('keep/12', 1 | AS_PUBLISHED);
  await retain('keep/12', 'x');
  assert.equal(await received(plain), 'keep/12 x live 1');
  assert.equal(await received(asPublished), 'keep/12 x retained 1');
});

test('[MQTT-3.8.4-8] a wildcard brings all of them at the lower QoS, whatever their number', async () => {
  const probe = await client(0);
  const count = 300;
  for (let i = 0; i < count; i++) {
    const payload = Buffer.from(String(i));
    const topic = `many/${i}/x`;
    // QoS 0 with RETAIN goes through the log, too.
    const qos = i % 2;
    probe.send(publish(5, { topic, payload, qos, retain: true, packetIdentifier: i + 1 }));
    if (qos === 1) await probe.expect('puback');
  }
  const late = await subscriber('many/+/x', 1);
  const got = new Set<string>();
  for (let i = 0; i < count; i++) got.add(await received(late));
  for (let i = 0; i < count; i++) assert.ok(got.has(`many/${i}/x ${i} retained ${i % 2}`), `${i}`);
  await nothingBefore(late, 'many/0/x');
});

test('they survive a kill of the dispatcher and keep their properties', async () => {
  const userProperty = Buffer.from('26000161000162', 'hex');
  const properties = Buffer.concat([Buffer.from([userProperty.length]), userProperty]);
  await retain('keep/kill', 'kept', { properties });
  await cluster.kill('dispatcher-1', 'SIGKILL');
  const probe = await subscriber('keep/kill');
  const message = await probe.expect('publish');
  assert.equal(message.payload.toString(), 'kept');
  assert.deepEqual({ ...message.properties?.userProperties }, { a: 'b' });
});
