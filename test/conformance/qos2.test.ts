/**
 * QoS 2 in both directions as a client sees it on a socket, by statement. (What crashes of
 * processes do to it is proven with the real core.)
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startEdge } from '../fixtures/edge-under-test.ts';
import type { EdgeUnderTest } from '../fixtures/edge-under-test.ts';
import { ack, properties, property, publish, u16, u32 } from '../fixtures/mqtt-client-encoder.ts';
import { MqttProbe } from '../fixtures/mqtt-probe.ts';
import { waitFor } from '../fixtures/wait-for.ts';
import { Clients, isQuiet } from './clients.ts';

let edge: EdgeUnderTest;
before(async () => {
  edge = await startEdge();
});
after(() => edge.close());

const clients = new Clients(() => ({ ports: [edge.port] }));

const countOf = (topic: string): number => edge.core.published.filter((t) => t === topic).length;

for (const version of [4, 5] as const) {
  test(`[MQTT-4.3.3-8] [3.1.1 MQTT-4.3.3-2] ${version}: PUBLISH, PUBREC, PUBREL, PUBCOMP; the identifier is new then`, async () => {
    const topic = `in/${version}`;
    const probe = await clients.clean(version);
    for (let round = 1; round <= 2; round++) {
      probe.send(publish(version, { topic, qos: 2, packetIdentifier: 7 }));
      assert.equal((await probe.expect('pubrec')).messageId, 7, '[MQTT-2.2.1-5]');
      probe.send(publish(version, { topic, qos: 2, packetIdentifier: 7, dup: true }));
      assert.equal((await probe.expect('pubrec')).messageId, 7, '[MQTT-4.3.3-10]');
      assert.equal(countOf(topic), round, '[MQTT-4.3.3-12]');
      probe.send(ack('pubrel', 7));
      const pubcomp = await probe.expect('pubcomp');
      assert.equal(pubcomp.messageId, 7, '[MQTT-4.3.3-11]');
      assert.equal(pubcomp.reasonCode ?? 0, 0);
    }
    probe.send(ack('pubrel', 7));
    const stray = await probe.expect('pubcomp');
    assert.equal(stray.reasonCode, version === 5 ? 0x92 : undefined, '[MQTT-3.7.2-1]');
    probe.destroy();
  });

  test(`[MQTT-4.3.3-4] [3.1.1 MQTT-4.3.3-1] ${version}: a delivery is QoS 2, PUBREC brings PUBREL, PUBCOMP the end`, async () => {
    const topic = `out/${version}`;
    const receiver = await clients.subscribed(version, {}, topic, 2);
    const publisher = await clients.clean(version);
    publisher.send(publish(version, { topic, qos: 2, packetIdentifier: 5 }));
    const message = await receiver.expect('publish');
    assert.deepEqual([message.qos, message.dup], [2, false], '[MQTT-4.3.3-2]');
    const id = message.messageId ?? 0;
    assert.ok(id > 0);
    receiver.send(ack('pubrec', id));
    assert.equal((await receiver.expect('pubrel')).messageId, id);
    receiver.send(ack('pubrec', id));
    assert.equal((await receiver.expect('pubrel')).messageId, id);
    receiver.send(ack('pubcomp', id));
    await isQuiet(receiver);
    receiver.destroy();
    publisher.destroy();
  });

  test(`[MQTT-3.8.4-8] [3.1.1 MQTT-3.8.4-6] ${version}: QoS is the lower of publish and subscription`, async () => {
    const topic = `lower/${version}`;
    const receivers = [0, 1, 2].map((qos) => clients.subscribed(version, {}, topic, qos));
    const publisher = await clients.clean(version);
    const all = await Promise.all(receivers);
    publisher.send(publish(version, { topic, qos: 2, packetIdentifier: 1 }));
    for (const [qos, receiver] of all.entries()) {
      assert.equal((await receiver.expect('publish')).qos, qos);
      receiver.destroy();
    }
    publisher.destroy();
  });
}

test('[MQTT-4.3.3-1] open deliveries have identifiers of their own', async () => {
  const receiver = await clients.subscribed(5, {}, 'many', 2);
  const publisher = await clients.clean(5);
  for (let i = 1; i <= 5; i++)
    publisher.send(publish(5, { topic: 'many', qos: 2, packetIdentifier: i }));
  const identifiers = new Set<number>();
  for (let i = 1; i <= 5; i++) identifiers.add((await receiver.expect('publish')).messageId ?? 0);
  assert.equal(identifiers.size, 5);
  receiver.destroy();
  publisher.destroy();
});

test('[MQTT-4.9.0-2] with a receive maximum of 1 the next message comes after PUBCOMP', async () => {
  const fields = { properties: properties(property(0x21, u16(1))) };
  const receiver = await clients.subscribed(5, fields, 'quota', 2);
  const publisher = await clients.clean(5);
  for (const [i, qos] of [2, 1, 2].entries()) {
    publisher.send(publish(5, { topic: 'quota', qos, packetIdentifier: i + 1 }));
    await publisher.next();
  }
  publisher.send(publish(5, { topic: 'quota', qos: 0 }));
  const first = (await receiver.expect('publish')).messageId ?? 0;
  assert.equal((await receiver.expect('publish')).qos, 0, '[MQTT-4.9.0-3]');
  receiver.send(ack('pubrec', first));
  await receiver.expect('pubrel');
  await isQuiet(receiver);
  receiver.send(ack('pubcomp', first));
  const second = await receiver.expect('publish');
  assert.equal(second.qos, 1);
  receiver.send(ack('puback', second.messageId ?? 0));
  const third = await receiver.expect('publish');
  receiver.send(ack('pubrec', third.messageId ?? 0, Buffer.from([0x97])));
  await isQuiet(receiver);
  receiver.destroy();
  publisher.destroy();
});

test('[MQTT-3.3.4-7] more open QoS 2 publishes than the receive maximum end with 0x93', async () => {
  const small = await startEdge({ limits: { receiveMaximum: 2 } });
  const probe = await MqttProbe.connected({ port: small.port, clientIdentifier: 'flood' });
  for (let i = 1; i <= 2; i++) {
    probe.send(publish(5, { qos: 2, packetIdentifier: i }));
    await probe.expect('pubrec');
  }
  probe.send(ack('pubrel', 1));
  await probe.expect('pubcomp');
  probe.send(publish(5, { qos: 2, packetIdentifier: 3 }));
  await probe.expect('pubrec');
  probe.send(publish(5, { qos: 2, packetIdentifier: 4 }));
  assert.equal((await probe.expect('disconnect')).reasonCode, 0x93);
  await probe.closed();
  await small.close();
});

test('[MQTT-4.3.3-9] a refused topic frees the identifier: PUBREC 0x87, in 3.1.1 the end', async () => {
  const probe = await clients.clean(5);
  probe.send(publish(5, { topic: '$reserved/x', qos: 2, packetIdentifier: 3 }));
  const refused = await probe.expect('pubrec');
  assert.deepEqual([refused.messageId, refused.reasonCode], [3, 0x87]);
  probe.send(publish(5, { topic: 'allowed', qos: 2, packetIdentifier: 3 }));
  assert.equal((await probe.expect('pubrec')).reasonCode ?? 0, 0);
  assert.equal(countOf('allowed'), 1);
  const four = await clients.clean(4);
  four.send(publish(4, { topic: '$reserved/x', qos: 2 }));
  assert.deepEqual(await four.closed(), []);
  probe.destroy();
});

test('a full log: PUBREC 0x97, in 3.1.1 no PUBREC and the end', async () => {
  edge.core.appendOutcome = 'full';
  const five = await clients.clean(5);
  five.send(publish(5, { qos: 2, packetIdentifier: 2 }));
  assert.equal((await five.expect('pubrec')).reasonCode, 0x97);
  const four = await clients.clean(4);
  four.send(publish(4, { qos: 2 }));
  assert.deepEqual(await four.closed(), []);
  edge.core.appendOutcome = 'stored';
  five.destroy();
});

test('[MQTT-4.6.0-3] PUBACKs and PUBRECs leave in the order of the PUBLISHes', async () => {
  const probe = await clients.clean(5);
  edge.core.decidesAppends = false;
  probe.send(
    publish(5, { topic: 'x/1', qos: 2, packetIdentifier: 1 }),
    publish(5, { topic: 'x/2', qos: 1, packetIdentifier: 2 }),
    publish(5, { topic: 'x/3', qos: 2, packetIdentifier: 3 }),
  );
  await waitFor(() => edge.core.waitingAppends === 3);
  for (const at of [2, 1, 0]) edge.core.settle(at);
  edge.core.decidesAppends = true;
  const answers = [await probe.next(), await probe.next(), await probe.next()];
  assert.deepEqual(
    answers.map((p) => [p.cmd, p.messageId]),
    [
      ['pubrec', 1],
      ['puback', 2],
      ['pubrec', 3],
    ],
  );
  probe.destroy();
});

test('PUBCOMP waits until the release is in the log', async () => {
  const probe = await clients.clean(5);
  probe.send(publish(5, { qos: 2, packetIdentifier: 1 }));
  await probe.expect('pubrec');
  edge.core.decidesAppends = false;
  probe.send(ack('pubrel', 1));
  await waitFor(() => edge.core.waitingAppends === 1);
  await isQuiet(probe);
  edge.core.settle();
  edge.core.decidesAppends = true;
  await probe.expect('pubcomp');
  probe.destroy();
});

test('[MQTT-4.3.3-13] PUBREL of a message that has expired is answered; its delivery, too', async () => {
  const receiver = await clients.subscribed(5, {}, 'short', 2);
  const probe = await clients.clean(5);
  const expiry = properties(property(0x02, u32(0)));
  probe.send(publish(5, { topic: 'short', qos: 2, packetIdentifier: 6, properties: expiry }));
  await probe.expect('pubrec');
  probe.send(ack('pubrel', 6));
  assert.equal((await probe.expect('pubcomp')).reasonCode ?? 0, 0);
  receiver.destroy();
  probe.destroy();
});
