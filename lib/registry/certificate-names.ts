/**
 * Names in a client certificate that can prove an authentication name (event-grid §5, §6).
 *
 * Subject: the common name, or the whole subject as RFC 4514 writes it. Others: the subject
 *          alternative names of one type.
 * Parsing: node:crypto gives the alternative names as one line, `TYPE:value, TYPE:value`, and puts
 *          a value that could be mistaken for more than one name in JSON quotes; only whole,
 *          well-formed entries count, so a value can never pass for another name.
 */
import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { NameSource, ValidationScheme } from './resources.ts';

const TYPE_OF_SCHEME = {
  DnsMatchesAuthenticationName: 'DNS',
  UriMatchesAuthenticationName: 'URI',
  IpMatchesAuthenticationName: 'IP Address',
  EmailMatchesAuthenticationName: 'email',
} as const;

export type NameScheme = Exclude<ValidationScheme, 'ThumbprintMatch'>;

/** Whether a field that the scheme names is equal to the authentication name, case aside. */
export function certificateNames(
  certificate: X509Certificate,
  scheme: NameScheme,
  authenticationName: string,
): boolean {
  const wanted = foldName(authenticationName);
  if (scheme === 'SubjectMatchesAuthenticationName') {
    const names = [...commonNames(certificate), subjectName(certificate)];
    return names.some((name) => foldName(name) === wanted);
  }
  const type = TYPE_OF_SCHEME[scheme];
  const names = alternativeNames(certificate.subjectAltName ?? '', type);
  if (type !== 'IP Address') return names.some((name) => foldName(name) === wanted);
  const address = foldAddress(authenticationName);
  return address !== undefined && names.some((name) => foldAddress(name) === address);
}

const TYPE_OF_SOURCE = {
  ClientCertificateDns: 'DNS',
  ClientCertificateUri: 'URI',
  ClientCertificateIp: 'IP Address',
  ClientCertificateEmail: 'email',
} as const;

/** The authentication name that a certificate gives; empty: it has none of the sources. */
export function nameFromCertificate(
  certificate: X509Certificate,
  sources: readonly NameSource[],
): string {
  for (const source of sources) {
    const name = nameFrom(certificate, source);
    if (name !== '') return name;
  }
  return '';
}

/** Of several alternative names of one type the first counts. */
function nameFrom(certificate: X509Certificate, source: NameSource): string {
  if (source === 'ClientCertificateSubject') return subjectName(certificate);
  if (source === 'ClientCertificateCommonName') return commonNames(certificate)[0] ?? '';
  const names = alternativeNames(certificate.subjectAltName ?? '', TYPE_OF_SOURCE[source]);
  return names[0] ?? '';
}

/** RFC 4514: last part first, between commas. node:crypto has escaped the values, line by line. */
function subjectName(certificate: X509Certificate): string {
  const subject = certificate.subject as string | undefined;
  return subject === undefined ? '' : subject.split('\n').reverse().join(',');
}

/** Authentication names are equal if these are. */
export function foldName(name: string): string {
  return name.toLowerCase();
}

/** SHA-256 of the certificate as the registry writes it. */
export function thumbprintOf(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '');
}

/** A subject with several common names has none that counts: two names, two identities. */
function commonNames(certificate: X509Certificate): string[] {
  const subject = certificate.toLegacyObject().subject as { CN?: string | string[] } | undefined;
  const name = subject?.CN;
  return typeof name === 'string' ? [name] : [];
}

const ENTRY = /([A-Za-z][A-Za-z ]*):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y;

/** All alternative names of a type; none if the line is not wholly well-formed. */
export function alternativeNames(line: string, type: string): string[] {
  const names: string[] = [];
  let at = 0;
  while (at < line.length) {
    ENTRY.lastIndex = at;
    const entry = ENTRY.exec(line);
    if (entry === null) return [];
    at = ENTRY.lastIndex;
    if (entry[1] !== type) continue;
    const name = unquote(entry[2] ?? '');
    if (name === undefined) return [];
    names.push(name);
  }
  return names;
}

function unquote(text: string): string | undefined {
  if (!text.startsWith('"')) return text;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

function foldAddress(text: string): string | undefined {
  return isIP(text) === 0 ? undefined : ipaddr.process(text).toNormalizedString();
}
