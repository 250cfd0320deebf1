/**
 * A CA certificate as a user hands it in: PEM, one certificate that may sign others.
 */
import { X509Certificate } from 'node:crypto';
import { chainRestrictions } from './certificate-extensions.ts';

/** What is wrong with it, as the end of the sentence "encodedCertificate …". */
export function caCertificateFault(pem: string): string | undefined {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    return 'holds a private key: send the certificate only, and make a new key';
  }
  const count = pem.match(/-----BEGIN CERTIFICATE-----/g)?.length ?? 0;
  if (count !== 1) return `must hold one PEM certificate, holds ${count}`;
  const certificate = parseCertificate(pem);
  if (certificate === undefined) return 'is no readable certificate';
  if (!certificate.ca) return 'is no CA certificate: basic constraints or key usage forbid signing';
  const restrictions = chainRestrictions(certificate);
  if (restrictions === undefined) return 'is no readable certificate';
  if (restrictions.obstacle === undefined) return undefined;
  return `is limited by ${restrictions.obstacle}, which is not supported`;
}

export function parseCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}
