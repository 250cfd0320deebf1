import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proveChain, TrustAnchors } from '../../../lib/registry/certificate-chain.ts';
import { ExtendedKeyUsage, Extension, makeCertificate } from '../../fixtures/certificates.ts';
import type { IssuedCertificate } from '../../fixtures/certificates.ts';

const root = await makeCertificate({ commonName: 'Root', authority: true });
const middle = await makeCertificate({ commonName: 'Middle', authority: true, issuer: root });
const low = await makeCertificate({ commonName: 'Low', authority: true, issuer: middle });
const leaf = await makeCertificate({ commonName: 'leaf', issuer: low });
const direct = await makeCertificate({ commonName: 'direct', issuer: root });

function prove(
  of: IssuedCertificate,
  sent: readonly IssuedCertificate[],
  anchors: readonly IssuedCertificate[],
  nowMs = Date.now(),
) {
  const trusted = new TrustAnchors(anchors.map(({ certificate }) => certificate));
  const chain = sent.map(({ certificate }) => certificate);
  return proveChain(of.certificate, chain, trusted, nowMs);
}

function refused(result: ReturnType<typeof prove>, why: RegExp, expired = false): void {
  assert.ok(!result.ok);
  assert.match(result.why, why);
  assert.equal(result.cause, expired ? 'expired' : 'untrusted');
}

test('a root, an intermediate and the direct signer can each be the anchor', () => {
  assert.ok(prove(direct, [], [root]).ok);
  assert.ok(prove(leaf, [], [low]).ok);
  assert.ok(prove(leaf, [low], [middle]).ok);
  assert.ok(prove(leaf, [low, middle], [root]).ok);
  assert.ok(prove(leaf, [root, middle, low], [root]).ok, 'order does not matter');
});

test('a chain with a missing or foreign link is refused', async () => {
  refused(prove(leaf, [middle], [root]), /no registered CA/);
  refused(prove(leaf, [low, middle, root], []), /no registered CA/);
  const namesake = await makeCertificate({ commonName: 'Root', authority: true });
  refused(prove(direct, [], [namesake]), /no registered CA/);
  assert.ok(prove(direct, [], [namesake, root]).ok, 'two anchors of one name are both tried');
});

test('a leaf cannot sign another', async () => {
  const forged = await makeCertificate({ commonName: 'victim', issuer: direct });
  refused(prove(forged, [direct], [root]), /no registered CA|not allowed to sign/);
});

test('the path length of a CA holds', async () => {
  const short = await makeCertificate({ commonName: 'Short', authority: true, pathLength: 0 });
  const below = await makeCertificate({ commonName: 'Below', authority: true, issuer: short });
  const good = await makeCertificate({ commonName: 'good', issuer: short });
  const bad = await makeCertificate({ commonName: 'bad', issuer: below });
  assert.ok(prove(good, [], [short]).ok);
  refused(prove(bad, [below], [short]), /limited to 0 CA/);
});

test('dates of every certificate count, and bound the proof', async () => {
  const soon = new Date(Math.ceil(Date.now() / 1000) * 1000 + 60_000);
  const brief = await makeCertificate({
    commonName: 'Brief',
    authority: true,
    issuer: root,
    notAfter: soon,
  });
  const under = await makeCertificate({ commonName: 'under', issuer: brief });
  const result = prove(under, [brief], [root]);
  assert.ok(result.ok);
  assert.equal(result.chain.validToMs, soon.getTime());
  refused(prove(under, [brief], [root], soon.getTime() + 1000), /"CN=Brief" is valid only/, true);
  refused(prove(direct, [], [root], Date.now() + 86_400_000), /it is valid only until/, true);
  refused(prove(direct, [], [root], Date.now() - 86_400_000), /it is valid only from/, true);
});

test('a certificate for servers only is no client certificate', async () => {
  const { clientAuth, serverAuth } = ExtendedKeyUsage;
  const server = await makeCertificate({ commonName: 's', issuer: root, uses: [serverAuth] });
  const both = await makeCertificate({ issuer: root, uses: [serverAuth, clientAuth] });
  refused(prove(server, [], [root]), /not meant for client/);
  assert.ok(prove(both, [], [root]).ok);
});

test('what may not be ignored and is not understood refuses', async () => {
  const strange = new Extension('1.2.3.4.5', true, new Uint8Array([0x05, 0x00]));
  const optional = new Extension('1.2.3.4.5', false, new Uint8Array([0x05, 0x00]));
  const names = new Extension('2.5.29.30', true, new Uint8Array([0x30, 0x00]));
  const one = await makeCertificate({ issuer: root, extensions: [strange] });
  const two = await makeCertificate({ issuer: root, extensions: [optional] });
  const limited = await makeCertificate({ commonName: 'L', authority: true, extensions: [names] });
  const three = await makeCertificate({ issuer: limited });
  refused(prove(one, [], [root]), /critical extension 2a030405/);
  assert.ok(prove(two, [], [root]).ok);
  refused(prove(three, [], [limited]), /name constraints/);
});

test('a broken hash is refused in the chain, not in an anchor', async () => {
  const old = await makeCertificate({ commonName: 'Old', authority: true, hash: 'SHA-1' });
  const fresh = await makeCertificate({ issuer: old });
  const weak = await makeCertificate({ issuer: root, hash: 'SHA-1' });
  assert.ok(prove(fresh, [], [old]).ok);
  refused(prove(weak, [], [root]), /broken hash/);
});

test('a client that sends many certificates of one name gets a bounded answer', async () => {
  const loop = await makeCertificate({ commonName: 'Loop', authority: true });
  const copies: IssuedCertificate[] = [];
  for (let i = 0; i < 12; i++) {
    copies.push(await makeCertificate({ commonName: 'Loop', authority: true, issuer: loop }));
  }
  const last = await makeCertificate({ issuer: loop });
  refused(prove(last, copies, [root]), /no registered CA/);
});
