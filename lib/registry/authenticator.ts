/**
 * Authenticator — decides from a client's record whether a certificate is that client's.
 *
 * Name:  the MQTT user name; without one, what the namespace's name sources find in the
 *        certificate (event-grid §6.3). The client's scheme has to accept it all the same.
 * Proof: by scheme — a chain to a registered CA and a matching name in the certificate, or a
 *        registered thumbprint, where any certificate will do. Its dates count in both.
 * Order: certificate, client, state, proof: the reason is the first that fails.
 * Cost:  a proven chain is remembered with the leaf object as long as the same CA certificates are
 *        registered, so asking again for an open connection costs no signature check (~200 µs at
 *        first).
 */
import type { X509Certificate } from 'node:crypto';
import type { Reason } from '#base';
import { dateFault, keyOf, proveChain, TrustAnchors } from './certificate-chain.ts';
import type { ProvenChain, Revocations } from './certificate-chain.ts';
import { certificateNames, nameFromCertificate, thumbprintOf } from './certificate-names.ts';
import type { NameScheme } from './certificate-names.ts';
import { parseCertificate } from './ca-certificate.ts';
import type { Authentication, Credentials, Identity } from './directory.ts';
import { parseRevocationList, signatureFault } from './revocation-list.ts';
import type { RegistryImage } from './registry-image.ts';
import { NAMESPACE_SETTINGS_NAME } from './resources.ts';
import type { NameSource, Resource } from './resources.ts';

interface Remembered {
  readonly anchors: TrustAnchors;
  readonly chain: ProvenChain;
  /** Scheme and authentication name for which the leaf was found to be named. */
  naming: string;
}

export class Authenticator {
  readonly #image: RegistryImage;
  #anchors: TrustAnchors | undefined;
  readonly #proven = new WeakMap<X509Certificate, Remembered>();
  readonly #identities = new WeakMap<Resource<'clients'>, Identity>();

  constructor(image: RegistryImage) {
    this.#image = image;
  }

  /** CA certificates or revocation lists changed. */
  invalidate(): void {
    this.#anchors = undefined;
  }

  authenticate(credentials: Credentials, nowMs: number): Authentication {
    const { leaf, userName } = credentials;
    if (leaf === undefined) return refused('certificate_missing', 'no client certificate');
    const name = userName || nameFromCertificate(leaf, nameSourcesOf(this.#image));
    if (name === '') {
      return refused('client_unknown', 'no user name, and no name source finds one');
    }
    const client = this.#image.clientByAuthenticationName(name);
    if (client === undefined) return refused('client_unknown', 'no client of this name');
    if (client.spec.state !== 'Enabled') return refused('client_disabled', 'client is disabled');
    return this.#prove(client, leaf, credentials.chain, nowMs);
  }

  #prove(
    client: Resource<'clients'>,
    leaf: X509Certificate,
    chain: readonly X509Certificate[],
    nowMs: number,
  ): Authentication {
    const { authenticationName, clientCertificateAuthentication } = client.spec;
    const { validationScheme, allowedThumbprints } = clientCertificateAuthentication;
    if (validationScheme === 'ThumbprintMatch') {
      if (!allowedThumbprints.includes(thumbprintOf(leaf))) {
        return refused('certificate_thumbprint_mismatch', 'thumbprint is not a registered one');
      }
      const fault = dateFault(leaf, nowMs);
      if (fault !== undefined) return refused('certificate_expired', `it is ${fault}`);
      const validUntilMs = leaf.validToDate.getTime();
      return { ok: true, identity: this.#identityOf(client), validUntilMs };
    }
    const fault = this.#chainFault(leaf, chain, nowMs);
    if (fault !== undefined) return fault;
    if (!this.#isNamed(leaf, validationScheme, authenticationName)) {
      const detail = `certificate does not name it: ${validationScheme}`;
      return refused('certificate_name_mismatch', detail);
    }
    const validUntilMs = this.#proven.get(leaf)?.chain.validToMs ?? leaf.validToDate.getTime();
    return { ok: true, identity: this.#identityOf(client), validUntilMs };
  }

  #chainFault(
    leaf: X509Certificate,
    sent: readonly X509Certificate[],
    nowMs: number,
  ): Authentication | undefined {
    this.#anchors ??= anchorsOf(this.#image);
    const known = this.#proven.get(leaf);
    if (known?.anchors === this.#anchors) {
      const { validFromMs, validToMs } = known.chain;
      if (nowMs >= validFromMs && nowMs <= validToMs) return undefined;
    }
    const result = proveChain(leaf, sent, this.#anchors, nowMs);
    if (result.ok) {
      this.#proven.set(leaf, { anchors: this.#anchors, chain: result.chain, naming: '' });
      return undefined;
    }
    return refused(`certificate_${result.cause}`, result.why);
  }

  #isNamed(leaf: X509Certificate, scheme: NameScheme, authenticationName: string): boolean {
    const known = this.#proven.get(leaf);
    const naming = `${scheme} ${authenticationName}`;
    if (known?.naming === naming) return true;
    const isNamed = certificateNames(leaf, scheme, authenticationName);
    if (isNamed && known !== undefined) known.naming = naming;
    return isNamed;
  }

  /** One object per version of the record, so that access is compiled once for it. */
  #identityOf(client: Resource<'clients'>): Identity {
    const known = this.#identities.get(client);
    if (known !== undefined) return known;
    const { authenticationName, attributes, clientCertificateAuthentication } = client.spec;
    const byThumbprint = clientCertificateAuthentication.validationScheme === 'ThumbprintMatch';
    const source = byThumbprint ? 'thumbprint' : 'ca_certificate';
    const identity: Identity = Object.freeze({
      clientName: client.name,
      authenticationName,
      attributes,
      source,
    });
    this.#identities.set(client, identity);
    return identity;
  }
}

function refused(reason: Reason, detail: string): Authentication {
  return { ok: false, reason, detail };
}

function nameSourcesOf(image: RegistryImage): readonly NameSource[] {
  const settings = image.get('namespaceSettings', NAMESPACE_SETTINGS_NAME);
  return settings?.spec.alternativeAuthenticationNameSources ?? [];
}

function revocationsOf(image: RegistryImage): Revocations {
  const revocations = new Map<string, Set<string>>();
  for (const { spec } of image.all('revocationLists')) {
    const ca = image.get('caCertificates', spec.caCertificateName);
    const issuer = ca === undefined ? undefined : parseCertificate(ca.spec.encodedCertificate);
    const parsed = parseRevocationList(spec.encodedList);
    if (issuer === undefined || !parsed.ok) continue;
    // The CA certificate may have been replaced by one with another key since.
    if (signatureFault(parsed.list, issuer) !== undefined) continue;
    const key = keyOf(issuer);
    const before = revocations.get(key) ?? new Set();
    for (const serialNumber of parsed.list.serialNumbers) before.add(serialNumber);
    revocations.set(key, before);
  }
  return revocations;
}

function anchorsOf(image: RegistryImage): TrustAnchors {
  const certificates: X509Certificate[] = [];
  for (const { spec } of image.all('caCertificates')) {
    const certificate = parseCertificate(spec.encodedCertificate);
    if (certificate !== undefined) certificates.push(certificate);
  }
  return new TrustAnchors(certificates, revocationsOf(image));
}
