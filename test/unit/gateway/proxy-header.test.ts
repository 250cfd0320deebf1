/**
 * PROXY protocol: the header as bytes, and what a listener does with it; a real haproxy at the end.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { AddressRanges } from '../../../services/gateway/address-ranges.ts';
import type { ListenerPlan } from '../../../services/gateway/listener-plan.ts';
import { readProxyHeader } from '../../../services/gateway/proxy-header.ts';
import { makeTlsOffer } from '../../../services/gateway/tls-context.ts';
import { makeCertificate } from '../../fixtures/certificates.ts';
import { PLAIN, startEdge } from '../../fixtures/edge-under-test.ts';
import type { EdgeUnderTest } from '../../fixtures/edge-under-test.ts';
import { HaProxy, findHaProxy } from '../../fixtures/haproxy.ts';
import { connect, PINGREQ } from '../../fixtures/mqtt-client-encoder.ts';
import { MqttProbe } from '../../fixtures/mqtt-probe.ts';
import { waitFor } from '../../fixtures/wait-for.ts';
import { WebSocketProbe } from '../../fixtures/websocket-probe.ts';

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const IPV4_BODY = Buffer.from([192, 0, 2, 7, 198, 51, 100, 1, 0xd4, 0x31, 0x22, 0xb3]);
const IPV6_BODY = Buffer.concat([
  Buffer.from('20010db8000000000000000000000007', 'hex'),
  Buffer.from('20010db8000000000000000000000001', 'hex'),
  Buffer.from([0xd4, 0x31, 0x22, 0xb3]),
]);

function v2(command: number, family: number, body: Buffer, announced = body.length): Buffer {
  const fixed = Buffer.from([command, family, announced >> 8, announced & 0xff]);
  return Buffer.concat([SIGNATURE, fixed, body]);
}

describe('a good header says who the client is, however it is cut', () => {
  const tlv = Buffer.from([0x04, 0, 3, 1, 2, 3]);
  const good: [name: string, header: Buffer, address: string | undefined][] = [
    ['v1 TCP4', Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 54321 8883\r\n'), '192.0.2.7'],
    ['v1 TCP6', Buffer.from('PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\n'), '2001:db8::7'],
    ['v1 UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n'), undefined],
    ['v1 UNKNOWN with more', Buffer.from('PROXY UNKNOWN ffff::1 b c d\r\n'), undefined],
    ['v2 TCP4', v2(0x21, 0x11, IPV4_BODY), '192.0.2.7'],
    ['v2 TCP6', v2(0x21, 0x21, IPV6_BODY), '2001:db8::7'],
    ['v2 with a TLV', v2(0x21, 0x11, Buffer.concat([IPV4_BODY, tlv])), '192.0.2.7'],
    ['v2 LOCAL', v2(0x20, 0x00, Buffer.alloc(0)), undefined],
    ['v2 LOCAL with addresses', v2(0x20, 0x11, IPV4_BODY), undefined],
    ['v2 unspecified', v2(0x21, 0x00, Buffer.alloc(4)), undefined],
  ];
  for (const [name, header, address] of good) {
    test(name, () => {
      const bytes = Buffer.concat([header, Buffer.from('behind')]);
      for (let end = 0; end < header.length; end++) {
        assert.equal(readProxyHeader(bytes.subarray(0, end)).kind, 'unfinished', String(end));
      }
      const expected = { kind: 'complete', length: header.length, address };
      assert.deepEqual(readProxyHeader(bytes), expected);
    });
  }
});

describe('a bad header is refused at the first impossible byte', () => {
  const bad: [name: string, header: Buffer][] = [
    ['an MQTT packet', Buffer.from([0x10])],
    ['a ClientHello', Buffer.from([0x16])],
    ['almost the word', Buffer.from('PROXI')],
    ['almost the signature', Buffer.from('0d0a0d0a000d0a51554955', 'hex')],
    ['v1 of another family', Buffer.from('PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n')],
    ['v1 with the wrong family', Buffer.from('PROXY TCP4 ::1 ::1 1 2\r\n')],
    ['v1 without a port', Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n')],
    ['v1 with a port too large', Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n')],
    ['v1 with a port of letters', Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 1 0x2\r\n')],
    ['v1 with two blanks', Buffer.from('PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n')],
    ['v1 without end', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(100)}`)],
    ['v2 of version 3', v2(0x31, 0x11, IPV4_BODY)],
    ['v2 with another command', v2(0x22, 0x11, IPV4_BODY)],
    ['v2 over UDP', v2(0x21, 0x12, IPV4_BODY)],
    ['v2 of a Unix socket', v2(0x21, 0x31, Buffer.alloc(216))],
    ['v2 too short for its addresses', v2(0x21, 0x21, IPV4_BODY)],
    ['v2 that announces 64 KiB', v2(0x21, 0x11, Buffer.alloc(0), 0xffff)],
  ];
  for (const [name, header] of bad) {
    test(name, () => assert.equal(readProxyHeader(header).kind, 'invalid'));
  }
});

const LOOPBACK = new AddressRanges('127.0.0.0/8', 'test');
const V1 = Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 54321 8883\r\n');

let edge: EdgeUnderTest;
let tls: Pick<ListenerPlan, 'tlsOffer'>;
before(async () => {
  edge = await startEdge();
  const server = await makeCertificate({ commonName: 'localhost' });
  const offer = makeTlsOffer([{ cert: server.pem, key: server.keyPem }]);
  tls = { tlsOffer: () => offer };
});
after(() => edge.close());

async function listen(more: Partial<ListenerPlan>): Promise<number> {
  return (await edge.edge.listen({ ...PLAIN, proxiesFrom: LOOPBACK, ...more })).port;
}

async function isClosed(port: number, bytes: Buffer): Promise<void> {
  const socket = connectTcp(port, '127.0.0.1');
  socket.on('error', () => socket.destroy());
  socket.write(bytes);
  await new Promise((resolve) => socket.resume().once('close', resolve));
}

test('behind a header, in one piece with it or not, MQTT is served', async () => {
  const port = await listen({});
  for (const cut of [0, 1, 20, V1.length, V1.length + 1]) {
    const probe = await MqttProbe.open({ port });
    const bytes = Buffer.concat([V1, connect(5, { clientIdentifier: `cut-${cut}` }), PINGREQ]);
    probe.send(bytes.subarray(0, cut));
    await new Promise((resolve) => setImmediate(resolve));
    probe.send(bytes.subarray(cut));
    await probe.expect('connack');
    await probe.expect('pingresp');
    probe.destroy();
  }
});

test('the log names the client, not the proxy', async (context) => {
  const lines: string[] = [];
  const logging = await startEdge({ onLogLine: (line) => lines.push(line) });
  context.after(() => logging.close());
  const { port } = await logging.edge.listen({ ...PLAIN, proxiesFrom: LOOPBACK });
  await isClosed(port, Buffer.concat([V1, connect(5, { flags: 0x03 })]));
  assert.ok(lines.some((line) => /"malformed_packet".*"address":"192\.0\.2\.7"/.test(line)));
});

test('a header from an address that is no proxy is not even read', async () => {
  const port = await listen({ proxiesFrom: new AddressRanges('10.0.0.0/8', 'test') });
  await isClosed(port, Buffer.concat([V1, connect(5)]));
  assert.equal(edge.edge.metrics.ended.proxy_untrusted, 1);
});

test('a missing or broken header closes by name; a probe without a byte is none', async () => {
  const { ended } = edge.edge.metrics;
  const port = await listen({});
  const before = ended.proxy_header_invalid;
  await isClosed(port, connect(5));
  await isClosed(port, Buffer.from('PROXY TCP4 nonsense\r\n'));
  assert.equal(ended.proxy_header_invalid, before + 2);
  const lost = ended.connection_lost;
  const probe = connectTcp(port, '127.0.0.1');
  await once(probe, 'connect');
  probe.end();
  await waitFor(() => ended.connection_lost === lost + 1);
  assert.equal(ended.proxy_header_invalid, before + 2);
});

test('a header that does not come is not waited for', async () => {
  const { ended, connectionsAccepted } = edge.edge.metrics;
  const port = await listen({});
  const before = ended.proxy_header_invalid;
  const socket = connectTcp(port, '127.0.0.1');
  socket.write(V1.subarray(0, 10));
  await waitFor(() => edge.edge.metrics.connectionsAccepted === connectionsAccepted + 1);
  for (let i = 0; i < 25; i++) edge.edge.wheel.advance();
  // What was not read may make the end a reset.
  socket.on('error', () => socket.destroy());
  await new Promise((resolve) => socket.resume().once('close', resolve));
  assert.equal(ended.proxy_header_invalid, before + 1);
});

test('allowed ranges are asked about the client, not about the proxy', async () => {
  const { ended } = edge.edge.metrics;
  const port = await listen({ allowedFrom: new AddressRanges('192.0.2.0/29', 'test') });
  const probe = await MqttProbe.open({ port });
  probe.send(V1, connect(5));
  await probe.expect('connack');
  probe.destroy();
  const other = Buffer.from('PROXY TCP4 192.0.2.9 198.51.100.1 54321 8883\r\n');
  await isClosed(port, Buffer.concat([other, connect(5)]));
  assert.equal(ended.source_not_allowed, 1);
});

/** A relay that puts a header in front of what the client says. */
async function relay(to: number, header: Buffer): Promise<{ port: number; close(): void }> {
  const server = createServer((inner: Socket) => {
    const outer = connectTcp(to, '127.0.0.1');
    for (const socket of [inner, outer]) socket.on('error', () => socket.destroy());
    outer.write(header);
    inner.pipe(outer).pipe(inner);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { port: address.port, close: () => server.close() };
}

test('the header stands before TLS, for MQTT and for WebSocket', async (context) => {
  edge.directory.clients.set('proxied', 'enabled');
  const leaf = await makeCertificate({ commonName: 'proxied' });
  const client = { cert: leaf.pem, key: leaf.keyPem, rejectUnauthorized: false };
  const port = await listen({ ...tls, speaks: 'both' });
  for (const header of [V1, v2(0x21, 0x21, IPV6_BODY)]) {
    const proxy = await relay(port, header);
    context.after(() => proxy.close());
    const probe = await MqttProbe.connected({ port: proxy.port, tls: client });
    probe.destroy();
    const web = await WebSocketProbe.open(`wss://127.0.0.1:${proxy.port}/mqtt`, {
      options: client,
    });
    web.send(connect(5));
    await web.expect('connack');
    web.destroy();
  }
});

const haProxyPath = findHaProxy();
for (const version of ['send-proxy', 'send-proxy-v2'] as const) {
  const skip = haProxyPath === undefined ? 'no haproxy on this machine' : false;
  test(`a real haproxy with ${version}, over TLS`, { skip }, async (context) => {
    edge.directory.clients.set('proxied', 'enabled');
    const leaf = await makeCertificate({ commonName: 'proxied' });
    const client = { cert: leaf.pem, key: leaf.keyPem, rejectUnauthorized: false };
    const port = await listen({ ...tls, allowedFrom: new AddressRanges('127.0.0.1', 'test') });
    const proxy = await HaProxy.start(haProxyPath ?? '', { version, to: port });
    context.after(() => proxy.stop());
    const probe = await MqttProbe.connected({ port: proxy.port, tls: client });
    probe.send(PINGREQ);
    await probe.expect('pingresp');
    probe.destroy();
  });
}
