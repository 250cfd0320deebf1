/**
 * The edge over TLS with real certificates: who gets in, who is told why not, what a change of the
 * registry does to open connections, and what does not speak TLS at all.
 */
import assert from 'node:assert/strict';
import { connect as connectTcp } from 'node:net';
import { after, before, test } from 'node:test';
import type { ConnectionOptions } from 'node:tls';
import type { Credentials } from '#registry';
import { makeTlsOffer } from '../../../services/gateway/tls-context.ts';
import { makeCertificate } from '../../fixtures/certificates.ts';
import type { IssuedCertificate } from '../../fixtures/certificates.ts';
import { PLAIN, startEdge } from '../../fixtures/edge-under-test.ts';
import type { EdgeUnderTest } from '../../fixtures/edge-under-test.ts';
import {
  PINGREQ,
  connect,
  disconnect,
  properties,
  property,
  publish,
  subscribe,
  u32,
} from '../../fixtures/mqtt-client-encoder.ts';
import type { ConnectFields } from '../../fixtures/mqtt-client-encoder.ts';
import { MqttProbe } from '../../fixtures/mqtt-probe.ts';
import { waitFor } from '../../fixtures/wait-for.ts';

let edge: EdgeUnderTest;
let port = 0;
let root: IssuedCertificate;
let intermediate: IssuedCertificate;

before(async () => {
  edge = await startEdge();
  root = await makeCertificate({ commonName: 'root', authority: true });
  intermediate = await makeCertificate({ commonName: 'middle', authority: true, issuer: root });
  const server = await makeCertificate({ commonName: 'localhost', issuer: root });
  const offer = makeTlsOffer([{ cert: server.pem + root.pem, key: server.keyPem }]);
  const plan = { ...PLAIN, name: 'mqtts', tlsOffer: () => offer };
  port = (await edge.edge.listen(plan)).port;
});
after(() => edge.close());

async function credentials(commonName: string): Promise<ConnectionOptions> {
  const leaf = await makeCertificate({ commonName, issuer: intermediate });
  return { cert: leaf.pem + intermediate.pem, key: leaf.keyPem };
}

async function known(name: string, fields: ConnectFields = {}): Promise<MqttProbe> {
  edge.directory.clients.set(name, 'enabled');
  const tls = await credentials(name);
  return MqttProbe.connected({ port, tls, clientIdentifier: name, ...fields });
}

async function refusal(tls: ConnectionOptions): Promise<number | undefined> {
  const probe = await MqttProbe.open({ port, tls });
  probe.send(connect(5, { clientIdentifier: 'refused' }));
  const { reasonCode } = await probe.expect('connack');
  await probe.closed();
  return reasonCode;
}

test('a known certificate gets in, over TLS 1.3 and 1.2, and is served', async () => {
  edge.directory.clients.set('thermostat', 'enabled');
  const tls = await credentials('thermostat');
  for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
    const versions = { minVersion: version, maxVersion: version };
    const probe = await MqttProbe.connected({ port, tls: { ...tls, ...versions } });
    probe.send(subscribe(5, [['t', 1]]), publish(5, { topic: 't', qos: 1 }));
    const kinds = [await probe.next(), await probe.next(), await probe.next()].map((p) => p.cmd);
    assert.deepEqual(kinds.toSorted(), ['puback', 'publish', 'suback']);
    probe.destroy();
  }
});

test('unknown, disabled and missing certificates are told 0x87, and counted by reason', async () => {
  const { ended } = edge.edge.metrics;
  edge.directory.clients.set('off', 'disabled');
  assert.equal(await refusal(await credentials('stranger')), 0x87);
  assert.equal(await refusal(await credentials('off')), 0x87);
  assert.equal(await refusal({}), 0x87);
  assert.deepEqual(
    [ended.client_unknown, ended.client_disabled, ended.certificate_missing],
    [1, 1, 1],
  );
});

test('the registry is shown the leaf and the chain that the client sent', async () => {
  const asked: Credentials[] = [];
  const { authenticate } = edge.directory;
  edge.directory.authenticate = (credentials, onOutcome) => {
    asked.push(credentials);
    authenticate.call(edge.directory, credentials, onOutcome);
  };
  const probe = await known('chained');
  edge.directory.authenticate = authenticate;
  const [shown] = asked;
  assert.match(shown?.leaf?.subject ?? '', /CN=chained/);
  assert.deepEqual(
    shown?.chain.map((certificate) => certificate.subject),
    ['CN=middle'],
  );
  assert.ok(shown?.leaf?.verify(intermediate.certificate.publicKey));
  probe.destroy();
});

test('a client that is disabled is disconnected with 0x87 within a second', async () => {
  const probe = await known('revoked');
  const other = await known('stays');
  const fromMs = performance.now();
  edge.directory.clients.set('revoked', 'disabled');
  edge.directory.change('revoked');
  assert.equal((await probe.expect('disconnect')).reasonCode, 0x87);
  await probe.closed();
  assert.ok(performance.now() - fromMs < 1_000);
  assert.equal(edge.edge.metrics.ended.authorization_revoked, 1);
  other.send(PINGREQ);
  await other.expect('pingresp');
  other.destroy();
});

test('new permissions hold at once; a subscription that is no longer allowed ends it', async () => {
  const publisher = await known('publisher');
  publisher.send(publish(5, { topic: 'area/1', qos: 1, packetIdentifier: 1 }));
  assert.equal((await publisher.expect('puback')).reasonCode ?? 0, 0);
  const subscriber = await known('subscriber');
  subscriber.send(subscribe(5, [['area/#', 0]]));
  await subscriber.expect('suback');
  const { asked } = edge.directory;
  edge.directory.denied = 'area/';
  edge.directory.change(undefined);
  assert.equal((await subscriber.expect('disconnect')).reasonCode, 0x87);
  await waitFor(() => edge.directory.asked >= asked + 2);
  publisher.send(PINGREQ);
  await publisher.expect('pingresp');
  publisher.send(publish(5, { topic: 'area/1', qos: 1, packetIdentifier: 2 }));
  assert.equal((await publisher.expect('puback')).reasonCode, 0x87);
  edge.directory.denied = 'denied/';
  publisher.destroy();
});

test('a will that is no longer allowed ends its connection, and is not published', async () => {
  const allowed = await known('wills-allowed', { will: { topic: 'wills/a' } });
  const revoked = await known('wills-revoked', { will: { topic: 'area/w' } });
  edge.directory.denied = 'area/';
  edge.directory.change(undefined);
  assert.equal((await revoked.expect('disconnect')).reasonCode, 0x87);
  await revoked.closed();
  assert.deepEqual(edge.core.wills, []);
  await assert.rejects(known('wills-late', { will: { topic: 'area/w' } }), /CONNACK 135/);
  allowed.destroy();
  await waitFor(() => edge.core.wills.length === 1);
  assert.deepEqual(edge.core.wills, ['wills/a']);
  edge.directory.denied = 'denied/';
});

test('a stored session loses what its client may no longer subscribe to, and goes on', async () => {
  const session = {
    cleanStart: false,
    properties: properties(property(0x11, u32(60))),
  };
  const first = await known('stored', session);
  first.send(
    subscribe(5, [
      ['area/#', 1],
      ['kept/#', 1],
    ]),
  );
  await first.expect('suback');
  first.send(disconnect());
  await first.closed();
  edge.directory.denied = 'area/';
  const again = await known('stored', session);
  await waitFor(() => edge.edge.metrics.dropped.subscription_revoked === 1);
  edge.directory.denied = 'denied/';
  for (const topic of ['area/1', 'kept/1']) {
    again.send(publish(5, { topic, qos: 1, packetIdentifier: 1 }));
  }
  const packets = [await again.next(), await again.next(), await again.next()];
  const topics = packets.flatMap((p) => (p.cmd === 'publish' ? [p.topic] : []));
  assert.deepEqual(topics, ['kept/1']);
  again.destroy();
});

test('what is no TLS is closed and counted; nothing stays behind', async () => {
  const { metrics } = edge.edge;
  const before = metrics.ended.tls_handshake_failed;
  for (const bytes of [connect(5), Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(3_000, 7)]) {
    const socket = connectTcp(port, '127.0.0.1');
    socket.on('error', () => socket.destroy());
    socket.write(bytes);
    await new Promise((resolve) => socket.resume().once('close', resolve));
  }
  const silent = connectTcp(port, '127.0.0.1');
  await new Promise((resolve) => silent.once('connect', resolve));
  silent.end();
  await waitFor(() => metrics.ended.tls_handshake_failed === before + 4);
  await waitFor(() => metrics.connectionsOpen === edge.edge.connectionCount);
});

test('who never begins the handshake is closed after the time-out', async () => {
  const { metrics, wheel } = edge.edge;
  const before = metrics.ended.connect_timeout;
  const accepted = metrics.connectionsAccepted;
  const socket = connectTcp(port, '127.0.0.1');
  await waitFor(() => metrics.connectionsAccepted === accepted + 1);
  for (let i = 0; i < 50; i++) wheel.advance();
  await new Promise((resolve) => socket.resume().once('close', resolve));
  assert.equal(metrics.ended.connect_timeout, before + 1);
});

test('200 clients at once all get in', async () => {
  edge.directory.clients.set('storm', 'enabled');
  const tls = await credentials('storm');
  const probes = await Promise.all(
    Array.from({ length: 200 }, (_, i) =>
      MqttProbe.connected({ port, tls, clientIdentifier: `storm-${i}` }),
    ),
  );
  for (const probe of probes) probe.destroy();
  await waitFor(() => edge.edge.metrics.connectionsOpen === 0);
  assert.equal(edge.edge.connectionCount, 0);
});
