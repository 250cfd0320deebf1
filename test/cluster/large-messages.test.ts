/**
 * The largest packets and the longest topics through a real cluster: what a gateway takes must fit
 * every message that NATS is to carry for it, and what nobody can carry must be refused, alone.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type DevCluster, startDevCluster } from '../fixtures/dev-cluster.ts';
import {
  connect,
  properties,
  property,
  publish,
  type PublishFields,
  subscribe,
  u16,
} from '../fixtures/mqtt-client-encoder.ts';
import { MqttProbe } from '../fixtures/mqtt-probe.ts';

const TOPIC_ALIAS = 0x23;

let cluster: DevCluster;
let clients = 0;
before(async () => {
  cluster = await startDevCluster({
    noRestart: true,
    env: { WEIR_MAXIMUM_PACKET_SIZE: String(2 * 1024 * 1024) },
  });
});
after(() => cluster.stop());

function portOf(gateway: number): number {
  return cluster.ports.gateways[gateway]?.plain ?? 0;
}

function client(gateway: number): Promise<MqttProbe> {
  return MqttProbe.connected({ port: portOf(gateway), clientIdentifier: `l${++clients}` });
}

async function subscriber(gateway: number, filter: string): Promise<MqttProbe> {
  const probe = await client(gateway);
  probe.send(subscribe(5, [[filter, 1]]));
  await probe.expect('suback');
  return probe;
}

/** The largest packet that CONNACK allows. */
async function packetBytesMax(): Promise<number> {
  const probe = await MqttProbe.open({ port: portOf(0) });
  probe.send(connect(5, { clientIdentifier: `l${++clients}` }));
  const connack = await probe.expect('connack');
  probe.destroy();
  return connack.properties?.maximumPacketSize ?? 0;
}

/** A PUBLISH of exactly so many bytes. */
function ofSize(bytes: number, fields: PublishFields & { topic: string }): Buffer {
  const empty = publish(5, { ...fields, payload: Buffer.alloc(bytes) });
  const payload = Buffer.alloc(bytes - (empty.length - bytes), fields.topic);
  return publish(5, { ...fields, payload });
}

/** Lengths of the payloads that come next; QoS 0 goes another way and may come at any place. */
async function lengths(probe: MqttProbe, count: number): Promise<number[]> {
  const got: number[] = [];
  for (let i = 0; i < count; i++) {
    const { payload, qos, messageId = 0 } = await probe.expect('publish');
    got.push(payload.length);
    if (qos === 1) probe.send(Buffer.concat([Buffer.from([0x40, 2]), u16(messageId)]));
  }
  return got;
}

test('the largest packets come to both gateways, between small ones, at each QoS', async () => {
  const bytes = await packetBytesMax();
  assert.ok(bytes > 1_000_000, `${bytes}`);
  const probes = [await subscriber(0, 'large/+'), await subscriber(1, 'large/#')];
  const publisher = await client(0);
  const packets = [100, bytes, 200, bytes - 1, 60_000, 60_000, bytes, 300].flatMap((size, i) => [
    ofSize(size, { topic: 'large/1', qos: 1, packetIdentifier: i + 1 }),
    ofSize(size, { topic: 'large/0', qos: 0 }),
  ]);
  publisher.send(...packets);
  for (let i = 0; i < packets.length / 2; i++) await publisher.expect('puback');
  const [near, far] = await Promise.all(probes.map((probe) => lengths(probe, packets.length)));
  assert.deepEqual(near?.toSorted(), far?.toSorted());
  assert.equal(far?.filter((length) => length > 1_000_000).length, 6);
  for (const probe of [...probes, publisher]) probe.destroy();
});

test('a topic behind an alias that makes a packet too large ends only its client', async () => {
  const bytes = await packetBytesMax();
  const probe = await subscriber(1, 'small');
  const bad = await client(0);
  const alias = properties(property(TOPIC_ALIAS, u16(1)));
  const topic = 't'.repeat(60_000);
  bad.send(publish(5, { topic, qos: 1, packetIdentifier: 1, properties: alias }));
  await bad.expect('puback');
  bad.send(ofSize(bytes, { topic: '', qos: 1, packetIdentifier: 2, properties: alias }));
  const end = await bad.expect('disconnect');
  assert.equal(end.reasonCode, 0x95);
  const good = await client(0);
  good.send(publish(5, { topic: 'small', qos: 1, packetIdentifier: 1 }));
  await good.expect('puback');
  assert.deepEqual(await lengths(probe, 1), ['payload'.length]);
  for (const one of [probe, bad, good]) one.destroy();
});

test('RETAIN on the longest topics is delivered and harms nobody', async () => {
  const before = { ...cluster.pids() };
  const probe = await subscriber(1, '#');
  const publisher = await client(0);
  const topics = ['é'.repeat(32_000), `${'/'.repeat(60_000)}x`, 'é'.repeat(1_000)];
  for (const [i, topic] of topics.entries()) {
    const qos = 1;
    publisher.send(publish(5, { topic, qos, retain: true, packetIdentifier: i + 1 }));
    await publisher.expect('puback');
  }
  assert.equal((await lengths(probe, topics.length)).length, topics.length);
  const late = await subscriber(0, '#');
  const { topic, retain } = await late.expect('publish');
  assert.deepEqual([topic, retain], [topics[2], true]);
  assert.deepEqual(cluster.pids(), before, 'every process lives');
  for (const one of [probe, publisher, late]) one.destroy();
});
