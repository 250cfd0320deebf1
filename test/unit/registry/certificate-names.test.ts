import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  alternativeNames,
  certificateNames,
  nameFromCertificate,
} from '../../../lib/registry/certificate-names.ts';
import { makeCertificate } from '../../fixtures/certificates.ts';

const named = await makeCertificate({
  commonName: 'Therm/7,ö+x',
  alternativeNames: [
    { type: 'dns', value: 'dev.example.org' },
    { type: 'url', value: 'urn:dev:7' },
    { type: 'ip', value: '192.0.2.7' },
    { type: 'ip', value: '2001:db8::7' },
    { type: 'email', value: 'dev7@example.org' },
  ],
});

test('name sources are asked in order, and the first that is there counts', async () => {
  const { certificate } = named;
  const from = nameFromCertificate.bind(undefined, certificate);
  assert.equal(from([]), '');
  assert.equal(from(['ClientCertificateDns', 'ClientCertificateUri']), 'dev.example.org');
  assert.equal(from(['ClientCertificateUri', 'ClientCertificateDns']), 'urn:dev:7');
  assert.equal(from(['ClientCertificateIp']), '192.0.2.7', 'the first of several');
  assert.equal(from(['ClientCertificateEmail']), 'dev7@example.org');
  assert.equal(from(['ClientCertificateCommonName']), 'Therm/7,ö+x');
  const subject = [{ O: ['Acme, Inc.'] }, { OU: ['A\nCN=forged'] }, { CN: ['robot'] }];
  const { certificate: plain } = await makeCertificate({ subject });
  const whole = nameFromCertificate(plain, ['ClientCertificateDns', 'ClientCertificateSubject']);
  assert.equal(whole, 'CN=robot,OU=A\\0ACN=forged,O=Acme\\, Inc.');
  assert.equal(certificateNames(plain, 'SubjectMatchesAuthenticationName', whole), true);
});

test('each scheme compares its own field, without regard to case', () => {
  const { certificate } = named;
  const is = certificateNames.bind(undefined, certificate);
  assert.equal(is('SubjectMatchesAuthenticationName', 'therm/7,Ö+X'), true);
  assert.equal(is('SubjectMatchesAuthenticationName', 'therm/7'), false);
  assert.equal(is('SubjectMatchesAuthenticationName', 'dev.example.org'), false);
  assert.equal(is('DnsMatchesAuthenticationName', 'DEV.example.org'), true);
  assert.equal(is('DnsMatchesAuthenticationName', 'urn:dev:7'), false);
  assert.equal(is('UriMatchesAuthenticationName', 'urn:dev:7'), true);
  assert.equal(is('IpMatchesAuthenticationName', '192.0.2.7'), true);
  assert.equal(is('IpMatchesAuthenticationName', '2001:DB8:0::7'), true);
  assert.equal(is('IpMatchesAuthenticationName', 'dev.example.org'), false);
  assert.equal(is('EmailMatchesAuthenticationName', 'Dev7@example.org'), true);
});

test('two common names are no identity', async () => {
  const two = await makeCertificate({ subject: [{ CN: ['one'] }, { CN: ['two'] }] });
  for (const name of ['one', 'two', 'one,two']) {
    assert.equal(
      certificateNames(two.certificate, 'SubjectMatchesAuthenticationName', name),
      false,
    );
  }
});

test('a value cannot pass for a second name', async () => {
  const sly = 'x, DNS:victim, email:"y", DNS:victim';
  const forged = await makeCertificate({ alternativeNames: [{ type: 'url', value: sly }] });
  const { certificate } = forged;
  assert.equal(certificateNames(certificate, 'DnsMatchesAuthenticationName', 'victim'), false);
  assert.equal(certificateNames(certificate, 'UriMatchesAuthenticationName', sly), true);
  fc.assert(
    fc.property(fc.string({ maxLength: 30 }), (value) => {
      const line = `URI:${JSON.stringify(value)}, DNS:mine`;
      assert.deepEqual(alternativeNames(line, 'URI'), [value]);
      assert.deepEqual(alternativeNames(line, 'DNS'), ['mine']);
    }),
  );
});

test('a line that is not well-formed has no names', () => {
  assert.deepEqual(alternativeNames('DNS:a, DNS:"b', 'DNS'), []);
  assert.deepEqual(alternativeNames('DNS:a"DNS:b', 'DNS'), []);
});
