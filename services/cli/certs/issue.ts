/**
 * Certificates — makes a CA, and server and client certificates under it.
 *
 * Keys: ECDSA P-256, a new one for each certificate; signatures with SHA-256.
 * Names: a client certificate carries the authentication name as its common name, which is what
 *        the registry compares (SubjectMatchesAuthenticationName).
 * Cost:  loading the X.509 library takes ~150 ms, so callers import this file only when something
 *        has to be made.
 */
import 'reflect-metadata';
import { isIP } from 'node:net';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  cryptoProvider,
} from '@peculiar/x509';
import type { Extension } from '@peculiar/x509';

const DAY_MS = 86_400_000;
/** Life of a CA. Range 1 … 36,500 days; a development CA should outlive its laptop. */
export const CA_DAYS = 3_650;
/** Life of the others: the longest that common clients accept of a server. */
export const LEAF_DAYS = 825;
/** Clocks differ: certificates count from this much before now. */
const BACKDATE_MS = 3_600_000;

const KEY = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' };

/** A certificate and its private key (PKCS #8), both PEM. */
export interface Issued {
  readonly certificatePem: string;
  readonly keyPem: string;
}

interface Shape {
  readonly commonName: string;
  readonly days: number;
  readonly extensions: readonly Extension[];
}

cryptoProvider.set(globalThis.crypto);

/** A self-signed CA that may sign leaves only. */
export function createAuthority(commonName: string, days: number = CA_DAYS): Promise<Issued> {
  const usages = KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign;
  const extensions = [
    new BasicConstraintsExtension(true, 0, true),
    new KeyUsagesExtension(usages, true),
  ];
  return issue({ commonName, days, extensions }, undefined);
}

/** A server certificate; `hosts` are DNS names and IP addresses, the first is its common name. */
export function issueServer(
  authority: Issued,
  hosts: readonly [string, ...string[]],
  days: number = LEAF_DAYS,
): Promise<Issued> {
  const names = hosts.map((value) => {
    return { type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value };
  });
  const extensions = leafExtensions(ExtendedKeyUsage.serverAuth);
  extensions.push(new SubjectAlternativeNameExtension(names));
  return issue({ commonName: hosts[0], days, extensions }, authority);
}

/** A client certificate whose common name is the client's authentication name. */
export function issueClient(
  authority: Issued,
  authenticationName: string,
  days: number = LEAF_DAYS,
): Promise<Issued> {
  const extensions = leafExtensions(ExtendedKeyUsage.clientAuth);
  return issue({ commonName: authenticationName, days, extensions }, authority);
}

function leafExtensions(usage: ExtendedKeyUsage): Extension[] {
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([usage]),
  ];
}

async function issue(shape: Shape, authority: Issued | undefined): Promise<Issued> {
  const keys = await crypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
  const signer = authority === undefined ? undefined : await readAuthority(authority);
  const name = [{ CN: [shape.commonName] }];
  const nowMs = Date.now();
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: name,
    issuer: signer?.certificate.subjectName.toJSON() ?? name,
    notBefore: new Date(nowMs - BACKDATE_MS),
    notAfter: new Date(nowMs + shape.days * DAY_MS),
    publicKey: keys.publicKey,
    signingKey: signer?.key ?? keys.privateKey,
    signingAlgorithm: SIGNATURE,
    extensions: [
      ...shape.extensions,
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(signer?.certificate.publicKey ?? keys.publicKey),
    ],
  });
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    certificatePem: `${certificate.toString('pem')}\n`,
    keyPem: `${PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`,
  };
}

async function readAuthority(authority: Issued) {
  const [pkcs8] = PemConverter.decode(authority.keyPem);
  if (pkcs8 === undefined) throw new TypeError('the key of the CA is no PEM');
  return {
    certificate: new X509Certificate(authority.certificatePem),
    key: await crypto.subtle.importKey('pkcs8', pkcs8, KEY, false, ['sign']),
  };
}

/** 16 random bytes, positive and without a leading zero (RFC 5280 §4.1.2.2). */
function serialNumber(): string {
  const bytes = crypto.getRandomValues(Buffer.alloc(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}
