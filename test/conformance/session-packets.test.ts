/**
 * SUBSCRIBE, UNSUBSCRIBE, PUBLISH, acknowledgements, PINGREQ and DISCONNECT as a client sees them on
 * a socket, by statement. (Routing itself is proven with the real core; here one process routes.)
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startEdge } from '../fixtures/edge-under-test.ts';
import type { EdgeUnderTest } from '../fixtures/edge-under-test.ts';
import {
  ack,
  disconnect,
  field,
  NO_PROPERTIES,
  PINGREQ,
  properties,
  property,
  publish,
  subscribe,
  u16,
  u32,
  unsubscribe,
  userProperty,
} from '../fixtures/mqtt-client-encoder.ts';
import type { ConnectFields, Version } from '../fixtures/mqtt-client-encoder.ts';
import { MqttProbe } from '../fixtures/mqtt-probe.ts';
import { waitFor } from '../fixtures/wait-for.ts';

const RECEIVE_MAXIMUM = 8;
let edge: EdgeUnderTest;
let number = 0;
before(async () => {
  edge = await startEdge({
    limits: { subscriptionCountMax: 3, receiveMaximum: RECEIVE_MAXIMUM },
  });
});
after(() => edge.close());

async function client(version: Version, fields: ConnectFields = {}): Promise<MqttProbe> {
  number++;
  const clientIdentifier = fields.clientIdentifier ?? `client-${number}`;
  return MqttProbe.connected({ port: edge.port, version, ...fields, clientIdentifier });
}

/** A subscriber and a publisher that are told apart. */
async function pair(version: Version, filter: string, options: number): Promise<MqttProbe[]> {
  const subscriber = await client(version);
  subscriber.send(subscribe(version, [[filter, options]]));
  await subscriber.expect('suback');
  return [subscriber, await client(version)];
}

test('[MQTT-3.8.4-6] SUBACK has one code per filter, in order: granted, refused, by name', async () => {
  const five = await client(5);
  const filters = [
    ['a', 0],
    ['b', 2],
    ['x#', 1],
    ['$reserved/#', 1],
    ['$share/g/t', 1],
  ] as const;
  five.send(subscribe(5, filters, { packetIdentifier: 77 }));
  const suback = await five.expect('suback');
  assert.equal(suback.messageId, 77, '[MQTT-3.8.4-2]');
  assert.deepEqual(suback.granted, [0, 1, 0x8f, 0x87, 0x9e], '[MQTT-3.9.3-1]');
  const four = await client(4);
  four.send(
    subscribe(4, [
      ['a', 2],
      ['x#', 1],
      ['$share/g/t', 1],
    ]),
  );
  assert.deepEqual((await four.expect('suback')).granted, [1, 0x80, 0x80]);
  five.destroy();
  four.destroy();
});

test('subscriptions beyond the limit are refused with 0x97; a repeated filter costs nothing', async () => {
  const probe = await client(5);
  probe.send(
    subscribe(5, [
      ['1', 0],
      ['2', 0],
      ['3', 0],
      ['4', 0],
      ['1', 1],
    ]),
  );
  assert.deepEqual((await probe.expect('suback')).granted, [0, 0, 0, 0x97, 1]);
  probe.send(unsubscribe(5, ['2']), subscribe(5, [['4', 0]]));
  await probe.expect('unsuback');
  assert.deepEqual((await probe.expect('suback')).granted, [0]);
  probe.destroy();
});

test('[MQTT-3.8.3-4] No Local on a shared filter is a protocol error', async () => {
  const probe = await client(5);
  probe.send(subscribe(5, [['$share/g/t', 0x04]]));
  assert.equal((await probe.expect('disconnect')).reasonCode, 0x82);
  await probe.closed();
});

test('[MQTT-4.7.3-1] an empty filter ends the connection', async () => {
  const four = await client(4);
  four.send(subscribe(4, [['', 0]]));
  assert.deepEqual(await four.closed(), []);
  const five = await client(5);
  five.send(subscribe(5, [['', 0]]));
  assert.equal((await five.expect('disconnect')).reasonCode, 0x82);
});

test('SUBACK waits until the subscription is effective; PINGRESP does not', async () => {
  const probe = await client(5);
  edge.core.decidesSubscribes = false;
  probe.send(subscribe(5, [['later', 0]]), PINGREQ);
  await probe.expect('pingresp');
  edge.core.makeEffective();
  edge.core.decidesSubscribes = true;
  await probe.expect('suback');
  probe.destroy();
});

test('[MQTT-3.10.4-5] UNSUBACK comes with a code per filter, also where nothing was', async () => {
  const probe = await client(5);
  probe.send(subscribe(5, [['here', 0]]));
  await probe.expect('suback');
  probe.send(unsubscribe(5, ['here', 'nowhere', 'bad#'], { packetIdentifier: 5 }));
  const unsuback = await probe.expect('unsuback');
  assert.equal(unsuback.messageId, 5);
  assert.deepEqual(unsuback.granted, [0, 0x11, 0x8f]);
  const four = await client(4);
  four.send(unsubscribe(4, ['nowhere'], { packetIdentifier: 6 }));
  assert.equal((await four.expect('unsuback')).messageId, 6);
  probe.destroy();
  four.destroy();
});

for (const version of [4, 5] as const) {
  test(`[MQTT-3.8.4-8] ${version}: delivery has the lower QoS, no DUP, no RETAIN`, async () => {
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
      const message = await subscriber.expect('publish');
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
  const subscriber = await client(5);
  subscriber.send(
    subscribe(5, [['p', 1]], { properties: properties(property(0x0b, Buffer.from([9]))) }),
  );
  await subscriber.expect('suback');
  const publisher = await client(5);
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

test('[MQTT-3.3.2-12] a topic alias stands for its topic, and is never sent on', async () => {
  const [subscriber, publisher] = await pair(5, 'long/topic/name', 0);
  assert.ok(subscriber !== undefined && publisher !== undefined);
  const alias = properties(property(0x23, u16(10)));
  publisher.send(
    publish(5, { topic: 'long/topic/name', properties: alias, payload: Buffer.from('1') }),
    publish(5, { topic: '', properties: alias, payload: Buffer.from('2') }),
  );
  for (const payload of ['1', '2']) {
    const message = await subscriber.expect('publish');
    assert.equal(message.topic, 'long/topic/name');
    assert.equal(String(message.payload), payload);
    assert.equal(message.properties?.topicAlias, undefined, '[MQTT-3.1.2-27]');
  }
  publisher.send(publish(5, { properties: properties(property(0x23, u16(11))) }));
  assert.equal((await publisher.expect('disconnect')).reasonCode, 0x94, '[MQTT-3.3.2-9]');
  subscriber.destroy();
});

test('[MQTT-3.2.2-11] QoS 2 and [MQTT-3.2.2-14] RETAIN are refused', async () => {
  const qos2 = await client(5);
  qos2.send(publish(5, { qos: 2 }));
  assert.equal((await qos2.expect('disconnect')).reasonCode, 0x9b);
  await qos2.closed();
  const retain = await client(5);
  retain.send(publish(5, { retain: true }));
  assert.equal((await retain.expect('disconnect')).reasonCode, 0x9a);
  await retain.closed();
  for (const fields of [{ qos: 2 }, { retain: true }]) {
    const four = await client(4);
    four.send(publish(4, fields));
    assert.deepEqual(await four.closed(), []);
  }
});

test('[MQTT-4.6.0-2] PUBACKs leave in the order of the PUBLISHes, whatever is decided first', async () => {
  const probe = await client(5);
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
  const five = await client(5);
  five.send(...flood(5));
  assert.equal((await five.expect('disconnect')).reasonCode, 0x93);
  await five.closed();
  while (edge.core.waitingAppends > 0) edge.core.settle();
  const four = await client(4);
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
  const five = await client(5);
  five.send(publish(5, { qos: 1, packetIdentifier: 2 }));
  assert.equal((await five.expect('puback')).reasonCode, 0x97);
  const four = await client(4);
  four.send(publish(4, { qos: 1 }));
  assert.deepEqual(await four.closed(), []);
  edge.core.appendOutcome = 'stored';
  five.destroy();
});

test('topics that may not be published to: PUBACK 0x87, QoS 0 dropped by name, 3.1.1 closed', async () => {
  const { dropped } = edge.edge.metrics;
  const before = dropped.qos0_not_authorized;
  const five = await client(5);
  five.send(
    publish(5, { topic: '$reserved/x', qos: 1, packetIdentifier: 4 }),
    publish(5, { topic: '$reserved/x', qos: 0 }),
    PINGREQ,
  );
  const puback = await five.expect('puback');
  assert.deepEqual([puback.messageId, puback.reasonCode], [4, 0x87]);
  await five.expect('pingresp');
  assert.equal(dropped.qos0_not_authorized, before + 1);
  const four = await client(4);
  four.send(publish(4, { topic: '$reserved/x', qos: 1 }));
  assert.deepEqual(await four.closed(), []);
  five.destroy();
});

test("[MQTT-3.3.4-9] unacknowledged deliveries stay within the client's receive maximum", async () => {
  const subscriber = await client(5, { properties: properties(property(0x21, u16(2))) });
  subscriber.send(subscribe(5, [['window', 1]]));
  await subscriber.expect('suback');
  const publisher = await client(4);
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
  const subscriber = await client(5, { properties: properties(property(0x27, u32(100))) });
  subscriber.send(subscribe(5, [['big', 1]]));
  await subscriber.expect('suback');
  const publisher = await client(5);
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

test('[MQTT-3.2.2-15] a packet above our maximum is refused on its header with 0x95', async () => {
  const probe = await client(5);
  probe.send(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]));
  assert.equal((await probe.expect('disconnect')).reasonCode, 0x95);
  await probe.closed();
});

test('acknowledgements of QoS 2 for nothing are answered with 0x92', async () => {
  const probe = await client(5);
  probe.send(ack('pubrel', 7), ack('pubrec', 8), ack('pubcomp', 9), PINGREQ);
  const pubcomp = await probe.expect('pubcomp');
  assert.deepEqual([pubcomp.messageId, pubcomp.reasonCode], [7, 0x92]);
  const pubrel = await probe.expect('pubrel');
  assert.deepEqual([pubrel.messageId, pubrel.reasonCode], [8, 0x92]);
  await probe.expect('pingresp');
  probe.destroy();
});

test('[MQTT-3.12.4-1] PINGREQ is answered', async () => {
  for (const version of [4, 5] as const) {
    const probe = await client(version);
    probe.send(PINGREQ);
    await probe.expect('pingresp');
    probe.destroy();
  }
});

test('[MQTT-3.14.4-1] DISCONNECT ends quietly; what stands behind it is ignored', async () => {
  for (const version of [4, 5] as const) {
    const probe = await client(version);
    const before = edge.core.published.length;
    probe.send(disconnect(), publish(version, { topic: 'behind' }));
    assert.deepEqual(await probe.closed(), []);
    assert.equal(edge.core.published.length, before);
  }
});

test('[MQTT-3.14.2-1] a session expiry at DISCONNECT after none at CONNECT is an error', async () => {
  const probe = await client(5);
  probe.send(disconnect(Buffer.from([0]), properties(property(0x11, u32(10)))));
  assert.equal((await probe.expect('disconnect')).reasonCode, 0x82);
  await probe.closed();
});

test('[MQTT-4.12.0-7] AUTH without a method in CONNECT is a protocol error', async () => {
  const probe = await client(5);
  probe.send(Buffer.concat([Buffer.from([0xf0, 2, 0x19]), NO_PROPERTIES]));
  assert.equal((await probe.expect('disconnect')).reasonCode, 0x82);
  await probe.closed();
});

test('[MQTT-4.8.0-1] good packets before a bad one in the same write take effect', async () => {
  const probe = await client(5);
  probe.send(publish(5, { topic: 'good/before', qos: 1 }), Buffer.from([0x36, 3, 0, 1, 97]));
  const kinds = (await probe.closed()).map((p) => p.cmd);
  assert.ok(edge.core.published.includes('good/before'));
  assert.deepEqual(kinds.at(-1), 'disconnect');
});
