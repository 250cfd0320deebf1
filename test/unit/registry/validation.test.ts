import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { resourceOfSubject, resourceSubject } from '../../../lib/registry/names.ts';
import { validateSpec } from '../../../lib/registry/validation.ts';
import { RESOURCE_KINDS } from '#registry';
import type { ResourceKind } from '#registry';
import { makeCertificate } from '../../fixtures/certificates.ts';

const ca = await makeCertificate({ commonName: 'CA', authority: true });
const leaf = await makeCertificate({ commonName: 'leaf', issuer: ca });

function violations(kind: ResourceKind, spec: unknown, name = 'some-name'): string[] {
  const result = validateSpec(kind, name, spec);
  return result.ok ? [] : result.violations.map((one) => `${one.field}: ${one.description}`);
}

const webhook = (endpointUrl: string) => ({
  topicFilters: ['a/#'],
  destination: { webhook: { endpointUrl } },
});
const thumbprint = (...allowedThumbprints: unknown[]) => ({
  clientCertificateAuthentication: { validationScheme: 'ThumbprintMatch', allowedThumbprints },
});
const HEX = 'ab'.repeat(32);

const nameSources = (...alternativeAuthenticationNameSources: string[]) => ({
  alternativeAuthenticationNameSources,
});

const FAULTS: [ResourceKind, unknown, RegExp][] = [
  ['clients', [], /^: must be an object/],
  ['clients', { colour: 'red' }, /^colour: is not a known field/],
  ['clients', { state: 'enabled' }, /^state: must be one of Enabled, Disabled/],
  ['clients', { authenticationName: 'a\nb' }, /^authenticationName: .*control characters/],
  ['clients', { authenticationName: 'x'.repeat(129) }, /^authenticationName: must have ≤ 128/],
  ['clients', { authenticationName: '\ud800' }, /valid Unicode/],
  ['clients', { attributes: { 'a-b': 1 } }, /^attributes\.a-b: /],
  ['clients', { attributes: { a: true } }, /^attributes\.a: must be a text, a whole number/],
  ['clients', { attributes: { a: 1.5 } }, /^attributes\.a: /],
  ['clients', { attributes: { a: ['x', 1] } }, /^attributes\.a: /],
  ['clients', { attributes: { a: 'x'.repeat(20_000) } }, /^attributes: must have ≤ 16384 bytes/],
  ['clients', thumbprint(), /allowedThumbprints: must have 1 or 2/],
  ['clients', thumbprint('abc'), /allowedThumbprints\[0\]: must be a SHA-256/],
  ['clients', thumbprint(HEX, HEX, HEX), /allowedThumbprints: must have ≤ 2 items/],
  ['clients', { clientCertificateAuthentication: { allowedThumbprints: [HEX] } }, /goes only with/],
  ['clients', { clientCertificateAuthentication: { scheme: 1 } }, /Authentication\.scheme: is not/],
  ['caCertificates', {}, /^encodedCertificate: must hold one PEM certificate, holds 0/],
  ['caCertificates', { encodedCertificate: leaf.pem }, /no CA certificate/],
  ['caCertificates', { encodedCertificate: ca.pem + ca.pem }, /holds 2/],
  ['caCertificates', { encodedCertificate: ca.pem + ca.keyPem }, /private key/],
  ['caCertificates', { encodedCertificate: ca.pem.slice(0, 200) }, /no readable certificate/],
  ['clientGroups', { query: 'attributes.a' }, /^query: a comparison or IN expected/],
  ['topicSpaces', {}, /^topicTemplates: must have at least one/],
  ['topicSpaces', { topicTemplates: ['a/#/b'] }, /^topicTemplates\[0\]: not a valid topic filter/],
  ['topicSpaces', { topicTemplates: ['a', '${client.name}'] }, /^topicTemplates\[1\]: unknown var/],
  ['topicSpaces', { topicTemplates: ['$SYS/#'] }, /reserved/],
  ['topicSpaces', { topicTemplates: 'a' }, /must be a list of texts/],
  ['permissionBindings', {}, /^permission: must be one of/m],
  ['permissionBindings', { permission: 'Admin' }, /^permission: must be one of/m],
  ['eventSubscriptions', webhook('ftp://x'), /endpointUrl: must begin with https/],
  ['eventSubscriptions', webhook('http://example.org/x'), /loopback/],
  ['eventSubscriptions', webhook('http://127.0.0.1.example.org/'), /loopback/],
  ['eventSubscriptions', webhook('https://a:b@example.org'), /user name or password/],
  ['namespaceSettings', nameSources('ClientCertificateName'), /must be one of/],
  [
    'namespaceSettings',
    nameSources('ClientCertificateDns', 'ClientCertificateDns'),
    /\[1\].*before/,
  ],
  ['eventSubscriptions', webhook('/x'), /absolute URL/],
  ['eventSubscriptions', { ...webhook('https://x'), topicFilters: ['$share/g/a'] }, /shared/],
  ['eventSubscriptions', { ...webhook('https://x'), deliveryAttemptsMax: 0 }, /1 to 1000/],
  ['eventSubscriptions', { ...webhook('https://x'), eventTtlSeconds: 59 }, /^eventTtlSeconds: /],
];

test('each fault names its field', () => {
  for (const [kind, spec, expected] of FAULTS) {
    const found = violations(kind, spec).join('\n');
    assert.match(found, expected, JSON.stringify(spec));
  }
});

test('what is left out gets its default', () => {
  const client = validateSpec('clients', 'dev:1', { description: null });
  assert.ok(client.ok);
  assert.deepEqual(client.spec, {
    description: '',
    authenticationName: 'dev:1',
    clientCertificateAuthentication: {
      validationScheme: 'SubjectMatchesAuthenticationName',
      allowedThumbprints: [],
    },
    state: 'Enabled',
    attributes: {},
  });
  const subscription = validateSpec('eventSubscriptions', 'hook', webhook('https://x.example'));
  assert.ok(subscription.ok);
  assert.equal(subscription.spec.eventTtlSeconds, 86_400);
});

test('a thumbprint may have colons and small letters', () => {
  const colons = HEX.replace(/..(?!$)/g, '$&:');
  const client = validateSpec('clients', 'dev', thumbprint(colons));
  assert.ok(client.ok);
  const { allowedThumbprints } = client.spec.clientCertificateAuthentication;
  assert.deepEqual(allowedThumbprints, [HEX.toUpperCase()]);
});

test('names follow their kind', () => {
  const good: [ResourceKind, string][] = [
    ['clients', 'a'],
    ['clients', 'A:b.c_d-9'],
    ['topicSpaces', 'abc'],
    ['namespaceSettings', 'default'],
    ['clientGroups', 'x'.repeat(50)],
  ];
  const bad: [ResourceKind, string][] = [
    ['clients', ''],
    ['clients', 'a b'],
    ['clients', 'x'.repeat(129)],
    ['topicSpaces', 'ab'],
    ['topicSpaces', 'a_b'],
    ['clientGroups', '$all'],
    ['caCertificates', 'x'.repeat(51)],
    ['namespaceSettings', 'other'],
  ];
  const named = (kind: ResourceKind, name: string) =>
    violations(kind, {}, name).some((text) => text.startsWith('name: '));
  for (const [kind, name] of good) assert.equal(named(kind, name), false, name);
  for (const [kind, name] of bad) assert.equal(named(kind, name), true, name);
});

test('any JSON is refused or accepted, and never throws', () => {
  fc.assert(
    fc.property(fc.constantFrom(...RESOURCE_KINDS), fc.jsonValue(), (kind, spec) => {
      validateSpec(kind, 'name', spec);
    }),
  );
});

test('every name has its own subject, of three tokens after the bucket', () => {
  const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.constantFrom(...RESOURCE_KINDS), name, (kind, text) => {
      const subject = resourceSubject(kind, text);
      assert.match(subject, /^\$KV\.registry\.[A-Za-z]+\.[A-Za-z0-9=_-]+$/);
      assert.deepEqual(resourceOfSubject(subject), { kind, name: text });
    }),
  );
});
