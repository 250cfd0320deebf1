/**
 * Sessions that outlive their connection, and wills, as a client sees them on a socket, by
 * statement. One process keeps them here; what gateways and dispatchers do when they fail is proven
 * with the real core.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startEdge } from '../fixtures/edge-under-test.ts';
import type { EdgeUnderTest } from '../fixtures/edge-under-test.ts';
import {
  ack,
  connect,
  disconnect,
  properties,
  property,
  publish,
  u32,
  unsubscribe,
} from '../fixtures/mqtt-client-encoder.ts';
import type { ConnectFields } from '../fixtures/mqtt-client-encoder.ts';
import { MqttProbe } from '../fixtures/mqtt-probe.ts';
import { waitFor } from '../fixtures/wait-for.ts';
import { SESSION_CASES } from './cases/sessions.ts';
import { Clients, isQuiet, stays } from './clients.ts';
import { runCases } from './statement-case.ts';

let edge: EdgeUnderTest;
before(async () => {
  edge = await startEdge({ outboundBytesMax: 256 * 1024 });
});
after(() => edge.close());

const broker = () => ({ ports: [edge.port] });
const clients = new Clients(broker);
runCases(SESSION_CASES, broker, ['one']);

/** The connection breaks, and the gateway knows it. */
async function drop(probe: MqttProbe): Promise<void> {
  const { connectionsOpen } = edge.edge.metrics;
  probe.destroy();
  await waitFor(() => edge.edge.metrics.connectionsOpen < connectionsOpen);
}

test('[both MQTT-3.14.4-3] DISCONNECT may end the session, and 0x00 the will', async () => {
  const will = { topic: 'will/kept', payload: Buffer.from('!') };
  const first = (await clients.open(5, { ...stays('ends', 5), will })).probe;
  first.send(disconnect(Buffer.from([0]), properties(property(0x11, u32(0)))));
  await first.closed();
  const { probe, connack } = await clients.open(5, { ...stays('ends', 5), will });
  assert.equal(connack.sessionPresent, false, '[MQTT-4.1.0-2]');
  assert.deepEqual(edge.core.wills, []);
  probe.send(disconnect(Buffer.from([4])));
  await probe.closed();
  assert.deepEqual(edge.core.wills, ['will/kept']);
  assert.equal(edge.core.departures.at(-1)?.sessionExpirySeconds, 3_600);
});

test('[both MQTT-3.1.2-8] any other end publishes the will: loss, error, take-over, silence', async () => {
  edge.core.wills.length = 0;
  const fields = (topic: string): ConnectFields => ({
    clientIdentifier: 'leaves',
    will: { topic, payload: Buffer.from('!'), qos: 2, retain: true },
  });
  await drop((await clients.open(5, fields('lost'))).probe);
  const wrong = (await clients.open(4, fields('error'))).probe;
  wrong.send(connect(4, fields('error')));
  await wrong.closed();
  const older = (await clients.open(5, fields('taken'))).probe;
  const newer = (await clients.open(5, fields('silent'))).probe;
  assert.equal((await older.expect('disconnect')).reasonCode, 0x8e);
  for (let i = 0; i < 4 * 100; i++) edge.edge.wheel.advance();
  assert.equal((await newer.expect('disconnect')).reasonCode, 0x8d);
  await newer.closed();
  assert.deepEqual(edge.core.wills, ['lost', 'error', 'taken', 'silent']);
  const four = (await clients.open(4, fields('kept'))).probe;
  four.send(disconnect());
  await four.closed();
  assert.equal(edge.core.wills.length, 4, '[MQTT-3.14.4-3] of 3.1.1');
});

test('a slow client of a stored session is not ended: the rest waits in its queue', async () => {
  const probe = await clients.subscribed(5, stays('slow', 5), 'slow');
  const payloads = Array.from({ length: 600 }, (_, i) => String(i).padEnd(1_000, '.'));
  await clients.send('slow', 1, ...payloads);
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
  await drop(await clients.subscribed(5, fields, 'names'));
  const publisher = await MqttProbe.connected({ port: edge.port, clientIdentifier: 'publisher' });
  const expired = { topic: 'names', properties: properties(property(0x02, u32(0))) };
  for (const qos of [1, 2]) publisher.send(publish(5, { ...expired, qos, packetIdentifier: qos }));
  await publisher.expect('puback');
  await drop(publisher);
  await clients.send('names', 1, 'x'.repeat(500), 'fits');
  const { dropped } = edge.edge.metrics;
  const before = dropped.message_exceeds_client_maximum;
  const expiredBefore = dropped.message_expired;
  const { probe } = await clients.open(5, fields);
  const message = await probe.expect('publish');
  assert.equal(String(message.payload), 'fits', '[MQTT-3.1.2-25]');
  assert.equal(dropped.message_exceeds_client_maximum, before + 1);
  assert.equal(dropped.message_expired, expiredBefore + 2);
  probe.send(ack('puback', message.messageId ?? 0));
  await isQuiet(probe);
  await drop(probe);
  const again = (await clients.open(5, fields)).probe;
  await isQuiet(again);
  again.destroy();
});

test('UNSUBACK waits until the end of a stored subscription is effective', async () => {
  const probe = await clients.subscribed(5, stays('unsuback', 5), 'off');
  edge.core.decidesSubscribes = false;
  probe.send(unsubscribe(5, ['off']));
  await isQuiet(probe);
  edge.core.makeEffective();
  edge.core.decidesSubscribes = true;
  await probe.expect('unsuback');
  probe.destroy();
});
