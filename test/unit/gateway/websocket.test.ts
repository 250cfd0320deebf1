/**
 * MQTT over WebSocket over real sockets: who gets in, what is refused by name and code, bounds.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { connectAsync } from 'mqtt';
import type { ListenerPlan } from '../../../services/gateway/listener-plan.ts';
import { makeTlsOffer } from '../../../services/gateway/tls-context.ts';
import { makeCertificate } from '../../fixtures/certificates.ts';
import { PLAIN, startEdge } from '../../fixtures/edge-under-test.ts';
import type { EdgeUnderTest } from '../../fixtures/edge-under-test.ts';
import {
  connect,
  packet,
  PINGREQ,
  publish,
  subscribe,
} from '../../fixtures/mqtt-client-encoder.ts';
import { MqttProbe } from '../../fixtures/mqtt-probe.ts';
import { waitFor } from '../../fixtures/wait-for.ts';
import { WebSocketProbe } from '../../fixtures/websocket-probe.ts';

const WS: ListenerPlan = { ...PLAIN, name: 'ws', speaks: 'websocket' };
const PACKET_BYTES_MAX = 64 * 1024;

let edge: EdgeUnderTest;
let port = 0;
let wssPort = 0;
let sharedPort = 0;
let client: { cert: string; key: string; rejectUnauthorized: boolean };

before(async () => {
  edge = await startEdge({
    limits: { maximumPacketSizeBytes: PACKET_BYTES_MAX },
    outboundBytesMax: 512 * 1024,
  });
  const server = await makeCertificate({ commonName: 'localhost' });
  const leaf = await makeCertificate({ commonName: 'browser' });
  const offer = makeTlsOffer([{ cert: server.pem, key: server.keyPem }]);
  client = { cert: leaf.pem, key: leaf.keyPem, rejectUnauthorized: false };
  edge.directory.clients.set('browser', 'enabled');
  port = (await edge.edge.listen(WS)).port;
  wssPort = (await edge.edge.listen({ ...WS, name: 'wss', tlsOffer: () => offer })).port;
  const shared: ListenerPlan = { ...WS, name: 'mqtts', speaks: 'both', tlsOffer: () => offer };
  sharedPort = (await edge.edge.listen(shared)).port;
});
after(() => edge.close());

async function openRaw(path = '/mqtt', head = ''): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1');
  await once(socket, 'connect');
  const lines = [
    `GET ${path} HTTP/1.1`,
    'Host: localhost',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Protocol: mqtt',
  ];
  socket.write(`${lines.join('\r\n')}\r\n${head}\r\n`);
  return socket;
}

/** Everything until the end of the connection. */
async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => socket.destroy());
  await new Promise((resolve) => socket.once('close', resolve));
  return Buffer.concat(chunks);
}

test('a client certificate gets in over wss, and its registry decides as over TLS', async () => {
  const probe = await WebSocketProbe.open(`wss://127.0.0.1:${wssPort}/mqtt?x=1`, {
    options: client,
  });
  probe.send(connect(5, { clientIdentifier: 'wss' }));
  assert.equal((await probe.expect('connack')).reasonCode, 0);
  edge.directory.clients.set('browser', 'disabled');
  edge.directory.change('browser');
  assert.equal((await probe.expect('disconnect')).reasonCode, 0x87);
  assert.equal(await probe.closed(), 1000);
  edge.directory.clients.set('browser', 'enabled');
  const nobody = await WebSocketProbe.open(`wss://127.0.0.1:${wssPort}/mqtt`, {
    options: { rejectUnauthorized: false },
  });
  nobody.send(connect(5));
  assert.equal((await nobody.expect('connack')).reasonCode, 0x87);
  await nobody.closed();
});

test('MQTT.js works over ws and wss, in both versions', async () => {
  for (const protocolVersion of [4, 5] as const) {
    for (const url of [`ws://127.0.0.1:${port}/mqtt`, `wss://127.0.0.1:${wssPort}/mqtt`]) {
      const tls = url.startsWith('wss') ? client : {};
      const options = { protocolVersion, reconnectPeriod: 0, ...tls };
      const mqtt = await connectAsync(url, options);
      const arrived = new Promise<[string, Buffer]>((resolve) => {
        mqtt.once('message', (topic, payload) => resolve([topic, payload]));
      });
      await mqtt.subscribeAsync('js/#', { qos: 1 });
      await mqtt.publishAsync('js/1', Buffer.alloc(30_000, 7), { qos: 1 });
      const [topic, payload] = await arrived;
      assert.equal(topic, 'js/1');
      assert.equal(payload.length, 30_000);
      await mqtt.endAsync();
    }
  }
});

test('one port serves both: by ALPN, and without it by the first byte', async () => {
  const tls = { ...client };
  for (const ALPNProtocols of [['mqtt'], undefined]) {
    const alpn = ALPNProtocols === undefined ? {} : { ALPNProtocols };
    const probe = await MqttProbe.connected({ port: sharedPort, tls: { ...tls, ...alpn } });
    probe.send(PINGREQ);
    await probe.expect('pingresp');
    probe.destroy();
    const alpnOfWeb = ALPNProtocols === undefined ? {} : { ALPNProtocols: ['http/1.1'] };
    const web = await WebSocketProbe.open(`wss://127.0.0.1:${sharedPort}/mqtt`, {
      options: { ...client, ...alpnOfWeb },
    });
    web.send(connect(5));
    await web.expect('connack');
    web.destroy();
  }
  // Named MQTT, spoken HTTP: what was agreed on holds.
  const liar = connectTls({ port: sharedPort, ...tls, ALPNProtocols: ['mqtt'] });
  liar.write('GET /mqtt HTTP/1.1\r\n\r\n');
  assert.equal((await readAll(liar)).length, 0);
});

test('a port takes only the protocols that it speaks', async () => {
  const other = connectTls({ port: wssPort, ...client, ALPNProtocols: ['mqtt'] });
  await assert.rejects(once(other, 'secureConnect'), /no application protocol/i);
  const before = edge.edge.metrics.ended.websocket_handshake_invalid;
  const mqtt = connectTls({ port: wssPort, ...client });
  mqtt.write(connect(5));
  assert.match((await readAll(mqtt)).toString(), /^HTTP\/1.1 400 /);
  assert.equal(edge.edge.metrics.ended.websocket_handshake_invalid, before + 1);
});

test('requests that are no upgrade here get an HTTP answer and the end', async () => {
  const { ended } = edge.edge.metrics;
  const before = ended.websocket_handshake_invalid;
  const ask = async (path: string, method: string): Promise<number | undefined> => {
    const asked = request({ port, host: '127.0.0.1', path, method }).end();
    const [response] = (await once(asked, 'response')) as [{ statusCode?: number; resume(): void }];
    response.resume();
    return response.statusCode;
  };
  assert.equal(await ask('/mqtt', 'GET'), 426);
  assert.equal(await ask('/mqtt', 'POST'), 426);
  assert.equal(await ask('/', 'GET'), 404);
  await assert.rejects(WebSocketProbe.open(`ws://127.0.0.1:${port}/other`), /response: 404/);
  const old = await openRaw('/mqtt', 'Sec-WebSocket-Version: 99\r\n');
  assert.match((await readAll(old)).toString(), /^HTTP\/1.1 400 [^]*Sec-WebSocket-Version: 13/);
  const rubbish = connectTcp(port, '127.0.0.1');
  rubbish.write('\0\0\0\0');
  assert.match((await readAll(rubbish)).toString(), /^HTTP\/1.1 400 /);
  assert.equal(ended.websocket_handshake_invalid, before + 6);
});

test('headers without end are refused, and slow ones are not waited for', async () => {
  const { ended } = edge.edge.metrics;
  const before = { ...ended };
  const large = await openRaw('/mqtt', `Cookie: ${'x'.repeat(20_000)}\r\n`);
  assert.match((await readAll(large)).toString(), /^HTTP\/1.1 400 /);
  assert.equal(ended.websocket_handshake_invalid, before.websocket_handshake_invalid + 1);
  const accepted = edge.edge.metrics.connectionsAccepted;
  const slow = connectTcp(port, '127.0.0.1');
  slow.write('GET /mqtt HTTP/1.1\r\nHost: ');
  await waitFor(() => edge.edge.metrics.connectionsAccepted === accepted + 1);
  for (let i = 0; i < 50; i++) edge.edge.wheel.advance();
  assert.equal((await readAll(slow)).length, 0);
  assert.equal(ended.connect_timeout, before.connect_timeout + 1);
});

test('only listed origins get in, if a list is set; no origin is no browser', async () => {
  const { port: listed } = await edge.edge.listen({
    ...WS,
    webSocket: { path: '/broker', isOriginAllowed: (origin) => origin === 'https://a.test' },
  });
  const url = `ws://127.0.0.1:${listed}/broker`;
  const open = (origin: string) => WebSocketProbe.open(url, { options: { origin } });
  await assert.rejects(open('https://b.test'), /response: 403/);
  (await open('https://a.test')).destroy();
  (await WebSocketProbe.open(url)).destroy();
  assert.equal(edge.edge.metrics.ended.websocket_origin_refused, 1);
});

test('frames that the standard forbids close with 1002', async () => {
  const before = edge.edge.metrics.ended.websocket_protocol_error;
  const frames = {
    unmasked: Buffer.from([0x82, 2, 0xc0, 0]),
    'reserved bit': Buffer.from([0xc2, 0x80, 0, 0, 0, 0]),
    'reserved opcode': Buffer.from([0x83, 0x80, 0, 0, 0, 0]),
    'fragmented ping': Buffer.from([0x09, 0x80, 0, 0, 0, 0]),
    'continuation of nothing': Buffer.from([0x80, 0x80, 0, 0, 0, 0]),
  };
  for (const [name, frame] of Object.entries(frames)) {
    const socket = await openRaw();
    socket.write(frame);
    const answer = await readAll(socket);
    const close = answer.subarray(answer.indexOf('\r\n\r\n') + 4);
    assert.deepEqual([...close], [0x88, 2, 0x03, 0xea], name);
  }
  assert.equal(edge.edge.metrics.ended.websocket_protocol_error, before + 5);
});

test('a message that is announced too large closes with 1009 before its bytes come', async () => {
  const { ended } = edge.edge.metrics;
  const socket = await openRaw();
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(100n * 1024n * 1024n);
  socket.write(Buffer.concat([Buffer.from([0x82, 0xff]), length, Buffer.alloc(4)]));
  const answer = await readAll(socket);
  assert.deepEqual([...answer.subarray(-2)], [0x03, 0xf1]);
  assert.equal(ended.websocket_message_too_large, 1);
  const fragments = await WebSocketProbe.open(`ws://127.0.0.1:${port}/mqtt`);
  for (let i = 0; i < 10; i++) {
    fragments.webSocket.send(Buffer.alloc(40_000), { fin: false, binary: true });
  }
  assert.equal(await fragments.closed(), 1009);
  assert.equal(ended.websocket_message_too_large, 2);
  const pieces = await WebSocketProbe.open(`ws://127.0.0.1:${port}/mqtt`);
  pieces.send(connect(5, { clientIdentifier: 'pieces' }));
  await pieces.expect('connack');
  for (let i = 0; i < 1_100; i++) {
    pieces.webSocket.send(Buffer.alloc(1), { fin: false, binary: true });
  }
  assert.equal(await pieces.closed(), 1008);
  assert.equal(ended.websocket_message_too_large, 3);
});

test('a packet larger than the limit is refused in MQTT, not in WebSocket', async () => {
  const probe = await WebSocketProbe.open(`ws://127.0.0.1:${port}/mqtt`);
  probe.send(connect(5, { clientIdentifier: 'large' }));
  await probe.expect('connack');
  probe.send(packet(0x30, Buffer.alloc(PACKET_BYTES_MAX)));
  assert.equal((await probe.expect('disconnect')).reasonCode, 0x95);
  assert.equal(await probe.closed(), 1000);
});

test('pings are answered, pongs are taken, and a close is answered with its code', async () => {
  const probe = await WebSocketProbe.open(`ws://127.0.0.1:${port}/mqtt`);
  const pong = once(probe.webSocket, 'pong');
  probe.webSocket.ping('are you there');
  assert.equal(String((await pong)[0]), 'are you there');
  probe.webSocket.pong();
  probe.send(connect(5, { clientIdentifier: 'polite' }));
  await probe.expect('connack');
  const before = edge.edge.metrics.ended.connection_lost;
  probe.webSocket.close(1001);
  assert.equal(await probe.closed(), 1001);
  await waitFor(() => edge.edge.metrics.ended.connection_lost === before + 1);
});

test('a slow reader loses QoS 0 by name, as over TCP, and is not read either', async () => {
  const { metrics } = edge.edge;
  const slow = await WebSocketProbe.open(`ws://127.0.0.1:${port}/mqtt`);
  slow.send(connect(5, { clientIdentifier: 'slow-ws' }));
  await slow.expect('connack');
  slow.send(subscribe(5, [['flood', 0]]));
  await slow.expect('suback');
  slow.webSocket.pause();
  const publisher = await WebSocketProbe.open(`ws://127.0.0.1:${port}/mqtt`);
  publisher.send(connect(5, { clientIdentifier: 'fast-ws' }));
  await publisher.expect('connack');
  const message = publish(5, { topic: 'flood', payload: Buffer.alloc(50_000) });
  const before = metrics.dropped.qos0_slow_consumer;
  await waitFor(() => {
    for (let i = 0; i < 20; i++) publisher.send(message);
    return metrics.dropped.qos0_slow_consumer > before + 5;
  });
  assert.ok(metrics.inputHolds > 0);
  slow.webSocket.resume();
  slow.send(PINGREQ);
  await waitFor(async () => (await slow.expect('publish').catch(() => undefined)) === undefined);
  slow.destroy();
  publisher.destroy();
});

test('who pings without reading the pongs is ended', async () => {
  await waitFor(() => edge.edge.connectionCount === 0);
  const before = edge.edge.metrics.ended.connection_lost;
  const socket = await openRaw();
  socket.on('error', () => socket.destroy());
  const ping = Buffer.concat([Buffer.from([0x89, 0xfd, 0, 0, 0, 0]), Buffer.alloc(125)]);
  socket.write(Buffer.concat(Array.from({ length: 100_000 }, () => ping)));
  await waitFor(() => edge.edge.metrics.ended.connection_lost === before + 1);
  socket.destroy();
});

test('a connection that ends in the middle of anything leaves nothing behind', async () => {
  const { metrics } = edge.edge;
  const bytes = Buffer.from(
    'GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Protocol: mqtt\r\n\r\n',
  );
  for (let end = 0; end <= bytes.length; end += 23) {
    const socket = connectTcp(port, '127.0.0.1');
    socket.on('error', () => socket.destroy());
    await once(socket, 'connect');
    socket.write(bytes.subarray(0, end));
    if (end % 2 === 0) socket.end();
    else socket.resetAndDestroy();
    socket.resume();
  }
  await waitFor(() => metrics.connectionsOpen === 0);
  assert.equal(edge.edge.connectionCount, 0);
});

test('the orderly end says so in MQTT and closes the WebSocket', async () => {
  const ending = await startEdge();
  const { port: own } = await ending.edge.listen(WS);
  const probe = await WebSocketProbe.open(`ws://127.0.0.1:${own}/mqtt`);
  probe.send(connect(5));
  await probe.expect('connack');
  await ending.close();
  assert.equal((await probe.expect('disconnect')).reasonCode, 0x8b);
  assert.equal(await probe.closed(), 1000);
});
