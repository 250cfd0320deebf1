import assert from 'node:assert/strict';
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { connect, createServer } from 'node:tls';
import { createAuthority, issueClient } from '../../../services/cli/certs/issue.ts';
import { CertificateStore } from '../../../services/cli/certs/store.ts';

function temporaryStore(context: TestContext): CertificateStore {
  const directory = mkdtempSync(join(tmpdir(), 'weir-certs-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return new CertificateStore(join(directory, 'certs'));
}

async function filledStore(context: TestContext): Promise<CertificateStore> {
  const store = temporaryStore(context);
  await store.ensureAuthority('Test CA');
  await store.ensureServer('server', ['localhost', '127.0.0.1', '::1']);
  await store.ensureClient('thermostat');
  return store;
}

test('certificates are P-256, chain to the CA and carry the right names', async (context) => {
  const store = await filledStore(context);
  const read = (name: string) => new X509Certificate(readFileSync(store.paths(name).certificate));
  const ca = read('ca');
  assert.ok(ca.ca);
  assert.equal(ca.subject, 'CN=Test CA');
  for (const name of ['server', 'thermostat']) {
    const leaf = read(name);
    assert.ok(leaf.checkIssued(ca) && leaf.verify(ca.publicKey), name);
    assert.equal(leaf.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
    assert.ok(leaf.checkPrivateKey(createPrivateKey(readFileSync(store.paths(name).key))));
  }
  assert.equal(read('thermostat').subject, 'CN=thermostat');
  const server = read('server');
  assert.equal(server.checkHost('localhost'), 'localhost');
  for (const address of ['127.0.0.1', '::1']) assert.equal(server.checkIP(address), address);
});

test('keys are readable by their owner alone', async (context) => {
  const store = await filledStore(context);
  for (const name of ['ca', 'server', 'thermostat']) {
    assert.equal(statSync(store.paths(name).key).mode & 0o777, 0o600);
  }
  assert.equal(readdirSync(store.directory).length, 6, 'nothing unfinished stays behind');
});

test('a mutual TLS handshake succeeds with them', async (context) => {
  const store = await filledStore(context);
  const load = (name: string) => ({
    cert: readFileSync(store.paths(name).certificate),
    key: readFileSync(store.paths(name).key),
    ca: readFileSync(store.authority.certificate),
  });
  const tls = { ...load('server'), requestCert: true };
  const server = createServer(tls, (socket) => {
    socket.end(socket.getPeerCertificate().subject.CN);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const client = connect({ host: 'localhost', port: address.port, ...load('thermostat') });
  const [bytes] = await once(client, 'data');
  assert.equal(String(bytes), 'thermostat');
});

test('what exists and is valid is left alone', async (context) => {
  const store = await filledStore(context);
  const before = readFileSync(store.paths('thermostat').certificate, 'utf8');
  assert.equal(await store.ensureAuthority('Other'), false);
  assert.equal(await store.ensureServer('server', ['localhost', '127.0.0.1']), false);
  assert.equal(await store.ensureClient('thermostat'), false);
  assert.equal(readFileSync(store.paths('thermostat').certificate, 'utf8'), before);
});

test('a leaf is made again when it ends soon, lacks a name or belongs to another CA', async (c) => {
  const store = await filledStore(c);
  assert.equal(await store.ensureServer('server', ['localhost', 'broker.test']), true);
  const authority = {
    certificatePem: readFileSync(store.authority.certificate, 'utf8'),
    keyPem: readFileSync(store.authority.key, 'utf8'),
  };
  const replace = (issued: { certificatePem: string; keyPem: string }): void => {
    writeFileSync(store.paths('thermostat').certificate, issued.certificatePem);
    writeFileSync(store.paths('thermostat').key, issued.keyPem);
  };
  replace(await issueClient(authority, 'thermostat', 29));
  assert.equal(await store.ensureClient('thermostat'), true);
  replace(await issueClient(await createAuthority('Stranger'), 'thermostat'));
  assert.equal(await store.ensureClient('thermostat'), true);
  assert.equal(await store.ensureClient('thermostat'), false);
});

test('without a CA, and for a name that is no file name, there is one clear Fault', async (c) => {
  const store = temporaryStore(c);
  await assert.rejects(store.ensureClient('thermostat'), /no CA in .*weir certs ca/);
  for (const name of ['../escape', 'ca', '']) {
    await assert.rejects(store.ensureClient(name), /no name for a client/);
  }
});
