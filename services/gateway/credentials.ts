/**
 * Credentials — what a CONNECT or AUTH brings, copied out of the packet for the registry to judge.
 *
 * Token: the authentication data of a method; or, of a client without certificate, the password,
 *        as clients of 3.1.1 have no other place for it. With a certificate the password says
 *        nothing (event-grid §2). One character more than the registry takes is kept of a long one.
 * Bound: TOKEN_BYTES_MAX + 1 bytes per connection, as long as it is open: a change of the registry
 *        asks again.
 */
import type { ConnectPacket } from '#mqtt';
import { TOKEN_BYTES_MAX } from '#registry';
import type { Credentials } from '#registry';
import { NO_CERTIFICATES } from './peer-certificates.ts';
import type { PeerCertificates } from './peer-certificates.ts';

export function credentialsOf(
  packet: ConnectPacket,
  clientIdentifier: string,
  certificates: PeerCertificates | undefined,
): Credentials {
  const { leaf, chain } = certificates ?? NO_CERTIFICATES;
  const { userName, password, authenticationMethod, authenticationData } = packet;
  const isBare = leaf === undefined && password !== undefined && password.length > 0;
  const bytes = authenticationMethod === undefined && isBare ? password : authenticationData;
  const hasToken = authenticationMethod !== undefined || isBare;
  return {
    ...{ clientIdentifier, userName, leaf, chain, authenticationMethod },
    token: hasToken ? tokenOf(bytes) : undefined,
  };
}

/** The same client with a new token. */
export function renewed(credentials: Credentials, data: Buffer | undefined): Credentials {
  return { ...credentials, token: tokenOf(data) };
}

function tokenOf(bytes: Buffer | undefined): string {
  return bytes?.toString('latin1', 0, TOKEN_BYTES_MAX + 1) ?? '';
}
