import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { RegistryImage } from '../../../lib/registry/registry-image.ts';
import { resourceSubject } from '../../../lib/registry/names.ts';
import { encodeRecord } from '../../../lib/registry/record.ts';
import type { ResourceKind } from '../../../lib/registry/resources.ts';
import { TokenAuthenticator } from '../../../lib/registry/token-authenticator.ts';
import { tokenKeyOfJwk, tokenKeyOfPem } from '../../../lib/registry/token-keys.ts';
import { validateSpec } from '../../../lib/registry/validation.ts';
import { makeCertificate } from '../../fixtures/certificates.ts';
import {
  forgeToken,
  makeSigner,
  makeToken,
  rsaSignature,
  TOKEN_AUDIENCE,
  TOKEN_ISSUER,
} from '../../fixtures/tokens.ts';

const rsa = makeSigner('RS256');
const other = makeSigner('RS256');
const curve = makeSigner('ES256');

class Registry {
  readonly image = new RegistryImage();
  readonly tokens = new TokenAuthenticator(this.image);

  put(kind: ResourceKind, name: string, json: unknown): this {
    const validated = validateSpec(kind, name, json);
    assert.ok(validated.ok, JSON.stringify(validated));
    this.image.apply({
      sequence: this.image.position + 1,
      subject: resourceSubject(kind, name),
      payload: encodeRecord({ writeId: 'w', spec: validated.spec }),
      storedAtMs: 0,
      deleted: false,
    } as Parameters<RegistryImage['apply']>[0]);
    this.tokens.invalidate();
    return this;
  }

  issuer(keys: readonly { kid?: string; encodedKey: string }[], more: object = {}): this {
    const audiences = ['first', TOKEN_AUDIENCE];
    return this.put('jwtIssuers', 'issuer', {
      tokenIssuer: TOKEN_ISSUER,
      audiences,
      keys,
      ...more,
    });
  }

  ask(token: string, nowMs = Date.now()) {
    const credentials = { clientIdentifier: 'c', userName: undefined, leaf: undefined, chain: [] };
    return this.tokens.authenticate({ ...credentials, token }, nowMs);
  }

  async reason(token: string, nowMs = Date.now()): Promise<string> {
    const outcome = await this.ask(token, nowMs);
    return outcome.ok ? 'accepted' : outcome.reason;
  }
}

const keyOf = ({ publicPem: encodedKey }: { publicPem: string }, kid = '') => ({ kid, encodedKey });

test('every algorithm is accepted with its own key', async () => {
  for (const alg of ['RS256', 'RS512', 'PS256', 'PS384', 'ES256', 'ES384', 'ES512', 'EdDSA']) {
    const signer = makeSigner(alg);
    const registry = new Registry().issuer([keyOf(signer)]);
    assert.equal(await registry.reason(await makeToken(signer, 'dev')), 'accepted', alg);
  }
});

test('sub is the name, claims become attributes by their type', async () => {
  const registry = new Registry().issuer([keyOf(rsa)]);
  const token = await makeToken(rsa, 'Dev/1', {
    ...{ site: 'north', floor: -2, big: 2 ** 31, half: 0.5, yes: true, zones: ['a', 'b'] },
    ...{ mixed: ['a', 1], object: {}, jti: 'x', iat: 1, __proto__: 'x' },
  });
  const outcome = await registry.ask(token);
  assert.ok(outcome.ok);
  const { identity, validUntilMs = 0 } = outcome;
  assert.deepEqual(
    { ...identity },
    {
      ...{ clientName: '', authenticationName: 'Dev/1', source: 'token' },
      attributes: { site: 'north', floor: -2, zones: ['a', 'b'] },
    },
  );
  assert.ok(validUntilMs > Date.now() + 50_000 && validUntilMs < Date.now() + 70_000);
});

test('each claim that does not fit refuses', async () => {
  const registry = new Registry().issuer([keyOf(rsa)]);
  const now = Math.floor(Date.now() / 1_000);
  const cases: [object, string][] = [
    [{ iss: 'https://elsewhere.example' }, 'token_untrusted'],
    [{ iss: undefined }, 'token_invalid'],
    [{ aud: 'other' }, 'token_invalid'],
    [{ aud: undefined }, 'token_invalid'],
    [{ aud: ['other', TOKEN_AUDIENCE] }, 'accepted'],
    [{ sub: undefined }, 'token_invalid'],
    [{ sub: '' }, 'token_invalid'],
    [{ sub: 'a\u0000b' }, 'token_invalid'],
    [{ sub: 'x'.repeat(129) }, 'token_invalid'],
    [{ exp: undefined }, 'token_invalid'],
    [{ exp: now - 10 }, 'token_expired'],
    [{ nbf: now + 30 }, 'token_expired'],
    [{ nbf: undefined }, 'accepted'],
    [{ filler: 'x'.repeat(8_000) }, 'token_invalid'],
  ];
  for (const [claims, expected] of cases) {
    const token = await makeToken(rsa, 'dev', claims as Record<string, unknown>);
    assert.equal(await registry.reason(token), expected, JSON.stringify(claims).slice(0, 60));
  }
});

test('a token cannot choose its algorithm', async () => {
  const registry = new Registry().issuer([keyOf(rsa)]);
  const hmac = (text: string) => createHmac('sha256', rsa.publicPem).update(text).digest();
  const forged = [
    forgeToken({ alg: 'none' }, 'dev', () => Buffer.alloc(0)),
    forgeToken({ alg: 'HS256' }, 'dev', hmac),
    forgeToken({ alg: 'ES256' }, 'dev', rsaSignature(rsa)),
    forgeToken({ alg: 'RS256' }, 'dev', hmac),
    forgeToken({ alg: 'RS256', jwk: rsa.publicKey.export({ format: 'jwk' }) }, 'dev', hmac),
  ];
  for (const token of forged) assert.equal(await registry.reason(token), 'token_untrusted');
  const critical = forgeToken({ alg: 'RS256', crit: ['x'], x: 1 }, 'dev', rsaSignature(rsa));
  assert.equal(await registry.reason(critical), 'token_invalid');
  const good = forgeToken({ alg: 'RS256' }, 'dev', rsaSignature(rsa));
  assert.equal(await registry.reason(good), 'accepted');
  const jwk = rsa.publicKey.export({ format: 'jwk' });
  const narrow = new Registry().issuer([], { jwksUrl: 'https://k.example' });
  narrow.put('jwtKeySets', 'issuer', {
    jwksUrl: 'https://k.example',
    keys: [{ ...jwk, alg: 'PS256' }],
  });
  assert.equal(await narrow.reason(good), 'token_untrusted', 'the key is for PS256 only');
});

test('kid selects the key; keys without one serve for the rest', async () => {
  const registry = new Registry().issuer([keyOf(rsa, 'one'), keyOf(curve, 'two'), keyOf(other)]);
  const sign = (signer: typeof rsa, kid?: string) =>
    makeToken(signer, 'dev', {}, kid === undefined ? {} : { kid });
  assert.equal(await registry.reason(await sign(rsa, 'one')), 'accepted');
  assert.equal(await registry.reason(await sign(rsa, 'two')), 'token_untrusted');
  assert.equal(await registry.reason(await sign(rsa, 'three')), 'token_untrusted');
  assert.equal(await registry.reason(await sign(other, 'three')), 'accepted');
  assert.equal(await registry.reason(await sign(other)), 'accepted');
  assert.equal(await registry.reason(await sign(makeSigner('RS256'))), 'token_untrusted');
});

test('a proof is kept with its credentials until issuer, keys or time say otherwise', async () => {
  const registry = new Registry().issuer([keyOf(rsa)]);
  const token = await makeToken(rsa, 'dev');
  const credentials = {
    clientIdentifier: 'c',
    userName: undefined,
    leaf: undefined,
    chain: [],
    token,
  };
  const ask = async (nowMs = Date.now()) => {
    const outcome = await registry.tokens.authenticate(credentials, nowMs);
    return outcome.ok ? outcome.identity : outcome.reason;
  };
  const first = await ask();
  assert.equal(await ask(), first, 'the same object: access is compiled once');
  assert.equal(await ask(Date.now() + 120_000), 'token_expired');
  registry.put('clients', 'device', { authenticationName: 'DEV', state: 'Disabled' });
  assert.equal(await ask(), 'client_disabled');
  registry.put('clients', 'device', { authenticationName: 'DEV' });
  assert.deepEqual(await ask(), first);
  registry.issuer([keyOf(other)]);
  assert.equal(await ask(), 'token_untrusted');
});

test('the certificate of a key has to be valid, and bounds the connection', async () => {
  const notAfter = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 20_000);
  const signing = await makeCertificate({ commonName: 'signer', notAfter });
  const { createPrivateKey } = await import('node:crypto');
  const signer = { ...curve, privateKey: createPrivateKey(signing.keyPem) };
  const registry = new Registry().issuer([{ encodedKey: signing.pem }]);
  const token = await makeToken(signer, 'dev');
  const outcome = await registry.ask(token);
  assert.ok(outcome.ok);
  assert.equal(outcome.validUntilMs, notAfter.getTime());
  assert.equal(await registry.reason(token, notAfter.getTime()), 'token_untrusted');
});

test('keys that are weak, secret or of another kind are refused by name', () => {
  const refusal = (result: ReturnType<typeof tokenKeyOfPem>) => (result.ok ? 'ok' : result.why);
  const privatePem = rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  assert.match(refusal(tokenKeyOfPem('', privatePem)), /private key/);
  assert.match(refusal(tokenKeyOfPem('', '')), /one public key/);
  assert.match(refusal(tokenKeyOfPem('', rsa.publicPem + rsa.publicPem)), /one public key/);
  const secret = { kty: 'oct', k: Buffer.from(rsa.publicPem).toString('base64url') };
  assert.match(refusal(tokenKeyOfJwk(secret)), /no public signature key/);
  const jwk = rsa.publicKey.export({ format: 'jwk' }) as Record<string, unknown>;
  assert.equal(refusal(tokenKeyOfJwk(jwk)), 'ok');
  assert.match(refusal(tokenKeyOfJwk({ ...jwk, use: 'enc' })), /no public signature key/);
  assert.match(refusal(tokenKeyOfJwk({ ...jwk, alg: 'HS256' })), /no key for HS256/);
  assert.match(refusal(tokenKeyOfJwk({ ...jwk, n: 'AQAB' })), /bits/);
});

test('no text is accepted as a token, or throws', async () => {
  const registry = new Registry().issuer([keyOf(rsa)]);
  const good = await makeToken(rsa, 'dev');
  const mutated = fc
    .tuple(fc.nat(good.length - 1), fc.string({ minLength: 1, maxLength: 3 }))
    .map(([at, text]) => good.slice(0, at) + text + good.slice(at + text.length));
  assert.equal(await registry.reason(good), 'accepted');
  assert.equal(await registry.reason(`${good.slice(0, -1)} ${good.slice(-1)}`), 'token_invalid');
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string(), mutated), async (token) => {
      // Unused bits of the last base64 digit may differ.
      if (token.slice(0, -1) === good.slice(0, -1)) return;
      assert.notEqual(await registry.reason(token), 'accepted');
    }),
  );
});
