/**
 * PUBLISH and PUBACK in both directions as a client sees them on a socket, by statement. (Routing
 * itself is proven with the real core; here one process routes.)
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { IPublishPacket } from 'mqtt-packet';
import { startEdge } from '../fixtures/edge-under-test.ts';
import type { EdgeUnderTest } from '../fixtures/edge-under-test.ts';
import {
  ack,
  field,
  PINGREQ,
  properties,
  property,
  publish,
  subscribe,
  u16,
  u32,
  userProperty,
} from '../fixtures/mqtt-client-encoder.ts';
import type { Version } from '../fixtures/mqtt-client-encoder.ts';
import type { MqttProbe } from '../fixtures/mqtt-probe.ts';
import { waitFor } from '../fixtures/wait-for.ts';
import { Clients } from './clients.ts';

const RECEIVE_MAXIMUM = 8;
let edge: EdgeUnderTest;
before(async () => {
  edge = await startEdge({
    limits: { receiveMaximum: RECEIVE_MAXIMUM },
  });
});
after(() => edge.close());

const clients = new Clients(() => ({ ports: [edge.port] }));

/** A subscriber and a publisher that are told apart. */
async function pair(version: Version, filter: string, options: number): Promise<MqttProbe[]> {
  const subscriber = await clients.clean(version);
  subscriber.send(subscribe(version, [[filter, options]]));
  await subscriber.expect('suback');
  return [subscriber, await clients.clean(version)];
}

for (const version of [4, 5] as const) {
  test(`[MQTT-3.8.4-8] [3.1.1 MQTT-3.8.4-6] ${version}: delivery has the lower QoS, no DUP, no RETAIN`, async () => {
    for (const [granted, published, delivered] of [
      [0, 1, 0],
      [1, 0, 0],
      [1, 1, 1],
      [2, 1, 1],
    ] as const) {
      const topic = `qos/${granted}/${published}`;
      const [subscriber, publisher] = await pair(version, topic, granted);
      assert.ok(subscriber !== undefined && publisher !== undefined);
      publisher.send(publish(version, { topic, qos: published, packetIdentifier: 3, dup: false }));
      const message: IPublishPacket = await subscriber.expect('publish');
      assert.equal(message.qos, delivered);
      assert.equal(message.topic, topic);
      assert.equal(message.dup, false);
      assert.equal(message.retain, false);
      assert.equal(String(message.payload), 'payload');
      if (published === 1) assert.equal((await publisher.expect('puback')).messageId, 3);
      subscriber.destroy();
      publisher.destroy();
    }
  });
}

test('properties of a PUBLISH arrive as they were, in order, with subscription identifiers', async () => {
  const subscriber = await clients.clean(5);
  subscriber.send(
    subscribe(5, [['p', 1]], { properties: properties(property(0x0b, Buffer.from([9]))) }),
  );
  await subscriber.expect('suback');
  const publisher = await clients.clean(5);
  const list = properties(
    userProperty('b', '1'),
    property(0x08, field('answer/here')),
    userProperty('a', '2'),
    property(0x09, field(Buffer.from([0, 255]))),
    property(0x01, Buffer.from([1])),
  );
  publisher.send(publish(5, { topic: 'p', qos: 1, properties: list }));
  const { properties: told } = await subscriber.expect('publish');
  assert.deepEqual({ ...told?.userProperties }, { b: '1', a: '2' });
  assert.equal(told?.responseTopic, 'answer/here', '[MQTT-3.3.2-15]');
  assert.deepEqual(told?.correlationData, Buffer.from([0, 255]), '[MQTT-3.3.2-16]');
  assert.equal(told?.payloadFormatIndicator, true, '[MQTT-3.3.2-4]');
  assert.equal(told?.subscriptionIdentifier, 9);
  subscriber.destroy();
  publisher.destroy();
});

test('[MQTT-3.3.2-12] [MQTT-3.1.2-27] [MQTT-3.3.2-9] [MQTT-3.2.2-17] a topic alias stands for its topic, and is never sent on', async () => {
  const [subscriber, publisher] = await pair(5, 'long/topic/name', 0);
  assert.ok(subscriber !== undefined && publisher !== undefined);
  const alias = properties(property(0x23, u16(10)));
  publisher.send(
    publish(5, { topic: 'long/topic/name', properties: alias, payload: Buffer.from('1') }),
    publish(5, { topic: '', properties: alias, payload: Buffer.from('2') }),
  );
  for (const payload of ['1', '2']) {
    const message: IPublishPacket = await subscriber.expect('publish');
    assert.equal(message.topic, 'long/topic/name');
    assert.equal(String(message.payload), payload);
    assert.equal(message.properties?.topicAlias, undefined, '[MQTT-3.1.2-27]');
  }
  publisher.send(publish(5, { properties: properties(property(0x23, u16(11))) }));
  assert.equal((await publisher.expect('disconnect')).reasonCode, 0x94, '[MQTT-3.3.2-9]');
  subscriber.destroy();
});

test('[MQTT-4.6.0-2] PUBACKs leave in the order of the PUBLISHes, whatever is decided first', async () => {
  const probe = await clients.clean(5);
  edge.core.decidesAppends = false;
  for (const packetIdentifier of [5, 6, 7]) {
    probe.send(publish(5, { topic: `t/${packetIdentifier}`, qos: 1, packetIdentifier }));
  }
  probe.send(PINGREQ);
  await probe.expect('pingresp');
  assert.equal(edge.core.waitingAppends, 3);
  edge.core.settle(2);
  edge.core.settle(1);
  probe.send(PINGREQ);
  await probe.expect('pingresp');
  edge.core.settle(0);
  edge.core.decidesAppends = true;
  for (const packetIdentifier of [5, 6, 7]) {
    assert.equal((await probe.expect('puback')).messageId, packetIdentifier);
  }
  probe.destroy();
});

test('[MQTT-3.3.4-7] more PUBLISHes than the receive maximum: 0x93; 3.1.1 is read no further', async () => {
  edge.core.decidesAppends = false;
  const flood = (version: Version): Buffer[] =>
    Array.from({ length: RECEIVE_MAXIMUM + 1 }, (_, i) =>
      publish(version, { qos: 1, packetIdentifier: i + 1 }),
    );
  const five = await clients.clean(5);
  five.send(...flood(5));
  assert.equal((await five.expect('disconnect')).reasonCode, 0x93);
  await five.closed();
  while (edge.core.waitingAppends > 0) edge.core.settle();
  const four = await clients.clean(4);
  four.send(...flood(4), PINGREQ);
  await waitFor(() => edge.core.waitingAppends === RECEIVE_MAXIMUM);
  while (edge.core.waitingAppends > 0) edge.core.settle();
  for (let i = 1; i <= RECEIVE_MAXIMUM; i++) {
    assert.equal((await four.expect('puback')).messageId, i);
  }
  await waitFor(() => edge.core.waitingAppends === 1);
  edge.core.settle();
  const rest = [(await four.next()).cmd, (await four.next()).cmd];
  assert.deepEqual(rest.toSorted(), ['pingresp', 'puback']);
  edge.core.decidesAppends = true;
  four.destroy();
});

test('a full log: PUBACK 0x97, in 3.1.1 no PUBACK and the end', async () => {
  edge.core.appendOutcome = 'full';
  const five = await clients.clean(5);
  five.send(publish(5, { qos: 1, packetIdentifier: 2 }));
  assert.equal((await five.expect('puback')).reasonCode, 0x97);
  const four = await clients.clean(4);
  four.send(publish(4, { qos: 1 }));
  assert.deepEqual(await four.closed(), []);
  edge.core.appendOutcome = 'stored';
  five.destroy();
});

test('[3.1.1 MQTT-3.3.5-2] topics that may not be published to: PUBACK 0x87, QoS 0 dropped by name, 3.1.1 closed', async () => {
  const { dropped } = edge.edge.metrics;
  const before = dropped.qos0_not_authorized;
  const five = await clients.clean(5);
  five.send(
    publish(5, { topic: '$reserved/x', qos: 1, packetIdentifier: 4 }),
    publish(5, { topic: '$reserved/x', qos: 0 }),
    PINGREQ,
  );
  const puback = await five.expect('puback');
  assert.deepEqual([puback.messageId, puback.reasonCode], [4, 0x87]);
  await five.expect('pingresp');
  assert.equal(dropped.qos0_not_authorized, before + 1);
  const four = await clients.clean(4);
  four.send(publish(4, { topic: '$reserved/x', qos: 1 }));
  assert.deepEqual(await four.closed(), []);
  five.destroy();
});

test("[MQTT-3.3.4-9] unacknowledged deliveries stay within the client's receive maximum", async () => {
  const subscriber = await clients.clean(5, { properties: properties(property(0x21, u16(2))) });
  subscriber.send(subscribe(5, [['window', 1]]));
  await subscriber.expect('suback');
  const publisher = await clients.clean(4);
  for (let i = 1; i <= 5; i++) {
    const fields = { topic: 'window', qos: 1, packetIdentifier: i, payload: Buffer.from([i]) };
    publisher.send(publish(4, fields));
    await publisher.expect('puback');
  }
  const first = await subscriber.expect('publish');
  const second = await subscriber.expect('publish');
  subscriber.send(PINGREQ);
  await subscriber.expect('pingresp');
  assert.notEqual(first.messageId, second.messageId);
  subscriber.send(ack('puback', second.messageId ?? 0), ack('puback', 999));
  const third = await subscriber.expect('publish');
  subscriber.send(PINGREQ);
  await subscriber.expect('pingresp');
  subscriber.send(ack('puback', first.messageId ?? 0), ack('puback', third.messageId ?? 0));
  const rest = [await subscriber.expect('publish'), await subscriber.expect('publish')];
  const payloads = [first, second, third, ...rest].map((m) => (m.payload as Buffer)[0]);
  assert.deepEqual(payloads, [1, 2, 3, 4, 5]);
  subscriber.destroy();
  publisher.destroy();
});

test("[MQTT-3.1.2-25] a delivery above the client's maximum is dropped by name, later ones come", async () => {
  const subscriber = await clients.clean(5, { properties: properties(property(0x27, u32(100))) });
  subscriber.send(subscribe(5, [['big', 1]]));
  await subscriber.expect('suback');
  const publisher = await clients.clean(5);
  const before = edge.edge.metrics.dropped.message_exceeds_client_maximum;
  publisher.send(
    publish(5, { topic: 'big', qos: 1, packetIdentifier: 1, payload: Buffer.alloc(200) }),
    publish(5, { topic: 'big', qos: 1, packetIdentifier: 2, payload: Buffer.from('small') }),
  );
  assert.equal(String((await subscriber.expect('publish')).payload), 'small');
  assert.equal(edge.edge.metrics.dropped.message_exceeds_client_maximum, before + 1);
  subscriber.destroy();
  publisher.destroy();
});

test('[MQTT-3.2.2-18] where CONNACK announces no alias, one ends the connection', async (t) => {
  const strict = await startEdge({ limits: { topicAliasMaximum: 0 } });
  t.after(() => strict.close());
  const none = new Clients(() => ({ ports: [strict.port] }));
  t.after(() => none.close());
  const { probe, connack } = await none.open(5);
  assert.equal(connack.properties?.topicAliasMaximum ?? 0, 0);
  probe.send(publish(5, { topic: 'a', properties: properties(property(0x23, u16(1))) }));
  const [last] = await probe.closed();
  assert.ok(last?.cmd === 'disconnect' && last.reasonCode === 0x94);
});
