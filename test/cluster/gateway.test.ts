/**
 * Gateways in a real cluster, over TLS with registered certificates: delivery from one to the
 * other, permissions, revocation, the orderly end of one.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { IPublishPacket } from 'mqtt-packet';
import { startDevCluster } from '../fixtures/dev-cluster.ts';
import type { DevCluster } from '../fixtures/dev-cluster.ts';
import { ack, PINGREQ, publish, subscribe } from '../fixtures/mqtt-client-encoder.ts';
import type { Version } from '../fixtures/mqtt-client-encoder.ts';
import { MqttProbe } from '../fixtures/mqtt-probe.ts';
import { waitFor } from '../fixtures/wait-for.ts';

const MESSAGES = 10_000;
const TOPICS = 8;
/** Unacknowledged publishes of the sender. */
const WINDOW = 200;

let cluster: DevCluster;
before(async () => {
  cluster = await startDevCluster();
});
after(() => cluster.stop());

function client(name: string, gateway: number, version: Version = 5): Promise<MqttProbe> {
  const files = cluster.certificates(name);
  const tls = { cert: readFileSync(files.cert), key: readFileSync(files.key) };
  const port = cluster.ports.gateways[gateway]?.tls ?? 0;
  const clientIdentifier = `${name}-${gateway}`;
  return MqttProbe.connected({ port, tls, version, clientIdentifier, userName: name });
}

async function setState(name: string, state: string): Promise<void> {
  const url = `${cluster.apiUrl}/v1/namespaces/default/clients/${name}`;
  const resource = (await (await fetch(url)).json()) as object;
  const answer = await fetch(url, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...resource, state }),
  });
  assert.equal(answer.status, 200, await answer.text());
}

/** Publishes with a window, half of it at a time; returns when all are acknowledged. */
async function publishAll(publisher: MqttProbe): Promise<void> {
  let sent = 0;
  for (let acknowledged = 0; acknowledged < MESSAGES; acknowledged++) {
    if (sent - acknowledged <= WINDOW / 2) {
      const batch: Buffer[] = [];
      for (; sent < MESSAGES && sent - acknowledged < WINDOW; sent++) {
        const topic = `demo/ordered/${sent % TOPICS}`;
        const payload = Buffer.from(String(sent));
        batch.push(publish(5, { topic, qos: 1, packetIdentifier: sent + 1, payload }));
      }
      publisher.send(...batch);
    }
    assert.equal((await publisher.expect('puback')).messageId, acknowledged + 1);
  }
}

test('10,000 QoS 1 messages cross to the other gateway: all, in order per topic', async () => {
  const subscriber = await client('dashboard', 1);
  const publisher = await client('operator', 0);
  subscriber.send(subscribe(5, [['demo/ordered/#', 1]]));
  await subscriber.expect('suback');
  const publishing = publishAll(publisher);
  const next = Array.from({ length: TOPICS }, (_, topic) => topic);
  for (let i = 0; i < MESSAGES; i++) {
    const message: IPublishPacket = await subscriber.expect('publish');
    const topic = Number(message.topic.split('/').at(-1));
    assert.equal(Number(String(message.payload)), next[topic], `of ${message.topic}`);
    next[topic] = (next[topic] ?? 0) + TOPICS;
    subscriber.send(ack('puback', message.messageId ?? 0));
  }
  await publishing;
  subscriber.destroy();
  publisher.destroy();
});

test('outside its topic space a client gets 0x87, in 3.1.1 the end', async () => {
  const five = await client('thermostat', 0);
  five.send(publish(5, { topic: 'demo/thermostat/temperature', qos: 1, packetIdentifier: 1 }));
  assert.equal((await five.expect('puback')).reasonCode ?? 0, 0);
  five.send(publish(5, { topic: 'demo/other/temperature', qos: 1, packetIdentifier: 2 }));
  assert.equal((await five.expect('puback')).reasonCode, 0x87);
  five.send(subscribe(5, [['elsewhere/#', 1]]));
  assert.deepEqual((await five.expect('suback')).granted, [0x87]);
  const four = await client('thermostat', 1, 4);
  four.send(publish(4, { topic: 'demo/other/temperature', qos: 1 }));
  assert.deepEqual(await four.closed(), []);
  five.destroy();
});

test('a client that is disabled is disconnected within a second, and not let in again', async () => {
  const probe = await client('thermostat', 0);
  const other = await client('dashboard', 0);
  const fromMs = performance.now();
  await setState('thermostat', 'Disabled');
  assert.equal((await probe.expect('disconnect')).reasonCode, 0x87);
  await probe.closed();
  assert.ok(performance.now() - fromMs < 1_000);
  await assert.rejects(client('thermostat', 0), /CONNACK 135/);
  await setState('thermostat', 'Enabled');
  // The other gateway hears of it some milliseconds later.
  const back = await waitFor(() => client('thermostat', 1).catch(() => undefined));
  back.destroy();
  other.send(PINGREQ);
  await other.expect('pingresp');
  other.destroy();
});

test('the same identifier on another gateway takes the session over', async () => {
  const files = cluster.certificates('operator');
  const tls = { cert: readFileSync(files.cert), key: readFileSync(files.key) };
  const [one, two] = cluster.ports.gateways;
  const fields = { tls, clientIdentifier: 'moves', userName: 'operator' };
  const older = await MqttProbe.connected({ port: one?.tls ?? 0, ...fields });
  const newer = await MqttProbe.connected({ port: two?.tls ?? 0, ...fields });
  assert.equal((await older.expect('disconnect')).reasonCode, 0x8e);
  newer.send(PINGREQ);
  await newer.expect('pingresp');
  newer.destroy();
});

test('a gateway that is asked to end says 0x8B and ends within 4 s; the other goes on', async () => {
  const probe = await client('operator', 1);
  const fromMs = performance.now();
  const ending = cluster.kill('gateway-2', 'SIGTERM');
  assert.equal((await probe.expect('disconnect')).reasonCode, 0x8b);
  await ending;
  assert.ok(performance.now() - fromMs < 4_000);
  const other = await client('operator', 0);
  other.send(publish(5, { topic: 'demo/after', qos: 1, packetIdentifier: 1 }));
  await other.expect('puback');
  other.destroy();
});
