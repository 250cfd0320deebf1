/**
 * Validation of JWT issuers and of the key sets that control has read for them.
 */
import * as limits from './limits.ts';
import type { IssuerKey, JwtIssuerSpec, JwtKeySetSpec } from './resources.ts';
import { isJsonObject, SpecReader } from './spec-reader.ts';
import type { JsonObject } from './spec-reader.ts';
import { KEPT_JWK_FIELDS, tokenKeyOfJwk, tokenKeyOfPem } from './token-keys.ts';

export function readJwtIssuer(spec: SpecReader): JwtIssuerSpec {
  const tokenIssuer = spec.text('tokenIssuer', limits.TOKEN_ISSUER_LENGTH_MAX) ?? '';
  if (tokenIssuer === '') spec.refuse('tokenIssuer', 'must be the claim iss of the tokens');
  const audiences = spec.texts(
    'audiences',
    limits.TOKEN_AUDIENCES_MAX,
    limits.TOKEN_ISSUER_LENGTH_MAX,
  );
  if (audiences.length === 0) spec.refuse('audiences', 'must have at least one');
  if (audiences.includes('')) spec.refuse('audiences', 'must not be empty');
  const keys = readKeys(spec);
  const jwksUrl = spec.text('jwksUrl', limits.ENDPOINT_LENGTH_MAX) ?? '';
  if (jwksUrl === '' && keys.length === 0 && !spec.has('keys')) {
    spec.refuse('keys', 'must have at least one, or jwksUrl must be set');
  }
  const fault = jwksUrl === '' ? undefined : endpointFault(jwksUrl);
  if (fault !== undefined) spec.refuse('jwksUrl', fault);
  const refresh = limits.JWKS_REFRESH_SECONDS;
  // An absent number is 0 in protobuf.
  const isAbsent = spec.value('jwksRefreshSeconds') === 0;
  const seconds = isAbsent
    ? undefined
    : spec.integer('jwksRefreshSeconds', refresh.min, refresh.max);
  return {
    description: spec.text('description', limits.DESCRIPTION_LENGTH_MAX) ?? '',
    tokenIssuer,
    audiences,
    keys,
    jwksUrl,
    jwksRefreshSeconds: seconds ?? refresh.default,
  };
}

function readKeys(spec: SpecReader): IssuerKey[] {
  const value = spec.value('keys') ?? [];
  if (!Array.isArray(value)) return spec.refuse('keys', 'must be a list') ?? [];
  if (value.length > limits.TOKEN_KEYS_MAX) {
    return spec.refuse('keys', `must have ≤ ${limits.TOKEN_KEYS_MAX} items`) ?? [];
  }
  const keys: IssuerKey[] = [];
  value.forEach((item: unknown, index) => {
    const reader = new SpecReader(item, `keys[${index}]`, spec.violations);
    const kid = reader.text('kid', limits.TOKEN_KID_LENGTH_MAX) ?? '';
    const encodedKey = reader.text('encodedKey', limits.CERTIFICATE_LENGTH_MAX) ?? '';
    const parsed = tokenKeyOfPem(kid, encodedKey);
    if (!parsed.ok) reader.refuse('encodedKey', parsed.why);
    if (kid !== '' && keys.some((key) => key.kid === kid)) reader.refuse('kid', 'stands before');
    reader.end();
    keys.push({ kid, encodedKey });
  });
  return keys;
}

/** Keys of a set that serve for nothing here are left out, as RFC 7517 §5 asks. */
export function readJwtKeySet(spec: SpecReader): JwtKeySetSpec {
  const jwksUrl = spec.text('jwksUrl', limits.ENDPOINT_LENGTH_MAX) ?? '';
  const value = spec.value('keys');
  if (!Array.isArray(value)) spec.refuse('keys', 'must be a list');
  const usable = (Array.isArray(value) ? value : [])
    .filter((item: unknown): item is JsonObject => isJsonObject(item))
    .filter((item) => tokenKeyOfJwk(item).ok)
    .slice(0, limits.JWKS_KEYS_MAX);
  if (usable.length === 0) spec.refuse('keys', 'must have a public key that can sign');
  return { jwksUrl, keys: usable.map(keptFields) };
}

function keptFields(jwk: JsonObject): JsonObject {
  return Object.fromEntries(
    KEPT_JWK_FIELDS.flatMap((field) => (jwk[field] === undefined ? [] : [[field, jwk[field]]])),
  );
}

/** HTTPS anywhere; plain HTTP on this machine only, for development. */
export function endpointFault(text: string): string | undefined {
  if (!URL.canParse(text)) return 'must be an absolute URL';
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return 'must not hold a user name or password';
  if (url.hash !== '') return 'must not hold a fragment';
  if (url.protocol === 'https:') return undefined;
  if (url.protocol !== 'http:') return 'must begin with https://';
  if (isLoopbackHost(url.hostname)) return undefined;
  return 'must begin with https:// (http:// is for loopback addresses only)';
}

function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}
