/**
 * Server certificates: chosen by name and algorithm, read again while clients are connected.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type { TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import { systemClock } from '#base';
import type { Clock } from '#base';
import { createLogger, createMetrics } from '#runtime';
import { TlsCertificates } from '../../../services/gateway/tls-certificates.ts';
import { makeTlsOffer } from '../../../services/gateway/tls-context.ts';
import type { TlsOffer } from '../../../services/gateway/tls-context.ts';
import { makeCertificate } from '../../fixtures/certificates.ts';
import type { IssuedCertificate } from '../../fixtures/certificates.ts';
import { PLAIN, startEdge } from '../../fixtures/edge-under-test.ts';
import { connect, PINGREQ } from '../../fixtures/mqtt-client-encoder.ts';
import { MqttProbe } from '../../fixtures/mqtt-probe.ts';
import { makeRsaCertificate } from '../../fixtures/rsa-certificate.ts';
import { waitFor } from '../../fixtures/wait-for.ts';

let first: IssuedCertificate;
let second: IssuedCertificate;
before(async () => {
  first = await makeCertificate({ commonName: 'first' });
  second = await makeCertificate({ commonName: 'second' });
});

async function listen(context: TestContext, tlsOffer: () => TlsOffer): Promise<number> {
  const edge = await startEdge();
  context.after(() => edge.close());
  return (await edge.edge.listen({ ...PLAIN, name: 'mqtts', tlsOffer })).port;
}

/** Common name and key type of the certificate that the server shows. */
async function shown(port: number, options: ConnectionOptions = {}): Promise<string> {
  const socket = connectTls({ port, rejectUnauthorized: false, ...options });
  await once(socket, 'secureConnect');
  const leaf = socket.getPeerX509Certificate();
  socket.destroy();
  return `${/CN=(.*)/.exec(leaf?.subject ?? '')?.[1]} ${leaf?.publicKey.asymmetricKeyType}`;
}

/** Certificate files that a test writes, and their reader over a clock that the test moves. */
function makeFiles(context: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'weir-certs-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const cert = join(directory, 'server.pem');
  const key = join(directory, 'server.key');
  const write = (pem: string, keyPem: string): void => {
    writeFileSync(cert, pem);
    writeFileSync(key, keyPem);
  };
  const lines: string[] = [];
  let poll: (() => void) | undefined;
  const after: Clock['after'] = (_delayMs, task) => {
    poll = task;
    return systemClock.after(60_000, () => undefined);
  };
  const open = (): TlsCertificates => {
    const certificates = new TlsCertificates({
      files: [{ cert, key }],
      clock: { ...systemClock, after },
      logger: createLogger({ name: 'gateway', write: (line) => lines.push(line) }),
      metrics: createMetrics(),
    });
    context.after(() => certificates.stop());
    return certificates;
  };
  const said = (text: string): number => lines.filter((line) => line.includes(text)).length;
  return { cert, key, write, open, said, poll: () => poll?.() };
}

test('changed files are used by new connections; open ones stay', async (context) => {
  const files = makeFiles(context);
  files.write(first.pem, first.keyPem);
  const certificates = files.open();
  const port = await listen(context, () => certificates.offer);
  certificates.start();
  const old = await MqttProbe.open({ port, tls: {} });
  assert.equal(await shown(port), 'first ec');
  files.write(second.pem, second.keyPem);
  assert.equal(await shown(port), 'first ec');
  files.poll();
  await waitFor(() => files.said('certificates reloaded') === 1);
  assert.equal(await shown(port), 'second ec');
  old.send(connect(5));
  await old.expect('connack');
  files.poll();
  await certificates.reload();
  assert.equal(files.said('certificates reloaded'), 1, 'nothing changed');
});

test('bad files are told once, and the old ones stay in use until they are good', async (context) => {
  const files = makeFiles(context);
  files.write(first.pem, first.keyPem);
  const certificates = files.open();
  const port = await listen(context, () => certificates.offer);
  // Half of a change, and then nonsense, and then nothing at all.
  writeFileSync(files.cert, second.pem);
  for (let i = 0; i < 3; i++) await certificates.reload();
  assert.equal(files.said('certificates not reloaded'), 1);
  assert.equal(files.said('no certificate and key that fit'), 1);
  writeFileSync(files.cert, 'nonsense');
  await certificates.reload();
  rmSync(files.cert);
  await certificates.reload();
  assert.equal(files.said('certificates not reloaded'), 3);
  assert.equal(await shown(port), 'first ec');
  files.write(second.pem, second.keyPem);
  await certificates.reload();
  assert.equal(await shown(port), 'second ec');
});

test('at the start a missing file and a key that does not fit are named', (context) => {
  const files = makeFiles(context);
  assert.throws(() => files.open(), /server\.pem cannot be read/);
  files.write(first.pem, second.keyPem);
  assert.throws(() => files.open(), /server\.pem and .*server\.key are no certificate and key/);
});

test('the certificate follows the name that the client asks for', async (context) => {
  const named = async (commonName: string, dns: string): Promise<IssuedCertificate> =>
    makeCertificate({ commonName, alternativeNames: [{ type: 'dns', value: dns }] });
  const offer = makeTlsOffer(
    [
      await named('one', 'one.test'),
      await named('two', 'two.test'),
      await named('w', '*.w.test'),
    ].map(({ pem, keyPem }) => ({ cert: pem, key: keyPem })),
  );
  const port = await listen(context, () => offer);
  const names = ['one.test', 'two.test', 'a.w.test', 'TWO.test', 'other.test', undefined];
  const seen: string[] = [];
  for (const servername of names) {
    seen.push(await shown(port, servername === undefined ? {} : { servername }));
  }
  assert.deepEqual(
    seen.map((text) => text.split(' ')[0]),
    ['one', 'two', 'w', 'two', 'one', 'one'],
  );
});

test('EC and RSA certificates for one name: the client knows one of them', async (context) => {
  const ec = await makeCertificate({ commonName: 'both' });
  const rsa = await makeRsaCertificate('both');
  const offer = makeTlsOffer([ec, rsa].map(({ pem, keyPem }) => ({ cert: pem, key: keyPem })));
  assert.equal(offer.contextFor, undefined, 'one context');
  const port = await listen(context, () => offer);
  assert.equal(await shown(port, { sigalgs: 'ecdsa_secp256r1_sha256' }), 'both ec');
  const onlyRsa = 'rsa_pss_rsae_sha256:rsa_pkcs1_sha256';
  assert.equal(await shown(port, { sigalgs: onlyRsa }), 'both rsa');
});

test('a client that the certificate does not suit is only counted', async (context) => {
  const edge = await startEdge();
  context.after(() => edge.close());
  const offer = makeTlsOffer([{ cert: first.pem, key: first.keyPem }]);
  const plan = { ...PLAIN, name: 'mqtts', tlsOffer: () => offer };
  const { port } = await edge.edge.listen(plan);
  await assert.rejects(shown(port, { sigalgs: 'rsa_pkcs1_sha256', maxVersion: 'TLSv1.2' }));
  await waitFor(() => edge.edge.metrics.ended.tls_handshake_failed === 1);
  const probe = await MqttProbe.open({ port, tls: {} });
  probe.send(PINGREQ);
  await probe.closed();
});
