/**
 * TLS context — what a gateway shows and demands in a handshake.
 *
 * TLS 1.2 and 1.3, the server's certificate with its chain, no session tickets: resumption would
 * skip the client's chain, and its keys are not shared between gateways yet.
 */
import { constants } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { Fault } from '#base';

/** Reads the files. Throws Fault WEIR_CONFIG that names the file. */
export function readTlsContext(certFile: string, keyFile: string): SecureContext {
  const cert = readPem(certFile, 'WEIR_TLS_CERT_FILE');
  const key = readPem(keyFile, 'WEIR_TLS_KEY_FILE');
  try {
    return makeTlsContext(cert, key);
  } catch (cause) {
    const says = `${certFile} and ${keyFile} are no certificate and key that fit: ${String(cause)}`;
    throw new Fault('WEIR_CONFIG', says, cause);
  }
}

export function makeTlsContext(cert: Buffer | string, key: Buffer | string): SecureContext {
  return createSecureContext({
    cert,
    key,
    minVersion: 'TLSv1.2',
    secureOptions: constants.SSL_OP_NO_TICKET,
  });
}

function readPem(file: string, variable: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new Fault('WEIR_CONFIG', `${variable}: ${file} cannot be read: ${String(cause)}`, cause);
  }
}
