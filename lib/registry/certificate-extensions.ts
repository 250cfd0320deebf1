/**
 * Extensions of an X.509 certificate that node:crypto does not show: which there are, which are
 * critical, and the path length of a CA.
 *
 * Grammar (RFC 5280 §4.1): Certificate ::= SEQUENCE { tbsCertificate, … }, in it `[3]` holds
 *   SEQUENCE OF SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE,
 *   extnValue OCTET STRING }.
 * Input:  bytes that OpenSSL has parsed already; anything odd still gives undefined, never a throw.
 */
import type { X509Certificate } from 'node:crypto';
import {
  BOOLEAN,
  INTEGER,
  OBJECT_IDENTIFIER,
  OCTET_STRING,
  readElements,
  SEQUENCE,
} from './der.ts';
import type { Element } from './der.ts';

export interface CertificateExtension {
  /** Content bytes of the object identifier, hex: `551d13` is 2.5.29.19. */
  readonly identifier: string;
  readonly critical: boolean;
  readonly value: Buffer;
}

export const BASIC_CONSTRAINTS = '551d13';
export const NAME_CONSTRAINTS = '551d1e';
const KEY_USAGE = '551d0f';
const EXTENDED_KEY_USAGE = '551d25';
const SUBJECT_ALTERNATIVE_NAME = '551d11';
const CERTIFICATE_POLICIES = '551d20';
const POLICY_CONSTRAINTS = '551d24';
const INHIBIT_ANY_POLICY = '551d36';

/** Extensions whose rules are checked here or by OpenSSL, or which restrict nothing we use. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  BASIC_CONSTRAINTS,
  KEY_USAGE,
  EXTENDED_KEY_USAGE,
  SUBJECT_ALTERNATIVE_NAME,
  CERTIFICATE_POLICIES,
  POLICY_CONSTRAINTS,
  INHIBIT_ANY_POLICY,
]);

const EXTENSIONS = 0xa3;

/** What restricts a chain beyond signatures and dates. */
export interface ChainRestrictions {
  /** CA certificates that may stand below this one; undefined = any number. */
  readonly pathLength: number | undefined;
  /** An extension that must not be ignored and is not understood; undefined = none. */
  readonly obstacle: string | undefined;
}

/** Undefined: the certificate's structure cannot be read. */
export function chainRestrictions(certificate: X509Certificate): ChainRestrictions | undefined {
  const extensions = readExtensions(certificate.raw);
  if (extensions === undefined) return undefined;
  let pathLength: number | undefined;
  let obstacle: string | undefined;
  for (const { identifier, critical, value } of extensions) {
    if (identifier === BASIC_CONSTRAINTS) pathLength = readPathLength(value);
    else if (identifier === NAME_CONSTRAINTS) obstacle = 'name constraints';
    else if (critical && !UNDERSTOOD.has(identifier)) obstacle = `critical extension ${identifier}`;
  }
  return { pathLength, obstacle };
}

export function readExtensions(der: Buffer): CertificateExtension[] | undefined {
  const certificate = readElements(der)?.[0];
  if (certificate?.tag !== SEQUENCE) return undefined;
  const body = readElements(certificate.content)?.[0];
  if (body?.tag !== SEQUENCE) return undefined;
  const fields = readElements(body.content);
  if (fields === undefined) return undefined;
  const holder = fields.find((field) => field.tag === EXTENSIONS);
  if (holder === undefined) return [];
  return readExtensionList(holder);
}

/** What an explicitly tagged field of extensions holds. */
export function readExtensionList(holder: Element): CertificateExtension[] | undefined {
  const list = readElements(holder.content)?.[0];
  const items = list?.tag === SEQUENCE ? readElements(list.content) : undefined;
  const extensions: CertificateExtension[] = [];
  for (const item of items ?? []) {
    const extension = readExtension(item);
    if (extension === undefined) return undefined;
    extensions.push(extension);
  }
  return items === undefined ? undefined : extensions;
}

function readExtension(item: Element): CertificateExtension | undefined {
  const parts = item.tag === SEQUENCE ? readElements(item.content) : undefined;
  const [identifier, second, third] = parts ?? [];
  if (identifier?.tag !== OBJECT_IDENTIFIER || second === undefined) return undefined;
  const value = second.tag === BOOLEAN ? third : second;
  if (value?.tag !== OCTET_STRING) return undefined;
  return {
    identifier: identifier.content.toString('hex'),
    critical: second.tag === BOOLEAN && second.content[0] !== 0,
    value: value.content,
  };
}

function readPathLength(value: Buffer): number | undefined {
  const constraints = readElements(value)?.[0];
  if (constraints?.tag !== SEQUENCE) return undefined;
  const length = readElements(constraints.content)?.find((part) => part.tag === INTEGER);
  if (length === undefined) return undefined;
  // A length that needs more than a byte is longer than any chain we walk.
  return length.content.length === 1 ? length.content[0] : undefined;
}
