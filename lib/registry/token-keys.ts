/**
 * Token keys — public keys that may sign the tokens of an issuer, and with which algorithms.
 *
 * Rule:  the key says which algorithms count, never the token: a token that names another is not
 *        even checked. Only asymmetric ones exist here, so a public key can never serve as a
 *        shared secret.
 * Input: PEM of a public key or certificate, or a JSON Web Key; anything else is refused.
 */
import { createPublicKey, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { JsonObject } from './spec-reader.ts';

/** Bits of an RSA key: less is broken or soon will be (RFC 7518 §3.3). */
const RSA_BITS_MIN = 2_048;

const RSA_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const;
const CURVE_ALGORITHMS: Readonly<Record<string, string>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
};
const EDWARDS_ALGORITHMS = ['EdDSA', 'Ed25519'] as const;

/** What of a JSON Web Key is kept: nothing secret, nothing that is not looked at. */
export const KEPT_JWK_FIELDS = ['kty', 'kid', 'alg', 'crv', 'x', 'y', 'n', 'e'] as const;

export interface TokenKey {
  /** Empty: for tokens whatever key they name. */
  readonly kid: string;
  readonly key: KeyObject;
  readonly algorithms: readonly string[];
  /** Dates of the certificate that the key came in, ms; a bare key has none. */
  readonly validFromMs: number;
  readonly validToMs: number;
}

export type TokenKeyResult =
  | { readonly ok: true; readonly tokenKey: TokenKey }
  /** The end of a sentence that begins with the field's name. */
  | { readonly ok: false; readonly why: string };

export function tokenKeyOfPem(kid: string, pem: string): TokenKeyResult {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    return refused('holds a private key: send the public one only, and make a new key');
  }
  const count = pem.match(/-----BEGIN (?:CERTIFICATE|PUBLIC KEY|RSA PUBLIC KEY)-----/g)?.length;
  if (count !== 1) return refused('must hold one public key or certificate in PEM');
  try {
    if (!pem.includes('-----BEGIN CERTIFICATE-----')) return judge(kid, createPublicKey(pem));
    const { publicKey, validFromDate, validToDate } = new X509Certificate(pem);
    return judge(kid, publicKey, undefined, validFromDate.getTime(), validToDate.getTime());
  } catch {
    return refused('is no readable public key or certificate');
  }
}

export function tokenKeyOfJwk(jwk: JsonObject): TokenKeyResult {
  const { kid = '', alg, use = 'sig', kty } = jwk;
  if (typeof kid !== 'string' || (alg !== undefined && typeof alg !== 'string')) {
    return refused('has a kid or alg that is no text');
  }
  if (use !== 'sig' || kty === 'oct' || 'd' in jwk) return refused('is no public signature key');
  try {
    return judge(kid, createPublicKey({ key: { ...jwk }, format: 'jwk' }), alg);
  } catch {
    return refused('is no readable JSON Web Key');
  }
}

function judge(
  kid: string,
  key: KeyObject,
  only?: string,
  validFromMs = 0,
  validToMs = Number.POSITIVE_INFINITY,
): TokenKeyResult {
  const fitting = algorithmsOf(key);
  if (typeof fitting === 'string') return refused(fitting);
  const algorithms = only === undefined ? fitting : fitting.filter((name) => name === only);
  if (algorithms.length === 0) return refused(`is no key for ${only ?? 'any algorithm'}`);
  return { ok: true, tokenKey: { kid, key, algorithms, validFromMs, validToMs } };
}

/** A text says why the key serves for none. */
function algorithmsOf(key: KeyObject): readonly string[] | string {
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'rsa':
      if (modulusLength >= RSA_BITS_MIN) return RSA_ALGORITHMS;
      return `has ${modulusLength} bits; RSA needs ${RSA_BITS_MIN}`;
    case 'ec': {
      const algorithm = CURVE_ALGORITHMS[namedCurve];
      return algorithm === undefined ? `is on the curve ${namedCurve}` : [algorithm];
    }
    case 'ed25519':
      return EDWARDS_ALGORITHMS;
    default:
      return 'must be RSA, ECDSA (P-256, P-384, P-521) or Ed25519';
  }
}

function refused(why: string): TokenKeyResult {
  return { ok: false, why };
}
