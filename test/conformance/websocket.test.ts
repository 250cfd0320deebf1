/**
 * MQTT over WebSocket as a client sees it, by statement (MQTT 3.1.1 and 5.0, section 6).
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PLAIN, startEdge } from '../fixtures/edge-under-test.ts';
import type { EdgeUnderTest } from '../fixtures/edge-under-test.ts';
import { connect, PINGREQ, publish, subscribe } from '../fixtures/mqtt-client-encoder.ts';
import { WebSocketProbe } from '../fixtures/websocket-probe.ts';

let edge: EdgeUnderTest;
let url = '';
before(async () => {
  edge = await startEdge();
  const { port } = await edge.edge.listen({ ...PLAIN, name: 'ws', speaks: 'websocket' });
  url = `ws://127.0.0.1:${port}/mqtt`;
});
after(() => edge.close());

for (const version of [4, 5] as const) {
  test(`[both MQTT-6.0.0-1] ${version}: a text message closes, before and after CONNECT`, async () => {
    const { ended } = edge.edge.metrics;
    const before = ended.websocket_text_frame;
    const early = await WebSocketProbe.open(url, { version });
    early.webSocket.send(connect(version).toString('latin1'));
    assert.equal(await early.closed(), 1003);
    const late = await WebSocketProbe.open(url, { version });
    late.send(connect(version));
    await late.expect('connack');
    late.webSocket.send('text');
    late.send(publish(version, { topic: 'behind/text' }));
    assert.equal(await late.closed(), 1003);
    assert.equal(ended.websocket_text_frame, before + 2);
    assert.ok(!edge.core.published.includes('behind/text'));
  });

  test(`[both MQTT-6.0.0-2] ${version}: packets are cut anywhere, or come together`, async () => {
    const probe = await WebSocketProbe.open(url, { version });
    for (const byte of connect(version)) probe.send(Buffer.from([byte]));
    await probe.expect('connack');
    const packets = [
      subscribe(version, [['cut/#', 0]]),
      publish(version, { topic: 'cut/1', payload: Buffer.alloc(5_000, 1) }),
      PINGREQ,
    ];
    probe.send(Buffer.concat(packets));
    const kinds = [await probe.expect('publish'), await probe.expect('pingresp')];
    assert.equal(kinds[0]?.cmd, 'publish');
    await probe.expect('suback');
    // The end of one packet and the beginning of the next in one message; then in fragments.
    const two = Buffer.concat([publish(version, { topic: 'cut/2' }), PINGREQ, PINGREQ]);
    probe.send(two.subarray(0, 3));
    probe.send(two.subarray(3, two.length - 1));
    probe.webSocket.send(two.subarray(two.length - 1), { fin: false, binary: true });
    probe.webSocket.send(Buffer.alloc(0), { fin: false });
    probe.webSocket.send(PINGREQ, { fin: true });
    await probe.expect('publish');
    for (let i = 0; i < 3; i++) await probe.expect('pingresp');
    probe.destroy();
  });

  test(`[both MQTT-6.0.0-3] ${version}: an upgrade without subprotocol mqtt is refused`, async () => {
    const before = edge.edge.metrics.ended.websocket_handshake_invalid;
    for (const protocols of [[], ['mqttv3.1'], ['chat', 'MQTT']]) {
      const opening = WebSocketProbe.open(url, { version, protocols });
      await assert.rejects(opening, /server response: 400/);
    }
    assert.equal(edge.edge.metrics.ended.websocket_handshake_invalid, before + 3);
  });

  test(`[both MQTT-6.0.0-4] ${version}: the answer selects subprotocol mqtt`, async () => {
    for (const protocols of [['mqtt'], ['chat', 'mqtt']]) {
      const probe = await WebSocketProbe.open(url, { version, protocols });
      assert.equal(probe.webSocket.protocol, 'mqtt');
      probe.send(connect(version));
      await probe.expect('connack');
      probe.destroy();
    }
  });
}
