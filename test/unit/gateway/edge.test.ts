/**
 * The edge on plain sockets: time-outs, back-pressure in both directions, slow clients, faults of
 * our own, and the orderly end.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { startEdge } from '../../fixtures/edge-under-test.ts';
import type { EdgeTestOptions, EdgeUnderTest } from '../../fixtures/edge-under-test.ts';
import { connect, PINGREQ, publish, subscribe } from '../../fixtures/mqtt-client-encoder.ts';
import { MqttProbe } from '../../fixtures/mqtt-probe.ts';
import { waitFor } from '../../fixtures/wait-for.ts';

async function start(context: TestContext, options: EdgeTestOptions = {}): Promise<EdgeUnderTest> {
  const edge = await startEdge(options);
  context.after(() => edge.close());
  return edge;
}

function advance(edge: EdgeUnderTest, seconds: number): void {
  for (let i = 0; i < seconds * 4; i++) edge.edge.wheel.advance();
}

test('[MQTT-3.1.2-22] silence of 1.5 times the keep alive ends a connection, not less', async (t) => {
  const edge = await start(t);
  const probe = await MqttProbe.connected({ port: edge.port, keepAliveSeconds: 10 });
  advance(edge, 14);
  probe.send(PINGREQ);
  await probe.expect('pingresp');
  advance(edge, 14);
  probe.send(PINGREQ);
  await probe.expect('pingresp');
  advance(edge, 16);
  assert.equal((await probe.expect('disconnect')).reasonCode, 0x8d);
  await probe.closed();
  assert.equal(edge.edge.metrics.ended.keep_alive_timeout, 1);
});

test('bytes that make no packet do not count as a sign of life', async (t) => {
  const edge = await start(t);
  const probe = await MqttProbe.connected({ port: edge.port, keepAliveSeconds: 10 });
  const bytes = edge.edge.metrics.bytesReceived;
  advance(edge, 14);
  probe.send(Buffer.from([0x30, 50, 0]));
  await waitFor(() => edge.edge.metrics.bytesReceived === bytes + 3);
  advance(edge, 2);
  assert.equal((await probe.expect('disconnect')).reasonCode, 0x8d);
});

test('keep alive 0 of 3.1.1 never ends', async (t) => {
  const edge = await start(t);
  const probe = await MqttProbe.connected({ port: edge.port, version: 4, keepAliveSeconds: 0 });
  advance(edge, 3_000);
  probe.send(PINGREQ);
  await probe.expect('pingresp');
  probe.destroy();
});

test('a CONNECT that never comes, or never ends, is closed silently after the time-out', async (t) => {
  const edge = await start(t);
  const silent = await MqttProbe.open({ port: edge.port });
  const slow = await MqttProbe.open({ port: edge.port });
  slow.send(connect(5).subarray(0, 10));
  await waitFor(() => edge.edge.connectionCount === 2 && edge.edge.metrics.bytesReceived === 10);
  advance(edge, 9);
  assert.equal(edge.edge.connectionCount, 2);
  advance(edge, 2);
  await silent.closed();
  await slow.closed();
  assert.equal(silent.receivedBytes + slow.receivedBytes, 0);
  assert.equal(edge.edge.metrics.ended.connect_timeout, 2);
});

test('a CONNECT that nobody decides is answered with server unavailable', async (t) => {
  const edge = await start(t);
  edge.core.acceptsConnect = false;
  const probe = await MqttProbe.open({ port: edge.port });
  const holds = edge.edge.metrics.inputHolds;
  probe.send(connect(5));
  await waitFor(() => edge.edge.metrics.inputHolds > holds);
  advance(edge, 16);
  assert.equal((await probe.expect('connack')).reasonCode, 0x88);
  await probe.closed();
});

test('while the core pauses nothing is read, and no client is ended for silence', async (t) => {
  const edge = await start(t);
  const probe = await MqttProbe.connected({ port: edge.port, keepAliveSeconds: 10 });
  edge.core.pause(true);
  probe.send(publish(5, { topic: 'paused', qos: 1 }), PINGREQ);
  const late = await MqttProbe.open({ port: edge.port });
  late.send(connect(5, { clientIdentifier: 'late' }));
  advance(edge, 60);
  assert.deepEqual(edge.core.published, []);
  edge.core.pause(false);
  const kinds = [(await probe.next()).cmd, (await probe.next()).cmd];
  assert.deepEqual(kinds.toSorted(), ['pingresp', 'puback']);
  await late.expect('connack');
  late.destroy();
  probe.destroy();
});

test('a slow subscriber loses QoS 0 by name and stays', async (t) => {
  const edge = await start(t, { outboundBytesMax: 1024 * 1024 });
  const subscriber = await MqttProbe.connected({ port: edge.port, clientIdentifier: 's' });
  subscriber.send(subscribe(5, [['flood', 1]]));
  await subscriber.expect('suback');
  subscriber.socket.pause();
  const publisher = await MqttProbe.connected({ port: edge.port, clientIdentifier: 'p' });
  const { dropped } = edge.edge.metrics;
  const message = publish(5, { topic: 'flood', payload: Buffer.alloc(10_000) });
  for (let i = 0; i < 200 && dropped.qos0_slow_consumer === 0; i++) {
    publisher.send(...Array.from({ length: 50 }, () => message), PINGREQ);
    await publisher.expect('pingresp');
  }
  assert.ok(dropped.qos0_slow_consumer > 0);
  subscriber.socket.resume();
  subscriber.send(PINGREQ);
  while ((await subscriber.next()).cmd !== 'pingresp');
  subscriber.destroy();
  publisher.destroy();
});

test('a slow subscriber of QoS 1 is ended as slow consumer, its publisher is not', async (t) => {
  const edge = await start(t, { outboundBytesMax: 256 * 1024 });
  const subscriber = await MqttProbe.connected({ port: edge.port, clientIdentifier: 's' });
  subscriber.send(subscribe(5, [['flood', 1]]));
  await subscriber.expect('suback');
  const publisher = await MqttProbe.connected({ port: edge.port, clientIdentifier: 'p' });
  // It reads, but never acknowledges: the window fills, then the backlog.
  const { ended } = edge.edge.metrics;
  for (let i = 1; i < 2_000 && ended.slow_consumer === 0; i++) {
    const fields = { topic: 'flood', qos: 1, packetIdentifier: i, payload: Buffer.alloc(1_000) };
    publisher.send(publish(5, fields));
    await publisher.expect('puback');
  }
  assert.equal(ended.slow_consumer, 1);
  const rest = await subscriber.closed();
  assert.equal(rest.at(-1)?.cmd, 'disconnect');
  publisher.send(PINGREQ);
  await publisher.expect('pingresp');
  publisher.destroy();
});

test('who does not read what is sent is not read either', async (t) => {
  const edge = await start(t);
  const probe = await MqttProbe.connected({ port: edge.port });
  probe.socket.pause();
  const { metrics } = edge.edge;
  const holds = metrics.inputHolds;
  const pings = Buffer.concat(Array.from({ length: 100_000 }, () => PINGREQ));
  for (let i = 0; i < 100 && metrics.inputHolds === holds; i++) {
    if (!probe.socket.write(pings)) await new Promise((resolve) => setImmediate(resolve));
  }
  await waitFor(() => metrics.inputHolds > holds);
  probe.destroy();
});

test('an error of our own ends one connection as internal error, and no other', async (t) => {
  const edge = await start(t);
  const other = await MqttProbe.connected({ port: edge.port, clientIdentifier: 'other' });
  const probe = await MqttProbe.connected({ port: edge.port, clientIdentifier: 'hit' });
  const { publish: route } = edge.core;
  edge.core.publish = () => {
    throw new Error('planted');
  };
  probe.send(publish(5, { topic: 'x' }), PINGREQ);
  assert.equal((await probe.expect('disconnect')).reasonCode, 0x80);
  await probe.closed();
  edge.core.publish = route;
  other.send(publish(5, { topic: 'x', qos: 1 }));
  await other.expect('puback');
  assert.equal(edge.edge.metrics.ended.internal_error, 1);
  other.destroy();
});

test('more connections than allowed are closed at once', async (t) => {
  const edge = await start(t, { connectionCountMax: 1 });
  const probe = await MqttProbe.connected({ port: edge.port });
  const second = await MqttProbe.open({ port: edge.port });
  await second.closed();
  assert.equal(edge.edge.metrics.ended.server_busy, 1);
  probe.destroy();
});

test('the orderly end sends the PUBACKs under way, then says 0x8B', async (t) => {
  const edge = await start(t);
  edge.core.decidesAppends = false;
  const probe = await MqttProbe.connected({ port: edge.port });
  const four = await MqttProbe.connected({ port: edge.port, version: 4, clientIdentifier: 'v4' });
  probe.send(publish(5, { qos: 1, packetIdentifier: 3 }));
  await waitFor(() => edge.core.waitingAppends === 1);
  const closing = edge.edge.close();
  edge.core.settle();
  await closing;
  assert.equal((await probe.expect('puback')).messageId, 3);
  assert.equal((await probe.expect('disconnect')).reasonCode, 0x8b);
  await probe.closed();
  assert.deepEqual(await four.closed(), []);
  await waitFor(() => edge.edge.metrics.connectionsOpen === 0);
  assert.equal(edge.core.clients.size, 0);
});

test('a packet larger than the write buffers arrives whole, among small ones', async (t) => {
  const edge = await start(t);
  const probe = await MqttProbe.connected({ port: edge.port });
  probe.send(subscribe(5, [['size', 1]]));
  await probe.expect('suback');
  const sizes = [0, 1, 1_990, 2_048, 10_000, 16_384, 65_500, 65_536, 300_000, 5];
  for (const qos of [0, 1]) {
    probe.send(
      ...sizes.map((size, i) =>
        publish(5, { topic: 'size', qos, packetIdentifier: i + 1, payload: Buffer.alloc(size, i) }),
      ),
    );
    const seen: Buffer[] = [];
    while (seen.length < sizes.length) {
      const packet = await probe.next();
      if (packet.cmd === 'publish') seen.push(packet.payload as Buffer);
    }
    assert.deepEqual(
      seen.map((payload) => payload.length),
      sizes,
    );
    seen.forEach((payload, i) => assert.ok(payload.every((byte) => byte === i)));
  }
  probe.destroy();
});
