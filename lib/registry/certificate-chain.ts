/**
 * Certificate chain — does a client's leaf lead to a registered CA certificate?
 *
 * Anchor: any registered certificate, root or intermediate; what signed it does not matter
 *         (event-grid §6.1). Between leaf and anchor stand certificates that the client sent.
 * Checks: name and key identifier (checkIssued), signature, validity dates of every certificate,
 *         CA flag and key usage of issuers, path length, client use where a certificate limits its
 *         uses, no SHA-1 or MD5 signature, nothing critical that is not understood (RFC 5280 §6.1).
 * Taken back: by an issuer whose revocation list is registered, on whatever way it is reached: the
 *         list counts for the issuer's key, not for one of its certificates.
 * Cost:   ~100–200 µs per link (P-256). At most CHAIN_SENT_MAX certificates of the client are
 *         looked at, each once, so a hostile chain costs < 10 ms. Callers cache the result.
 */
import type { X509Certificate } from 'node:crypto';
import { chainRestrictions } from './certificate-extensions.ts';

/** Certificates sent by a client that are considered. Real chains have one or two. Range 1–32. */
export const CHAIN_SENT_MAX = 8;

const CLIENT_AUTHENTICATION = '1.3.6.1.5.5.7.3.2';
const ANY_USE = '2.5.29.37.0';
const WEAK_SIGNATURE = /md5|md4|md2|sha-?1(?![0-9])/i;

/** A proven chain is good within these dates (milliseconds since 1970, both included). */
export interface ProvenChain {
  readonly validFromMs: number;
  readonly validToMs: number;
}

export type ChainResult =
  | { readonly ok: true; readonly chain: ProvenChain }
  | ({ readonly ok: false } & ChainFault);

export interface ChainFault {
  readonly cause: 'untrusted' | 'expired' | 'revoked';
  readonly why: string;
}

/** Serial numbers that an issuer has taken back, by `keyOf` of the issuer. */
export type Revocations = ReadonlyMap<string, ReadonlySet<string>>;

/** Registered CA certificates, found by their subject, and what they have taken back. Immutable. */
export class TrustAnchors {
  readonly #bySubject = new Map<string, X509Certificate[]>();

  readonly #revocations: Revocations;

  constructor(certificates: Iterable<X509Certificate>, revocations: Revocations = new Map()) {
    this.#revocations = revocations;
    for (const certificate of certificates) {
      const same = this.#bySubject.get(certificate.subject);
      if (same === undefined) this.#bySubject.set(certificate.subject, [certificate]);
      else same.push(certificate);
    }
  }

  named(subject: string): readonly X509Certificate[] {
    return this.#bySubject.get(subject) ?? [];
  }

  isRevoked(certificate: X509Certificate, issuer: X509Certificate): boolean {
    if (this.#revocations.size === 0) return false;
    return this.#revocations.get(keyOf(issuer))?.has(certificate.serialNumber) === true;
  }
}

/** What an issuer is known by in `Revocations`: its public key. */
export function keyOf(issuer: X509Certificate): string {
  return issuer.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
}

interface Walk {
  readonly anchors: TrustAnchors;
  readonly unused: Set<X509Certificate>;
  readonly nowMs: number;
  failure: ChainFault;
}

export function proveChain(
  leaf: X509Certificate,
  sent: readonly X509Certificate[],
  anchors: TrustAnchors,
  nowMs: number,
): ChainResult {
  const unused = new Set(sent.slice(0, CHAIN_SENT_MAX));
  const failure: ChainFault = {
    cause: 'untrusted',
    why: 'no registered CA certificate signed it',
  };
  const walk: Walk = { anchors, unused, nowMs, failure };
  const fault = faultOf(leaf, walk, undefined);
  if (fault !== undefined) return { ok: false, ...fault };
  const chain = climb(leaf, walk, 0, datesOf(leaf));
  return chain === undefined ? { ok: false, ...walk.failure } : { ok: true, chain };
}

/** Whether the dates include `nowMs`; otherwise a sentence. */
export function dateFault(certificate: X509Certificate, nowMs: number): string | undefined {
  const { validFromMs, validToMs } = datesOf(certificate);
  if (nowMs < validFromMs) return `valid only from ${certificate.validFrom}`;
  if (nowMs > validToMs) return `valid only until ${certificate.validTo}`;
  return undefined;
}

/** Looks for the issuer of `certificate`: anchors first, then what the client sent. */
function climb(
  certificate: X509Certificate,
  walk: Walk,
  authoritiesBelow: number,
  dates: ProvenChain,
): ProvenChain | undefined {
  for (const anchor of walk.anchors.named(certificate.issuer)) {
    if (!isIssuer(anchor, certificate, walk, authoritiesBelow)) continue;
    return narrowed(dates, datesOf(anchor));
  }
  for (const candidate of walk.unused) {
    if (candidate.subject !== certificate.issuer) continue;
    if (!isIssuer(candidate, certificate, walk, authoritiesBelow)) continue;
    walk.unused.delete(candidate);
    const next = narrowed(dates, datesOf(candidate));
    const found = climb(candidate, walk, authoritiesBelow + 1, next);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isIssuer(
  issuer: X509Certificate,
  certificate: X509Certificate,
  walk: Walk,
  authoritiesBelow: number,
): boolean {
  if (!certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey)) return false;
  const fault = faultOf(issuer, walk, authoritiesBelow);
  if (fault !== undefined) return fail(walk, fault);
  if (!walk.anchors.isRevoked(certificate, issuer)) return true;
  const who = oneLine(issuer.subject);
  return fail(walk, {
    cause: 'revoked',
    why: `"${who}" has taken back ${certificate.serialNumber}`,
  });
}

/** What was taken back is the reason, whatever else is wrong on other ways. */
function fail(walk: Walk, fault: ChainFault): false {
  if (walk.failure.cause !== 'revoked') walk.failure = fault;
  return false;
}

/** What makes a certificate unfit for its place; `authoritiesBelow` undefined: it is the leaf. */
function faultOf(
  certificate: X509Certificate,
  walk: Walk,
  authoritiesBelow: number | undefined,
): ChainFault | undefined {
  const isLeaf = authoritiesBelow === undefined;
  const which = isLeaf ? 'it is' : `issuer "${oneLine(certificate.subject)}" is`;
  const dates = dateFault(certificate, walk.nowMs);
  if (dates !== undefined) return { cause: 'expired', why: `${which} ${dates}` };
  const why = (what: string): ChainFault => ({ cause: 'untrusted', why: `${which} ${what}` });
  if (!isLeaf && !certificate.ca) return why('not allowed to sign certificates');
  const uses: readonly string[] | undefined = certificate.keyUsage;
  if (uses !== undefined && !uses.includes(CLIENT_AUTHENTICATION) && !uses.includes(ANY_USE)) {
    return why('not meant for client authentication');
  }
  // An anchor is trusted for itself, whatever its own signature.
  if (WEAK_SIGNATURE.test(certificate.signatureAlgorithm ?? '') && !isAnchor(certificate, walk)) {
    return why('signed with a broken hash');
  }
  const restrictions = chainRestrictions(certificate);
  if (restrictions === undefined) return why('not readable');
  if (restrictions.obstacle !== undefined) return why(`limited by ${restrictions.obstacle}`);
  const { pathLength } = restrictions;
  if (!isLeaf && pathLength !== undefined && authoritiesBelow > pathLength) {
    return why(`limited to ${pathLength} CA certificates below it`);
  }
  return undefined;
}

function isAnchor(certificate: X509Certificate, walk: Walk): boolean {
  return walk.anchors.named(certificate.subject).includes(certificate);
}

function datesOf(certificate: X509Certificate): ProvenChain {
  return {
    validFromMs: certificate.validFromDate.getTime(),
    validToMs: certificate.validToDate.getTime(),
  };
}

function narrowed(one: ProvenChain, other: ProvenChain): ProvenChain {
  return {
    validFromMs: Math.max(one.validFromMs, other.validFromMs),
    validToMs: Math.min(one.validToMs, other.validToMs),
  };
}

function oneLine(subject: string): string {
  return subject.replaceAll('\n', ', ');
}
