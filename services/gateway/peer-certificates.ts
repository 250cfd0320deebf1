/**
 * Peer certificates — what a client presented in its TLS handshake, for the registry to judge.
 *
 * OpenSSL's own verdict is not asked: trust is in the registry (ecosystem §5), by thumbprint or
 * by a registered CA, root or intermediate.
 */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

export interface PeerCertificates {
  readonly leaf: X509Certificate | undefined;
  /** Nearest issuer first; at most CHAIN_LENGTH_MAX. */
  readonly chain: readonly X509Certificate[];
}

export const NO_CERTIFICATES: PeerCertificates = { leaf: undefined, chain: [] };

/** Certificates above the leaf that are looked at; real chains have one to three. */
const CHAIN_LENGTH_MAX = 8;

/** Only after the handshake. */
export function peerCertificatesOf(socket: TLSSocket): PeerCertificates {
  const leaf = socket.getPeerX509Certificate();
  if (leaf === undefined) return NO_CERTIFICATES;
  const chain: X509Certificate[] = [];
  for (let issuer = leaf.issuerCertificate; issuer !== undefined;) {
    if (chain.push(issuer) === CHAIN_LENGTH_MAX) break;
    issuer = issuer.issuerCertificate;
  }
  return { leaf, chain };
}
