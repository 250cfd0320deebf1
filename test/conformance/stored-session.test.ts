/**
 * Sessions that outlive their connection, and wills, as a client sees them on a socket, by
 * statement. One process keeps them here; what gateways and dispatchers do when they fail is proven
 * with the real core.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { IConnackPacket, IPublishPacket } from 'mqtt-packet';
import { startEdge } from '../fixtures/edge-under-test.ts';
import type { EdgeUnderTest } from '../fixtures/edge-under-test.ts';
import {
  ack,
  connect,
  disconnect,
  PINGREQ,
  properties,
  property,
  publish,
  subscribe,
  u16,
  u32,
  unsubscribe,
} from '../fixtures/mqtt-client-encoder.ts';
import type { ConnectFields, Version } from '../fixtures/mqtt-client-encoder.ts';
import { MqttProbe } from '../fixtures/mqtt-probe.ts';
import { waitFor } from '../fixtures/wait-for.ts';

let edge: EdgeUnderTest;
before(async () => {
  edge = await startEdge({ outboundBytesMax: 256 * 1024 });
});
after(() => edge.close());

/** CONNECT of a session that stays; `extra` are further properties. */
function stays(clientIdentifier: string, version: Version, extra: Buffer[] = []): ConnectFields {
  const list = properties(property(0x11, u32(3_600)), ...extra);
  return { clientIdentifier, cleanStart: false, ...(version === 5 && { properties: list }) };
}

async function open(
  version: Version,
  fields: ConnectFields,
): Promise<{ probe: MqttProbe; connack: IConnackPacket }> {
  const probe = await MqttProbe.open({ port: edge.port, version });
  probe.send(connect(version, fields));
  const connack = await probe.expect('connack');
  assert.equal(connack.reasonCode ?? connack.returnCode, 0);
  return { probe, connack };
}

async function subscribed(
  version: Version,
  fields: ConnectFields,
  filter: string,
  qos = 2,
): Promise<MqttProbe> {
  const { probe } = await open(version, fields);
  probe.send(subscribe(version, [[filter, qos]]));
  await probe.expect('suback');
  return probe;
}

/** The connection breaks, and the gateway knows it. */
async function drop(probe: MqttProbe): Promise<void> {
  const { connectionsOpen } = edge.edge.metrics;
  probe.destroy();
  await waitFor(() => edge.edge.metrics.connectionsOpen < connectionsOpen);
}

/** Publishes payloads at a QoS, each acknowledged. */
async function send(topic: string, qos: number, ...payloads: string[]): Promise<void> {
  const publisher = await MqttProbe.connected({ port: edge.port, clientIdentifier: 'publisher' });
  for (const [i, text] of payloads.entries()) {
    const fields = { topic, qos, packetIdentifier: i + 1, payload: Buffer.from(text) };
    publisher.send(publish(5, fields));
    await publisher.next();
  }
  await drop(publisher);
}

async function isQuiet(probe: MqttProbe): Promise<void> {
  probe.send(PINGREQ);
  await probe.expect('pingresp');
}

const shown = (p: IPublishPacket): unknown[] => [String(p.payload), p.messageId, p.dup];

for (const version of [4, 5] as const) {
  test(`[MQTT-3.1.2-5] ${version}: subscriptions and messages wait for a session`, async () => {
    const fields = stays(`waits-${version}`, version);
    const topic = `waits/${version}`;
    const first = await open(version, fields);
    assert.equal(first.connack.sessionPresent, false, '[MQTT-3.2.2-3]');
    first.probe.send(subscribe(version, [[topic, 1]]));
    await first.probe.expect('suback');
    await drop(first.probe);
    await send(topic, 1, 'a', 'b');
    const second = await open(version, fields);
    assert.equal(second.connack.sessionPresent, true, '[MQTT-3.2.2-2]');
    const messages = [await second.probe.expect('publish'), await second.probe.expect('publish')];
    assert.deepEqual(
      messages.map((m) => [String(m.payload), m.dup]),
      [
        ['a', false],
        ['b', false],
      ],
    );
    for (const { messageId } of messages) second.probe.send(ack('puback', messageId ?? 0));
    await isQuiet(second.probe);
    await drop(second.probe);
    const third = await open(version, fields);
    await isQuiet(third.probe);
    third.probe.destroy();
  });

  test(`[MQTT-3.1.2-4] ${version}: a clean start throws the session away`, async () => {
    const fields = stays(`clean-${version}`, version);
    const topic = `clean/${version}`;
    await drop(await subscribed(version, fields, topic));
    await send(topic, 1, 'old');
    const clean = await open(version, { ...fields, cleanStart: true });
    assert.equal(clean.connack.sessionPresent, false, '[MQTT-3.2.2-2]');
    await isQuiet(clean.probe);
    await drop(clean.probe);
    const { probe, connack } = await open(version, fields);
    assert.equal(connack.sessionPresent, version === 5, 'the clean one stays as long as it asked');
    await send(topic, 1, 'new');
    await isQuiet(probe);
    probe.destroy();
  });

  test(`[MQTT-4.4.0-1] ${version}: QoS 1 comes again with DUP under its identifier`, async () => {
    const fields = stays(`again-${version}`, version);
    const topic = `again/${version}`;
    const first = await subscribed(version, fields, topic);
    await send(topic, 1, 'a', 'b', 'c');
    const [a, b, c] = [
      await first.expect('publish'),
      await first.expect('publish'),
      await first.expect('publish'),
    ];
    first.send(ack('puback', b.messageId ?? 0));
    await isQuiet(first);
    await drop(first);
    await send(topic, 1, 'd');
    const { probe } = await open(version, fields);
    assert.deepEqual(shown(await probe.expect('publish')), ['a', a.messageId, true]);
    assert.deepEqual(shown(await probe.expect('publish')), ['c', c.messageId, true]);
    const d = await probe.expect('publish');
    assert.equal(d.dup, false, '[MQTT-4.6.0-1] new ones behind');
    assert.ok(d.messageId !== a.messageId && d.messageId !== c.messageId, '[MQTT-2.2.1-4]');
    await isQuiet(probe);
    probe.destroy();
  });

  test(`[MQTT-4.3.3-3] ${version}: QoS 2 goes on where it stood, step by step`, async () => {
    const fields = stays(`steps-${version}`, version);
    const topic = `steps/${version}`;
    const first = await subscribed(version, fields, topic);
    await send(topic, 2, 'x');
    const { messageId = 0 } = await first.expect('publish');
    await drop(first);
    const second = (await open(version, fields)).probe;
    assert.deepEqual(shown(await second.expect('publish')), ['x', messageId, true]);
    second.send(ack('pubrec', messageId));
    assert.equal((await second.expect('pubrel')).messageId, messageId);
    await drop(second);
    const third = (await open(version, fields)).probe;
    assert.equal((await third.expect('pubrel')).messageId, messageId, '[MQTT-4.3.3-5], -6');
    third.send(ack('pubcomp', messageId));
    await isQuiet(third);
    await drop(third);
    const { probe } = await open(version, fields);
    await isQuiet(probe);
    probe.destroy();
  });

  test(`[MQTT-4.3.3-10] ${version}: a PUBLISH repeated on a new connection is taken once`, async () => {
    const fields = stays(`repeat-${version}`, version);
    const topic = `repeat/${version}`;
    const count = (): number => edge.core.published.filter((t) => t === topic).length;
    const first = (await open(version, fields)).probe;
    first.send(publish(version, { topic, qos: 2, packetIdentifier: 9 }));
    await first.expect('pubrec');
    await drop(first);
    const second = (await open(version, fields)).probe;
    second.send(publish(version, { topic, qos: 2, packetIdentifier: 9, dup: true }));
    await second.expect('pubrec');
    assert.equal(count(), 1);
    await drop(second);
    const third = (await open(version, fields)).probe;
    third.send(ack('pubrel', 9));
    assert.equal((await third.expect('pubcomp')).reasonCode ?? 0, 0);
    third.send(publish(version, { topic, qos: 2, packetIdentifier: 9 }));
    await third.expect('pubrec');
    assert.equal(count(), 2, '[MQTT-4.3.3-12]');
    third.destroy();
  });
}

test('[MQTT-3.1.2-6] of 3.1.1: clean session 1 ends the session with its connection', async () => {
  const fields = stays('once', 4);
  await drop(await subscribed(4, fields, 'once'));
  await drop((await open(4, { ...fields, cleanStart: true })).probe);
  const { probe, connack } = await open(4, fields);
  assert.equal(connack.sessionPresent, false);
  probe.destroy();
});

test('[MQTT-3.2.0-1] CONNACK comes before PUBREL and PUBLISH of a resumed session', async () => {
  const fields = stays('first', 5);
  const first = await subscribed(5, fields, 'first');
  await send('first', 2, 'a', 'b');
  const { messageId = 0 } = await first.expect('publish');
  first.send(ack('pubrec', messageId));
  await first.expect('publish');
  await first.expect('pubrel');
  await drop(first);
  const probe = await MqttProbe.open({ port: edge.port });
  probe.send(connect(5, fields));
  const kinds = [(await probe.next()).cmd, (await probe.next()).cmd, (await probe.next()).cmd];
  assert.deepEqual(kinds, ['connack', 'pubrel', 'publish']);
  probe.destroy();
});

test('[MQTT-4.4.0-2] a negative acknowledgement ends a delivery for good', async () => {
  const fields = stays('no', 5);
  const first = await subscribed(5, fields, 'no');
  await send('no', 1, 'one');
  await send('no', 2, 'two');
  first.send(ack('puback', (await first.expect('publish')).messageId ?? 0, Buffer.from([0x80])));
  first.send(ack('pubrec', (await first.expect('publish')).messageId ?? 0, Buffer.from([0x80])));
  await isQuiet(first);
  await drop(first);
  const { probe } = await open(5, fields);
  await isQuiet(probe);
  probe.destroy();
});

test('[MQTT-4.9.0-1] what is sent again keeps to the receive maximum of the new connection', async () => {
  const fields = stays('fewer', 5);
  const first = await subscribed(5, fields, 'fewer');
  await send('fewer', 1, 'a', 'b');
  await first.expect('publish');
  await first.expect('publish');
  await drop(first);
  const { probe } = await open(5, stays('fewer', 5, [property(0x21, u16(1))]));
  const a = await probe.expect('publish');
  await isQuiet(probe);
  probe.send(ack('puback', a.messageId ?? 0));
  assert.deepEqual([String((await probe.expect('publish')).payload), a.dup], ['b', true]);
  probe.destroy();
});

test('[MQTT-3.14.4-3] DISCONNECT may end the session, and 0x00 the will', async () => {
  const will = { topic: 'will/kept', payload: Buffer.from('!') };
  const first = (await open(5, { ...stays('ends', 5), will })).probe;
  first.send(disconnect(Buffer.from([0]), properties(property(0x11, u32(0)))));
  await first.closed();
  const { probe, connack } = await open(5, { ...stays('ends', 5), will });
  assert.equal(connack.sessionPresent, false, '[MQTT-4.1.0-2]');
  assert.deepEqual(edge.core.wills, []);
  probe.send(disconnect(Buffer.from([4])));
  await probe.closed();
  assert.deepEqual(edge.core.wills, ['will/kept']);
  assert.equal(edge.core.departures.at(-1)?.sessionExpirySeconds, 3_600);
});

test('[MQTT-3.1.2-8] any other end publishes the will: loss, error, take-over, silence', async () => {
  edge.core.wills.length = 0;
  const fields = (topic: string): ConnectFields => ({
    clientIdentifier: 'leaves',
    will: { topic, payload: Buffer.from('!'), qos: 2, retain: true },
  });
  await drop((await open(5, fields('lost'))).probe);
  const wrong = (await open(4, fields('error'))).probe;
  wrong.send(connect(4, fields('error')));
  await wrong.closed();
  const older = (await open(5, fields('taken'))).probe;
  const newer = (await open(5, fields('silent'))).probe;
  assert.equal((await older.expect('disconnect')).reasonCode, 0x8e);
  for (let i = 0; i < 4 * 100; i++) edge.edge.wheel.advance();
  assert.equal((await newer.expect('disconnect')).reasonCode, 0x8d);
  await newer.closed();
  assert.deepEqual(edge.core.wills, ['lost', 'error', 'taken', 'silent']);
  const four = (await open(4, fields('kept'))).probe;
  four.send(disconnect());
  await four.closed();
  assert.equal(edge.core.wills.length, 4, '[MQTT-3.14.4-3] of 3.1.1');
});

test('a slow client of a stored session is not ended: the rest waits in its queue', async () => {
  const probe = await subscribed(5, stays('slow', 5), 'slow');
  const payloads = Array.from({ length: 600 }, (_, i) => String(i).padEnd(1_000, '.'));
  await send('slow', 1, ...payloads);
  assert.equal(edge.edge.metrics.ended.slow_consumer, 0);
  for (let i = 0; i < payloads.length; i++) {
    const { payload, messageId } = await probe.expect('publish');
    assert.equal(Number.parseInt(String(payload), 10), i);
    probe.send(ack('puback', messageId ?? 0));
  }
  probe.destroy();
});

test('[MQTT-3.3.2-5] what expired while it waited is dropped by name; what is too large, too', async () => {
  const fields = stays('names', 5, [property(0x27, u32(200))]);
  await drop(await subscribed(5, fields, 'names'));
  const publisher = await MqttProbe.connected({ port: edge.port, clientIdentifier: 'publisher' });
  const expired = { topic: 'names', properties: properties(property(0x02, u32(0))) };
  for (const qos of [1, 2]) publisher.send(publish(5, { ...expired, qos, packetIdentifier: qos }));
  await publisher.expect('puback');
  await drop(publisher);
  await send('names', 1, 'x'.repeat(500), 'fits');
  const { dropped } = edge.edge.metrics;
  const before = dropped.message_exceeds_client_maximum;
  const expiredBefore = dropped.message_expired;
  const { probe } = await open(5, fields);
  const message = await probe.expect('publish');
  assert.equal(String(message.payload), 'fits', '[MQTT-3.1.2-25]');
  assert.equal(dropped.message_exceeds_client_maximum, before + 1);
  assert.equal(dropped.message_expired, expiredBefore + 2);
  probe.send(ack('puback', message.messageId ?? 0));
  await isQuiet(probe);
  await drop(probe);
  const again = (await open(5, fields)).probe;
  await isQuiet(again);
  again.destroy();
});

test('UNSUBSCRIBE ends a stored subscription, and UNSUBACK waits for it', async () => {
  const probe = await subscribed(5, stays('off', 5), 'off');
  edge.core.decidesSubscribes = false;
  probe.send(unsubscribe(5, ['off']));
  await isQuiet(probe);
  edge.core.makeEffective();
  edge.core.decidesSubscribes = true;
  await probe.expect('unsuback');
  await drop(probe);
  await send('off', 1, 'nobody');
  const { probe: again, connack } = await open(5, stays('off', 5));
  assert.equal(connack.sessionPresent, true);
  await isQuiet(again);
  again.destroy();
});
