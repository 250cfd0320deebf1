/**
 * Revocation lists — X.509 CRLs (RFC 5280 §5): which serial numbers a CA has taken back.
 *
 *     CertificateList ::= SEQUENCE { tbsCertList, signatureAlgorithm, signature BIT STRING }
 *     tbsCertList ::= SEQUENCE { version INTEGER OPTIONAL, signature, issuer Name, thisUpdate Time,
 *       nextUpdate Time OPTIONAL, revokedCertificates SEQUENCE OF … OPTIONAL, [0] extensions }
 *
 * Whole lists of the CA itself only: partial and indirect ones say so in a critical extension, and
 * such are refused. Past its next update a list still counts: what was taken back stays so.
 * Cost: ~1 ms per 1,000 entries; parsed when the registry changes, never per CONNECT.
 */
import { verify } from 'node:crypto';
import type { X509Certificate } from 'node:crypto';
import { readExtensionList } from './certificate-extensions.ts';
import {
  BIT_STRING,
  GENERALIZED_TIME,
  INTEGER,
  OBJECT_IDENTIFIER,
  readElements,
  SEQUENCE,
  UTC_TIME,
} from './der.ts';
import type { Element } from './der.ts';

export interface RevocationList {
  /** DER of the issuer's name. */
  readonly issuer: Buffer;
  readonly issuedAtMs: number;
  readonly nextUpdateMs: number | undefined;
  /** As node:crypto writes them: hex, upper case, without leading zero bytes. */
  readonly serialNumbers: ReadonlySet<string>;
  readonly signedBytes: Buffer;
  readonly signature: Buffer;
  /** Object identifier of the signature algorithm, hex. */
  readonly algorithm: string;
}

export type RevocationListResult =
  | { readonly ok: true; readonly list: RevocationList }
  /** The end of the sentence "encodedList …". */
  | { readonly ok: false; readonly why: string };

const EXTENSIONS = 0xa0;

/** Hash by signature algorithm; Ed25519 hashes by itself. */
const HASHES: Readonly<Record<string, string | null>> = {
  '2a864886f70d01010b': 'sha256', // RSA
  '2a864886f70d01010c': 'sha384',
  '2a864886f70d01010d': 'sha512',
  '2a8648ce3d040302': 'sha256', // ECDSA
  '2a8648ce3d040303': 'sha384',
  '2a8648ce3d040304': 'sha512',
  '2b6570': null,
};

export function parseRevocationList(text: string): RevocationListResult {
  const der = derOf(text);
  if (der === undefined) return refused('must be a revocation list in PEM, or DER in base64');
  const outer = readElements(der);
  const [body, algorithm, signature, ...more] = childrenOf(
    outer?.length === 1 ? outer[0] : undefined,
  );
  const identifier = childrenOf(algorithm)[0];
  if (body === undefined || signature?.tag !== BIT_STRING || more.length > 0) return UNREADABLE;
  if (identifier?.tag !== OBJECT_IDENTIFIER) return UNREADABLE;
  const fields = childrenOf(body);
  if (fields[0]?.tag === INTEGER) fields.shift();
  const [, issuer, thisUpdate, ...rest] = fields;
  const issuedAtMs = timeOf(thisUpdate);
  if (issuer?.tag !== SEQUENCE || issuedAtMs === undefined) return UNREADABLE;
  const nextUpdateMs = timeOf(rest[0]);
  if (nextUpdateMs !== undefined) rest.shift();
  const serialNumbers = rest[0]?.tag === SEQUENCE ? serialsOf(rest.shift()) : new Set<string>();
  if (serialNumbers === undefined) return UNREADABLE;
  const extensions = rest[0]?.tag === EXTENSIONS ? readExtensionList(rest[0]) : [];
  if (extensions === undefined || rest.length > 1) return UNREADABLE;
  if (extensions.some(({ critical }) => critical)) {
    return refused('is a partial or indirect list, which is not supported');
  }
  const list = {
    issuer: issuer.whole,
    ...{ issuedAtMs, nextUpdateMs, serialNumbers },
    signedBytes: body.whole,
    // The first byte counts unused bits: none.
    signature: signature.content.subarray(1),
    algorithm: identifier.content.toString('hex'),
  };
  return { ok: true, list };
}

/** Whether this CA made the list; otherwise the end of the sentence "encodedList …". */
export function signatureFault(list: RevocationList, ca: X509Certificate): string | undefined {
  if (!list.issuer.equals(subjectOf(ca) ?? Buffer.alloc(0))) return 'is of another CA';
  const hash = HASHES[list.algorithm];
  if (hash === undefined) return 'is signed with an algorithm that is not supported';
  try {
    if (verify(hash, list.signedBytes, ca.publicKey, list.signature)) return undefined;
  } catch {
    return 'is signed with a key of another kind than the CA has';
  }
  return 'is not signed by the key of the CA';
}

function subjectOf(certificate: X509Certificate): Buffer | undefined {
  const fields = childrenOf(childrenOf(readElements(certificate.raw)?.[0])[0]);
  // version [0], serial number, signature, issuer, validity, subject; version 1 has no version.
  const at = fields[0]?.tag === EXTENSIONS ? 5 : 4;
  return fields[at]?.whole;
}

/** RFC 7468 says `X509 CRL`; some programs leave the first word out. */
const PEM = /^\s*-----BEGIN (X509 )?CRL-----([A-Za-z0-9+/=\s]+)-----END \1CRL-----\s*$/;

function derOf(text: string): Buffer | undefined {
  const base64 = PEM.exec(text)?.[2] ?? text;
  if (base64.trim() === '' || !/^[A-Za-z0-9+/=\s]+$/.test(base64)) return undefined;
  return Buffer.from(base64, 'base64');
}

/** Undefined: an entry cannot be read, so the list must not count as if it were not there. */
function serialsOf(list: Element | undefined): Set<string> | undefined {
  const serials = new Set<string>();
  const entries = list === undefined ? undefined : readElements(list.content);
  for (const entry of entries ?? []) {
    const [serial] = childrenOf(entry);
    if (serial?.tag !== INTEGER) return undefined;
    const hex = serial.content.toString('hex').toUpperCase();
    serials.add(hex.replace(/^(?:00)+(?=..)/, ''));
  }
  return entries === undefined ? undefined : serials;
}

function childrenOf(element: Element | undefined): Element[] {
  return (element?.tag === SEQUENCE ? readElements(element.content) : undefined) ?? [];
}

/** UTCTime YYMMDDhhmmssZ until 2049, GeneralizedTime YYYYMMDDhhmmssZ after. */
function timeOf(element: Element | undefined): number | undefined {
  if (element?.tag !== UTC_TIME && element?.tag !== GENERALIZED_TIME) return undefined;
  const text = element.content.toString('latin1');
  const match = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(text);
  if (match === null) return undefined;
  const [, year = '', ...parts] = match;
  const century = Number(year) < 50 ? '20' : '19';
  const [month, day, hour, minute, second] = parts;
  const whole = year.length === 4 ? year : century + year;
  const timeMs = Date.parse(`${whole}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(timeMs) ? undefined : timeMs;
}

function refused(why: string): { readonly ok: false; readonly why: string } {
  return { ok: false, why };
}

const UNREADABLE = refused('is no readable revocation list');
