/**
 * `weir clients issue` — a client that can connect: registered, with key and certificate.
 *
 * What is there already is kept: a record as it is, a certificate that is valid for a month more.
 */
import { Fault } from '#base';
import type { CertificateStore } from '../certs/store.ts';
import { quote } from '../dev/ready-text.ts';
import type { ControlClient } from '../registry/control-client.ts';
import { readAttributes } from './client-actions.ts';

export interface IssueRequest {
  readonly client: ControlClient;
  readonly store: CertificateStore;
  readonly name: string;
  readonly attribute?: readonly string[];
  readonly host: string;
  readonly port: string;
  readonly out: (line: string) => void;
}

export async function issueClientCertificate(request: IssueRequest): Promise<void> {
  const { client, store, name, host, port, out } = request;
  const attributes = readAttributes(request.attribute ?? []);
  const before = await client.get('clients', name);
  const scheme = before?.clientCertificateAuthentication.validationScheme;
  if (scheme !== undefined && scheme !== 'SubjectMatchesAuthenticationName') {
    const says = `client "${name}" wants ${scheme}; only certificates by subject are made here`;
    throw new Fault('WEIR_CONFIG', says);
  }
  // First the certificate: without a CA nothing is registered either.
  const authenticationName = before?.authenticationName ?? name;
  const isMade = await store.ensureClient(authenticationName);
  if (before === undefined) await client.create('clients', name, { attributes });
  out(`${before === undefined ? 'created' : 'kept'} clients/${name}`);
  const { certificate, key } = store.paths(authenticationName);
  out(`${isMade ? 'made' : 'kept'} ${certificate} and ${key}`);
  const own = `-u ${quote(authenticationName)} --cert ${quote(certificate)} --key ${quote(key)}`;
  const { certificate: authority } = store.authority;
  const where = `-h ${quote(host)} -p ${quote(port)} --cafile ${quote(authority)}`;
  out(`mosquitto_pub ${where} ${own} -t TOPIC -m MESSAGE`);
}
