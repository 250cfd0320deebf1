/**
 * Certificate directory — `NAME.pem` and `NAME.key` side by side; `ca` is the CA.
 *
 * Keys are written with mode 0600, and before their certificate: a certificate that exists has its
 * key. What exists and stays valid for RENEW_BEFORE_DAYS is left alone, so `ensure…` may be called
 * at every start. A leaf that ends sooner, or that another CA has signed, is made again.
 */
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { Fault } from '#base';
import type { Issued } from './issue.ts';

const DAY_MS = 86_400_000;
/** A month: nobody leaves a development cluster running for longer without a start. */
export const RENEW_BEFORE_DAYS = 30;
const CA_NAME = 'ca';

/** Where a certificate and its key lie. */
export interface CertificatePaths {
  readonly certificate: string;
  readonly key: string;
}

export class CertificateStore {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  get authority(): CertificatePaths {
    return this.paths(CA_NAME);
  }

  paths(name: string): CertificatePaths {
    return {
      certificate: join(this.directory, `${name}.pem`),
      key: join(this.directory, `${name}.key`),
    };
  }

  /** True when it made one. */
  async ensureAuthority(commonName: string): Promise<boolean> {
    if (this.#isUsable(CA_NAME)) return false;
    const { createAuthority } = await import('./issue.ts');
    this.#write(CA_NAME, await createAuthority(commonName));
    return true;
  }

  /** True when it made one. Needs the CA's key. */
  async ensureServer(name: string, hosts: readonly [string, ...string[]]): Promise<boolean> {
    if (this.#isUsable(name, hosts)) return false;
    const { issueServer } = await import('./issue.ts');
    this.#write(name, await issueServer(this.#readAuthority(), hosts));
    return true;
  }

  /** True when it made one. Needs the CA's key. */
  async ensureClient(authenticationName: string): Promise<boolean> {
    if (!/^[\w.:-]{1,128}$/.test(authenticationName) || authenticationName === CA_NAME) {
      const rule = '1 to 128 letters, digits, "-", ":", "." and "_", and not "ca"';
      throw new Fault('WEIR_CONFIG', `"${authenticationName}" is no name for a client: ${rule}`);
    }
    if (this.#isUsable(authenticationName)) return false;
    const { issueClient } = await import('./issue.ts');
    this.#write(authenticationName, await issueClient(this.#readAuthority(), authenticationName));
    return true;
  }

  #isUsable(name: string, hosts: readonly string[] = []): boolean {
    const { certificate, key } = this.paths(name);
    if (!existsSync(certificate) || !existsSync(key)) return false;
    const parsed = new X509Certificate(readFileSync(certificate));
    if (parsed.validToDate.getTime() < Date.now() + RENEW_BEFORE_DAYS * DAY_MS) return false;
    if (name !== CA_NAME && !parsed.verify(this.#authorityCertificate().publicKey)) return false;
    return hosts.every((host) => covers(parsed, host));
  }

  #authorityCertificate(): X509Certificate {
    return new X509Certificate(this.#readAuthority().certificatePem);
  }

  #readAuthority(): Issued {
    const { certificate, key } = this.authority;
    if (!existsSync(certificate) || !existsSync(key)) {
      const advice = 'make one with `weir certs ca`';
      throw new Fault('WEIR_CONFIG', `there is no CA in ${this.directory}: ${advice}`);
    }
    return {
      certificatePem: readFileSync(certificate, 'utf8'),
      keyPem: readFileSync(key, 'utf8'),
    };
  }

  #write(name: string, issued: Issued): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    const { certificate, key } = this.paths(name);
    writeWhole(key, issued.keyPem, 0o600);
    writeWhole(certificate, issued.certificatePem, 0o644);
  }
}

function covers(certificate: X509Certificate, host: string): boolean {
  const check = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host);
  return check !== undefined;
}

/** A reader sees the old file or the new one, never half of it. */
function writeWhole(path: string, text: string, mode: number): void {
  const unfinished = `${path}.${process.pid}.tmp`;
  writeFileSync(unfinished, text, { mode });
  renameSync(unfinished, path);
}
