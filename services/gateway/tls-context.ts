/**
 * TLS context — what a gateway shows and demands in a handshake.
 *
 * TLS 1.2 and 1.3, the server's certificates with their chains, no session tickets: resumption
 * would skip the client's chain, and its keys are not shared between gateways yet.
 * Several certificates: those for the same names (one EC, one RSA) share a context, and OpenSSL
 *        picks the one that the client can verify. The first is shown where no name fits.
 */
import { constants, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';

/** PEM texts; the certificate is followed by its chain. */
export interface ServerCertificate {
  readonly cert: Buffer | string;
  readonly key: Buffer | string;
}

/** What handshakes that begin now use. */
export interface TlsOffer {
  readonly context: SecureContext;
  /** Undefined: there is only one. */
  readonly contextFor: ((serverName: string) => SecureContext) | undefined;
  /** Of the certificate that ends first; Unix milliseconds. */
  readonly validToMs: number;
}

/** Throws what OpenSSL throws when a key and its certificate do not fit. */
export function makeTlsOffer(certificates: readonly ServerCertificate[]): TlsOffer {
  const groups = new Map<string, { leaf: X509Certificate; members: ServerCertificate[] }>();
  let validToMs = Number.POSITIVE_INFINITY;
  for (const certificate of certificates) {
    const leaf = new X509Certificate(certificate.cert);
    validToMs = Math.min(validToMs, Date.parse(leaf.validTo));
    const names = `${leaf.subject} ${leaf.subjectAltName}`;
    const group = groups.get(names);
    if (group === undefined) groups.set(names, { leaf, members: [certificate] });
    else group.members.push(certificate);
  }
  const contexts = [...groups.values()].map(({ leaf, members }) => {
    return [leaf, makeTlsContext(members)] as const;
  });
  const context = contexts[0]?.[1] ?? makeTlsContext([]);
  const choose = (serverName: string): SecureContext =>
    contexts.find(([leaf]) => leaf.checkHost(serverName) !== undefined)?.[1] ?? context;
  return { context, contextFor: contexts.length > 1 ? choose : undefined, validToMs };
}

function makeTlsContext(certificates: readonly ServerCertificate[]): SecureContext {
  return createSecureContext({
    cert: certificates.map(({ cert }) => cert),
    key: certificates.map(({ key }) => key),
    minVersion: 'TLSv1.2',
    secureOptions: constants.SSL_OP_NO_TICKET,
  });
}
