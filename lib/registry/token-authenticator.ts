/**
 * Token authenticator — who is it that brings a JSON Web Token (event-grid §6.5)?
 *
 * Name:   the claim `sub`. Attributes: the other claims that are texts, 32-bit whole numbers or
 *         lists of texts. No record in the registry is needed; one of this name that is disabled
 *         refuses the token, so an operator can shut a single client out.
 * Proof:  issuer by `iss`, key by `kid`, algorithm by the key (`token-keys.ts`); then `aud`, `exp`,
 *         `sub`, and `nbf` where it stands. TOKEN_LEEWAY_SECONDS for clocks that differ.
 * Cost:   one signature check, ~0.1 ms on a thread beside the loop. The result is kept with the
 *         credentials, so asking again for an open connection costs none unless the issuer or its
 *         keys have changed.
 * Bounds: TOKEN_BYTES_MAX, TOKEN_KEYS_TRIED_MAX.
 */
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify } from 'jose';
import type { JWTPayload } from 'jose';
import type { Reason } from '#base';
import type { AttributeValue, Authentication, Credentials, Identity } from './directory.ts';
import { CLIENT_NAME_LENGTH_MAX } from './limits.ts';
import type { RegistryImage } from './registry-image.ts';
import type { Resource } from './resources.ts';
import { tokenKeyOfJwk, tokenKeyOfPem } from './token-keys.ts';
import type { TokenKey } from './token-keys.ts';

/** Event Grid's limit for authentication data, bytes. */
export const TOKEN_BYTES_MAX = 8_192;
/** Decoders of base64 pass over white space: two texts would be one token. */
const COMPACT_FORM = /^[\w-]+\.[\w-]+\.[\w-]*$/;
/** Difference between our clock and the issuer's that is put up with, seconds. */
export const TOKEN_LEEWAY_SECONDS = 5;
/** Keys tried for a token that names none: bounds what a forged one costs. */
export const TOKEN_KEYS_TRIED_MAX = 4;

/** Claims that are not attributes. */
const NO_ATTRIBUTES = new Set(['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti']);

/** An issuer with its keys as they stand; a change of either makes a new one. */
interface Issuer {
  readonly resource: Resource<'jwtIssuers'>;
  readonly keys: readonly TokenKey[];
}

interface Proof {
  readonly issuer: Issuer;
  readonly identity: Identity;
  readonly validUntilMs: number;
}

export class TokenAuthenticator {
  readonly #image: RegistryImage;
  #issuers: Map<string, Issuer> | undefined;
  readonly #proofs = new WeakMap<Credentials, Proof>();

  constructor(image: RegistryImage) {
    this.#image = image;
  }

  /** Issuers or key sets changed. */
  invalidate(): void {
    this.#issuers = undefined;
  }

  /** Whether these credentials are to be judged by their token. */
  takes({ token, authenticationMethod }: Credentials): boolean {
    if (token === undefined) return false;
    return authenticationMethod !== undefined || this.#image.count('jwtIssuers') > 0;
  }

  async authenticate(credentials: Credentials, nowMs: number): Promise<Authentication> {
    const proof = await this.#prove(credentials, nowMs);
    if ('reason' in proof) return { ok: false, ...proof };
    const client = this.#image.clientByAuthenticationName(proof.identity.authenticationName);
    if (client?.spec.state === 'Disabled') {
      return {
        ok: false,
        reason: 'client_disabled',
        detail: 'the client of this name is disabled',
      };
    }
    return { ok: true, identity: proof.identity, validUntilMs: proof.validUntilMs };
  }

  async #prove(credentials: Credentials, nowMs: number): Promise<Proof | Refusal> {
    const { token = '' } = credentials;
    if (token.length > TOKEN_BYTES_MAX) return refusal('token_invalid', 'the token is too long');
    if (!COMPACT_FORM.test(token)) return refusal('token_invalid', 'it is no compact token');
    const read = readToken(token);
    if (read === undefined) return refusal('token_invalid', 'it is no signed JSON Web Token');
    const issuer = this.#issuer(read.iss);
    if (issuer === undefined) return refusal('token_untrusted', 'its issuer is not registered');
    const known = this.#proofs.get(credentials);
    if (known?.issuer === issuer && nowMs < known.validUntilMs) return known;
    const verified = await verify(token, read, issuer, nowMs);
    if ('reason' in verified) return verified;
    const name = verified.payload.sub ?? '';
    if (name === '' || name.length > CLIENT_NAME_LENGTH_MAX || /\p{Cc}/u.test(name)) {
      return refusal('token_invalid', 'its sub cannot be an authentication name');
    }
    const expiresMs = (verified.payload.exp ?? 0) * 1_000 + TOKEN_LEEWAY_SECONDS * 1_000;
    const validUntilMs = Math.min(expiresMs, verified.key.validToMs);
    const proof = { issuer, identity: identityOf(name, verified.payload), validUntilMs };
    this.#proofs.set(credentials, proof);
    return proof;
  }

  #issuer(iss: string): Issuer | undefined {
    this.#issuers ??= issuersOf(this.#image);
    return this.#issuers.get(iss);
  }
}

interface Refusal {
  readonly reason: Reason;
  readonly detail: string;
}

function refusal(reason: Reason, detail: string): Refusal {
  return { reason, detail };
}

interface TokenHead {
  readonly iss: string;
  readonly alg: string;
  readonly kid: string;
}

/** What an unproven token says of itself. */
function readToken(token: string): TokenHead | undefined {
  try {
    const { alg, kid = '' } = decodeProtectedHeader(token);
    const { iss } = decodeJwt(token);
    if (typeof alg !== 'string' || typeof iss !== 'string' || typeof kid !== 'string') {
      return undefined;
    }
    return { iss, alg, kid };
  } catch {
    return undefined;
  }
}

async function verify(
  token: string,
  { alg, kid }: TokenHead,
  { resource, keys }: Issuer,
  nowMs: number,
): Promise<{ readonly payload: JWTPayload; readonly key: TokenKey } | Refusal> {
  const named = keys.filter((key) => kid !== '' && key.kid === kid);
  const possible = kid === '' ? keys : named.length > 0 ? named : keys.filter((key) => !key.kid);
  const candidates = possible.filter((key) => key.algorithms.includes(alg));
  let fault = refusal('token_untrusted', 'no registered key of its issuer fits kid and algorithm');
  for (const key of candidates.slice(0, TOKEN_KEYS_TRIED_MAX)) {
    if (nowMs < key.validFromMs || nowMs >= key.validToMs) {
      fault = refusal('token_untrusted', 'the certificate of its key is not valid at this time');
      continue;
    }
    try {
      const { payload } = await jwtVerify(token, key.key, {
        algorithms: [...key.algorithms],
        issuer: resource.spec.tokenIssuer,
        audience: [...resource.spec.audiences],
        requiredClaims: ['sub', 'exp'],
        clockTolerance: TOKEN_LEEWAY_SECONDS,
        currentDate: new Date(nowMs),
      });
      return { payload, key };
    } catch (cause) {
      fault = refusalOf(cause);
      if (fault.reason !== 'token_untrusted') return fault;
    }
  }
  return fault;
}

/** Says which claim is wrong, never what it says: the line goes to logs. */
function refusalOf(cause: unknown): Refusal {
  if (cause instanceof errors.JWTExpired) return refusal('token_expired', 'it has expired');
  if (cause instanceof errors.JWTClaimValidationFailed) {
    const { claim } = cause;
    if (claim === 'nbf') return refusal('token_expired', 'it is not valid yet');
    return refusal('token_invalid', `its claim ${claim} is missing or does not fit`);
  }
  if (cause instanceof errors.JWSSignatureVerificationFailed) {
    return refusal('token_untrusted', 'its signature does not fit');
  }
  return refusal('token_invalid', 'it is no well-formed token');
}

function identityOf(authenticationName: string, payload: JWTPayload): Identity {
  const attributes: [string, AttributeValue][] = [];
  for (const [claim, value] of Object.entries(payload)) {
    if (NO_ATTRIBUTES.has(claim) || claim === '__proto__') continue;
    const attribute = attributeOf(value);
    if (attribute !== undefined) attributes.push([claim, attribute]);
  }
  return Object.freeze({
    clientName: '',
    authenticationName,
    attributes: Object.fromEntries(attributes),
    source: 'token',
  });
}

function attributeOf(value: unknown): AttributeValue | undefined {
  if (typeof value === 'string') return value.isWellFormed() ? value : undefined;
  if (typeof value === 'number') return (value | 0) === value ? value : undefined;
  if (!Array.isArray(value)) return undefined;
  const texts = value.filter((item): item is string => typeof item === 'string');
  return texts.length === value.length ? texts : undefined;
}

function issuersOf(image: RegistryImage): Map<string, Issuer> {
  const issuers = new Map<string, Issuer>();
  for (const resource of image.all('jwtIssuers')) {
    const { tokenIssuer, keys, jwksUrl } = resource.spec;
    const set = image.get('jwtKeySets', resource.name)?.spec;
    // Keys that were read from elsewhere are not this issuer's any more.
    const jwks = set !== undefined && set.jwksUrl === jwksUrl ? set.keys : [];
    const results = [
      ...keys.map(({ kid, encodedKey }) => tokenKeyOfPem(kid, encodedKey)),
      ...jwks.map((jwk) => tokenKeyOfJwk(jwk)),
    ];
    const usable = results.flatMap((result) => (result.ok ? [result.tokenKey] : []));
    issuers.set(tokenIssuer, { resource, keys: usable });
  }
  return issuers;
}
