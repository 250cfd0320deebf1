import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keyOf, proveChain, TrustAnchors } from '../../../lib/registry/certificate-chain.ts';
import { parseRevocationList, signatureFault } from '../../../lib/registry/revocation-list.ts';
import { Extension, makeCertificate, makeRevocationList } from '../../fixtures/certificates.ts';
import type { IssuedCertificate } from '../../fixtures/certificates.ts';

const root = await makeCertificate({ commonName: 'Root', authority: true });
const middle = await makeCertificate({ commonName: 'Middle', authority: true, issuer: root });
const leaf = await makeCertificate({ commonName: 'leaf', issuer: middle });
const other = await makeCertificate({ commonName: 'other', issuer: middle });
const issuedAt = new Date('2026-03-04T05:06:07Z');

async function listOf(issuer: IssuedCertificate, ...revoked: IssuedCertificate[]) {
  const pem = await makeRevocationList({ issuer, revoked, thisUpdate: issuedAt });
  const parsed = parseRevocationList(pem);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return { pem, list: parsed.list };
}

test('a list says when it was made, until when, and what it takes back', async () => {
  const { list, pem } = await listOf(middle, leaf, other);
  assert.equal(list.issuedAtMs, issuedAt.getTime());
  assert.equal(list.nextUpdateMs, issuedAt.getTime() + 3_600_000);
  const serials = [leaf, other].map(({ certificate }) => certificate.serialNumber);
  assert.deepEqual([...list.serialNumbers], serials);
  const base64 = pem.replace(/-----[^-]+-----/g, '').trim();
  assert.deepEqual(parseRevocationList(base64), { ok: true, list });
  assert.equal((await listOf(root)).list.serialNumbers.size, 0, 'an empty list');
});

test('only the key of its CA signs it', async () => {
  const { list } = await listOf(middle, leaf);
  assert.equal(signatureFault(list, middle.certificate), undefined);
  assert.match(signatureFault(list, root.certificate) ?? '', /another CA/);
  const namesake = await makeCertificate({ commonName: 'Middle', authority: true });
  assert.match(signatureFault(list, namesake.certificate) ?? '', /not signed by the key/);
  const forged = { ...list, signedBytes: Buffer.from(list.signedBytes).fill(0, 60, 61) };
  assert.match(signatureFault(forged, middle.certificate) ?? '', /not signed by the key/);
});

test('what is no whole list of a CA is refused', async () => {
  const partial = new Extension('2.5.29.27', true, new Uint8Array([0x02, 0x01, 0x01]));
  const delta = await makeRevocationList({ issuer: root, revoked: [], extensions: [partial] });
  const refusal = (text: string) => {
    const parsed = parseRevocationList(text);
    return parsed.ok ? 'accepted' : parsed.why;
  };
  assert.match(refusal(delta), /partial or indirect/);
  for (const text of ['', '{}', '-----BEGIN X509 CRL-----', root.pem]) {
    assert.match(refusal(text), /must be a revocation list/);
  }
  assert.match(refusal('AAAA'), /no readable/);
  const { pem } = await listOf(root, middle);
  const der = Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
  fc.assert(
    fc.property(fc.nat(der.length - 1), fc.nat(255), (at, byte) => {
      const changed = Buffer.from(der);
      changed[at] = byte;
      const parsed = parseRevocationList(changed.toString('base64'));
      if (changed.equals(der) || !parsed.ok) return;
      const { signedBytes, serialNumbers } = parsed.list;
      const isSigned = signatureFault(parsed.list, root.certificate) === undefined;
      assert.ok(!isSigned || serialNumbers.has(middle.certificate.serialNumber));
      assert.ok(!isSigned || der.includes(signedBytes));
    }),
  );
});

test('a chain through something taken back is refused, on every way', async () => {
  const prove = async (revokedBy: IssuedCertificate, revoked: IssuedCertificate) => {
    const { serialNumbers } = (await listOf(revokedBy, revoked)).list;
    const revocations = new Map([[keyOf(revokedBy.certificate), serialNumbers]]);
    const anchors = new TrustAnchors([root.certificate, middle.certificate], revocations);
    const sent = [middle.certificate];
    return (of: IssuedCertificate) => proveChain(of.certificate, sent, anchors, Date.now());
  };
  const byMiddle = await prove(middle, leaf);
  const refused = byMiddle(leaf);
  assert.ok(!refused.ok);
  assert.equal(refused.cause, 'revoked', 'also when the client sends the way around the anchor');
  assert.ok(byMiddle(other).ok);
  const byRoot = await prove(root, middle);
  assert.ok(byRoot(leaf).ok, 'the intermediate is registered itself: it is the anchor');
  const revocations = new Map([
    [keyOf(root.certificate), new Set([middle.certificate.serialNumber])],
  ]);
  const onlyRoot = new TrustAnchors([root.certificate], revocations);
  const through = proveChain(leaf.certificate, [middle.certificate], onlyRoot, Date.now());
  assert.ok(!through.ok);
  assert.equal(through.cause, 'revoked');
});
