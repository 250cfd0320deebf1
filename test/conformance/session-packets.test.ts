/**
 * SUBSCRIBE, UNSUBSCRIBE, stray acknowledgements, PINGREQ and DISCONNECT as a client sees them on a
 * socket, by statement.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startEdge } from '../fixtures/edge-under-test.ts';
import type { EdgeUnderTest } from '../fixtures/edge-under-test.ts';
import {
  ack,
  disconnect,
  NO_PROPERTIES,
  PINGREQ,
  properties,
  property,
  publish,
  subscribe,
  u32,
  unsubscribe,
} from '../fixtures/mqtt-client-encoder.ts';
import { Clients } from './clients.ts';

const SUBSCRIPTIONS_MAX = 3;
let edge: EdgeUnderTest;
before(async () => {
  edge = await startEdge({
    limits: { subscriptionCountMax: SUBSCRIPTIONS_MAX },
  });
});
after(() => edge.close());

const clients = new Clients(() => ({ ports: [edge.port] }));

test('[MQTT-3.8.4-6] [3.1.1 MQTT-3.8.4-5] SUBACK has one code per filter, in order: granted, refused, by name', async () => {
  const five = await clients.clean(5);
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
  assert.deepEqual(suback.granted, [0, 2, 0x8f, 0x87, 1], '[MQTT-3.9.3-1]');
  const four = await clients.clean(4);
  four.send(
    subscribe(4, [
      ['a', 2],
      ['x#', 1],
      ['$share/g/t', 1],
    ]),
  );
  assert.deepEqual((await four.expect('suback')).granted, [2, 0x80, 1]);
  five.destroy();
  four.destroy();
});

test('subscriptions beyond the limit are refused with 0x97; a repeated filter costs nothing', async () => {
  const probe = await clients.clean(5);
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

test('[MQTT-4.8.2-1] [MQTT-4.8.2-2] a shared filter has a name and a filter that may be had', async () => {
  const filters = [
    ['$share/g/t', 2],
    ['$share/g/t', 0],
    ['$share//t', 1],
    ['$share/g', 1],
    ['$share/g/', 1],
    ['$share/+/t', 1],
    ['$share/g/x#', 1],
    ['$share/g/$reserved/#', 1],
  ] as const;
  const five = await clients.clean(5);
  five.send(subscribe(5, filters));
  const refused = [0x8f, 0x8f, 0x8f, 0x8f, 0x8f, 0x87];
  assert.deepEqual((await five.expect('suback')).granted, [1, 0, ...refused]);
  const four = await clients.clean(4);
  four.send(subscribe(4, filters));
  const failed = refused.map(() => 0x80);
  assert.deepEqual((await four.expect('suback')).granted, [1, 0, ...failed]);
  five.destroy();
  four.destroy();
});

test('[MQTT-3.8.3-4] No Local on a shared filter is a protocol error', async () => {
  const probe = await clients.clean(5);
  probe.send(subscribe(5, [['$share/g/t', 0x04]]));
  assert.equal((await probe.expect('disconnect')).reasonCode, 0x82);
  await probe.closed();
});

test('[both MQTT-4.7.3-1] an empty filter ends the connection', async () => {
  const four = await clients.clean(4);
  four.send(subscribe(4, [['', 0]]));
  assert.deepEqual(await four.closed(), []);
  const five = await clients.clean(5);
  five.send(subscribe(5, [['', 0]]));
  assert.equal((await five.expect('disconnect')).reasonCode, 0x82);
});

test('SUBACK waits until the subscription is effective; PINGRESP does not', async () => {
  const probe = await clients.clean(5);
  edge.core.decidesSubscribes = false;
  probe.send(subscribe(5, [['later', 0]]), PINGREQ);
  await probe.expect('pingresp');
  edge.core.makeEffective();
  edge.core.decidesSubscribes = true;
  await probe.expect('suback');
  probe.destroy();
});

test('[both MQTT-3.10.4-5] [MQTT-3.11.3-1] [3.1.1 MQTT-3.10.4-4] UNSUBACK comes with a code per filter, also where nothing was', async () => {
  const probe = await clients.clean(5);
  probe.send(subscribe(5, [['here', 0]]));
  await probe.expect('suback');
  probe.send(unsubscribe(5, ['here', 'nowhere', 'bad#'], { packetIdentifier: 5 }));
  const unsuback = await probe.expect('unsuback');
  assert.equal(unsuback.messageId, 5);
  assert.deepEqual(unsuback.granted, [0, 0x11, 0x8f]);
  const four = await clients.clean(4);
  four.send(unsubscribe(4, ['nowhere'], { packetIdentifier: 6 }));
  assert.equal((await four.expect('unsuback')).messageId, 6);
  probe.destroy();
  four.destroy();
});

test('[MQTT-3.2.2-15] a packet above our maximum is refused on its header with 0x95', async () => {
  const probe = await clients.clean(5);
  probe.send(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]));
  assert.equal((await probe.expect('disconnect')).reasonCode, 0x95);
  await probe.closed();
});

test('[MQTT-3.7.2-1] [MQTT-3.6.2-1] acknowledgements of QoS 2 for nothing are answered with 0x92', async () => {
  const probe = await clients.clean(5);
  probe.send(ack('pubrel', 7), ack('pubrec', 8), ack('pubcomp', 9), PINGREQ);
  const pubcomp = await probe.expect('pubcomp');
  assert.deepEqual([pubcomp.messageId, pubcomp.reasonCode], [7, 0x92]);
  const pubrel = await probe.expect('pubrel');
  assert.deepEqual([pubrel.messageId, pubrel.reasonCode], [8, 0x92]);
  await probe.expect('pingresp');
  probe.destroy();
});

test('[both MQTT-3.12.4-1] PINGREQ is answered', async () => {
  for (const version of [4, 5] as const) {
    const probe = await clients.clean(version);
    probe.send(PINGREQ);
    await probe.expect('pingresp');
    probe.destroy();
  }
});

test('[MQTT-3.14.4-1] [3.1.1 MQTT-3.14.4-2] DISCONNECT ends quietly; what stands behind it is ignored', async () => {
  for (const version of [4, 5] as const) {
    const probe = await clients.clean(version);
    const before = edge.core.published.length;
    probe.send(disconnect(), publish(version, { topic: 'behind' }));
    assert.deepEqual(await probe.closed(), []);
    assert.equal(edge.core.published.length, before);
  }
});

test('[MQTT-3.14.2-1] a session expiry at DISCONNECT after none at CONNECT is an error', async () => {
  const probe = await clients.clean(5);
  probe.send(disconnect(Buffer.from([0]), properties(property(0x11, u32(10)))));
  assert.equal((await probe.expect('disconnect')).reasonCode, 0x82);
  await probe.closed();
});

test('[MQTT-4.12.0-7] AUTH without a method in CONNECT is a protocol error', async () => {
  const probe = await clients.clean(5);
  probe.send(Buffer.concat([Buffer.from([0xf0, 2, 0x19]), NO_PROPERTIES]));
  assert.equal((await probe.expect('disconnect')).reasonCode, 0x82);
  await probe.closed();
});

test('[MQTT-4.13.1-1] good packets before a bad one in the same write take effect', async () => {
  const probe = await clients.clean(5);
  probe.send(publish(5, { topic: 'good/before', qos: 1 }), Buffer.from([0x36, 3, 0, 1, 97]));
  const kinds = (await probe.closed()).map((p) => p.cmd);
  assert.ok(edge.core.published.includes('good/before'));
  assert.deepEqual(kinds.at(-1), 'disconnect');
});
