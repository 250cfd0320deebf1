/**
 * CONNECT and CONNACK as a client sees them on a socket, by statement.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { IConnackPacket } from 'mqtt-packet';
import { startEdge } from '../fixtures/edge-under-test.ts';
import type { EdgeUnderTest } from '../fixtures/edge-under-test.ts';
import {
  auth,
  connect,
  field,
  NO_PROPERTIES,
  PINGREQ,
  properties,
  property,
  publish,
  subscribe,
  u32,
} from '../fixtures/mqtt-client-encoder.ts';
import type { ConnectFields, Version } from '../fixtures/mqtt-client-encoder.ts';
import { MqttProbe } from '../fixtures/mqtt-probe.ts';

let edge: EdgeUnderTest;
before(async () => {
  edge = await startEdge({ limits: { keepAliveSecondsMax: 1_160 } });
});
after(() => edge.close());

async function answer(version: Version, fields: ConnectFields): Promise<IConnackPacket> {
  const probe = await MqttProbe.open({ port: edge.port, version });
  probe.send(connect(version, fields));
  const connack = await probe.expect('connack');
  if ((connack.reasonCode ?? connack.returnCode) !== 0) {
    assert.equal(connack.sessionPresent, false, '[MQTT-3.2.2-6]');
    assert.deepEqual(await probe.closed(), [], '[MQTT-3.2.2-7]: closed, and nothing behind it');
  } else probe.destroy();
  return connack;
}

async function isClosedSilently(version: Version, bytes: Buffer): Promise<void> {
  const probe = await MqttProbe.open({ port: edge.port, version });
  probe.send(bytes);
  await probe.closed();
  assert.equal(probe.receivedBytes, 0);
}

test('[MQTT-3.1.4-5] [3.1.1 MQTT-3.1.4-4] a valid CONNECT is answered with success, in both versions', async () => {
  assert.equal((await answer(4, { clientIdentifier: 'v4' })).returnCode, 0);
  assert.equal((await answer(5, { clientIdentifier: 'v5' })).reasonCode, 0);
});

test('[MQTT-3.2.2-9] CONNACK of MQTT 5 announces what is not supported, and the limits', async () => {
  const { properties: told } = await answer(5, { clientIdentifier: 'told' });
  assert.equal(told?.maximumQoS, undefined, '[MQTT-3.2.2-9] absent: QoS 2 is supported');
  assert.equal(told?.retainAvailable, undefined, 'absent: retained messages are kept');
  assert.equal(told?.sharedSubscriptionAvailable, true);
  assert.equal(told?.receiveMaximum, 65_535);
  assert.equal(told?.maximumPacketSize, 512 * 1024);
  assert.equal(told?.topicAliasMaximum, 10);
  assert.equal(told?.sessionExpiryInterval, undefined);
  assert.equal(told?.serverKeepAlive, undefined);
  assert.equal(told?.assignedClientIdentifier, undefined);
});

for (const version of [4, 5] as const) {
  test(`[both MQTT-3.1.0-1] ${version}: anything before CONNECT closes silently`, async () => {
    await isClosedSilently(version, PINGREQ);
    await isClosedSilently(version, publish(version));
    await isClosedSilently(version, subscribe(version, [['a', 0]]));
    await isClosedSilently(version, auth(0x18, NO_PROPERTIES));
    await isClosedSilently(version, Buffer.from('GET /mqtt HTTP/1.1\r\n\r\n'));
  });
}

test('[both MQTT-3.1.0-2] a second CONNECT is a protocol error', async () => {
  const five = await MqttProbe.connected({ port: edge.port, clientIdentifier: 'twice' });
  five.send(connect(5, { clientIdentifier: 'twice' }));
  assert.equal((await five.expect('disconnect')).reasonCode, 0x82);
  await five.closed();
  const four = await MqttProbe.connected({ port: edge.port, version: 4 });
  const { receivedBytes } = four;
  four.send(connect(4));
  await four.closed();
  assert.equal(four.receivedBytes, receivedBytes, '3.1.1 has no packet for it');
});

test('[both MQTT-3.1.2-2] an unknown protocol level is refused in a form its client reads', async () => {
  assert.equal((await answer(4, { level: 3 })).returnCode, 1);
  const probe = await MqttProbe.open({ port: edge.port });
  probe.send(connect(5, { level: 6 }));
  await probe.closed();
});

test('[3.1.1 MQTT-3.1.4-1] [3.1.1 MQTT-3.2.2-6] a malformed CONNECT closes without CONNACK', async () => {
  await isClosedSilently(4, connect(4, { flags: 0x03 }));
  await isClosedSilently(4, connect(4, { extra: Buffer.from([0]) }));
});

test('[MQTT-3.1.4-1] a malformed CONNECT gets CONNACK 0x81', async () => {
  assert.equal((await answer(5, { flags: 0x03 })).reasonCode, 0x81);
});

test('[MQTT-3.1.4-2] [MQTT-3.2.2-7] [3.1.1 MQTT-3.2.2-5] a will for a topic that its client may not publish to is refused', async () => {
  const will = { topic: '$reserved/w', payload: Buffer.from('gone') };
  assert.equal((await answer(5, { will })).reasonCode, 0x87);
  assert.equal((await answer(4, { will })).returnCode, 0x05);
});

test('a session expiry beyond the maximum is answered with ours, others not', async () => {
  const asked = async (seconds: number): Promise<number | undefined> => {
    const list = properties(property(0x11, u32(seconds)));
    const connack = await answer(5, { clientIdentifier: 'expiry', properties: list });
    assert.equal(connack.reasonCode, 0);
    return connack.properties?.sessionExpiryInterval;
  };
  assert.equal(await asked(3_600), undefined);
  assert.equal(await asked(604_800), undefined);
  assert.equal(await asked(604_801), 604_800);
  assert.equal(await asked(0xffffffff), 604_800);
});

test('[MQTT-3.1.2-6] [3.1.1 MQTT-3.2.2-3] no clean start and no session: a new one, and no session present', async () => {
  const fields = { clientIdentifier: 'anew', cleanStart: false };
  const four = await answer(4, fields);
  assert.deepEqual([four.returnCode, four.sessionPresent], [0, false]);
  const five = await answer(5, { ...fields, clientIdentifier: 'anew 5' });
  assert.deepEqual([five.reasonCode, five.sessionPresent], [0, false]);
});

test('[3.1.1 MQTT-3.1.3-8] an empty identifier without clean session gets 0x02', async () => {
  assert.equal((await answer(4, { clientIdentifier: '', cleanStart: false })).returnCode, 2);
});

test('[MQTT-3.2.2-16] [MQTT-3.1.3-7] an empty identifier is assigned one of its own', async () => {
  const one = await answer(5, { clientIdentifier: '' });
  const two = await answer(5, { clientIdentifier: '', cleanStart: false });
  const assigned = [one, two].map((c) => c.properties?.assignedClientIdentifier);
  assert.ok(assigned.every((identifier) => identifier !== undefined && identifier !== ''));
  assert.notEqual(assigned[0], assigned[1]);
  assert.equal((await answer(4, { clientIdentifier: '' })).returnCode, 0);
});

test('[MQTT-3.1.3-8] [3.1.1 MQTT-3.1.3-9] an identifier that is not taken is refused', async () => {
  const long = 'x'.repeat(129);
  assert.equal((await answer(4, { clientIdentifier: long })).returnCode, 2);
  assert.equal((await answer(5, { clientIdentifier: long })).reasonCode, 0x85);
  assert.equal((await answer(5, { clientIdentifier: 'a\nb' })).reasonCode, 0x85);
  assert.equal((await answer(5, { clientIdentifier: 'x'.repeat(128) })).reasonCode, 0);
});

test('[MQTT-4.12.0-1] an authentication method is refused with 0x8C', async () => {
  const method = properties(property(0x15, field('SCRAM-SHA-256')));
  assert.equal((await answer(5, { properties: method })).reasonCode, 0x8c);
});

test('who names a method that is offered is asked for a token, on the open listener, too', async () => {
  const method = properties(property(0x15, field('CUSTOM-JWT')), property(0x16, field('x')));
  assert.equal((await answer(5, { properties: method })).reasonCode, 0x87);
});

test('a keep alive of none or too long is answered with ours', async () => {
  const none = await answer(5, { clientIdentifier: 'ka0', keepAliveSeconds: 0 });
  assert.equal(none.properties?.serverKeepAlive, 1_160);
  const long = await answer(5, { clientIdentifier: 'ka1', keepAliveSeconds: 5_000 });
  assert.equal(long.properties?.serverKeepAlive, 1_160);
});

test('[MQTT-3.1.4-3] the older connection of an identifier is told and closed', async () => {
  const older = await MqttProbe.connected({ port: edge.port, clientIdentifier: 'same' });
  const newer = await MqttProbe.connected({ port: edge.port, clientIdentifier: 'same' });
  assert.equal((await older.expect('disconnect')).reasonCode, 0x8e);
  await older.closed();
  newer.send(PINGREQ);
  await newer.expect('pingresp');
  newer.destroy();
});

test('[MQTT-3.1.4-6] what stands behind a refused CONNECT has no effect', async () => {
  const probe = await MqttProbe.open({ port: edge.port });
  const before = edge.core.published.length;
  const fields = { clientIdentifier: 'a\nb' };
  probe.send(connect(5, fields), publish(5, { topic: 'behind/refused' }));
  assert.equal((await probe.expect('connack')).reasonCode, 0x85);
  assert.deepEqual(await probe.closed(), []);
  assert.equal(edge.core.published.length, before);
});

for (const version of [4, 5] as const) {
  test(`[both MQTT-3.2.0-1] ${version}: packets behind CONNECT wait for CONNACK, and are served after it`, async () => {
    const probe = await MqttProbe.open({ port: edge.port, version });
    probe.send(
      connect(version, { clientIdentifier: 'eager' }),
      subscribe(version, [['eager', 1]]),
      publish(version, { topic: 'eager', qos: 1, packetIdentifier: 9 }),
      PINGREQ,
    );
    const kinds = [await probe.next(), await probe.next(), await probe.next(), await probe.next()];
    assert.equal(kinds[0]?.cmd, 'connack');
    const rest = kinds.slice(1).map((p) => p.cmd);
    assert.ok(rest.includes('suback') && rest.includes('pingresp'));
    probe.destroy();
  });
}

test('CONNECT one byte at a time is served', async () => {
  const probe = await MqttProbe.open({ port: edge.port });
  for (const byte of connect(5, { clientIdentifier: 'slow' })) probe.send(Buffer.from([byte]));
  assert.equal((await probe.expect('connack')).reasonCode, 0);
  probe.destroy();
});

test('while the core accepts no CONNECT, it waits; then it is served', async () => {
  edge.core.acceptsConnect = false;
  const probe = await MqttProbe.open({ port: edge.port });
  probe.send(connect(5, { clientIdentifier: 'waits' }), PINGREQ);
  const other = await MqttProbe.open({ port: edge.port });
  other.send(Buffer.from([0x10]));
  assert.equal(probe.receivedBytes, 0);
  edge.core.acceptsConnect = true;
  await probe.expect('connack');
  await probe.expect('pingresp');
  probe.destroy();
  other.destroy();
});

test('[MQTT-3.1.2-24] a client whose maximum is below our CONNACK is told why and closed', async () => {
  const small = properties(property(0x27, u32(8)));
  assert.equal((await answer(5, { properties: small })).reasonCode, 0x95);
});
