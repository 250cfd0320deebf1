/**
 * Preflight — everything that must be true before the first process starts: the tool is there, the
 * data directory is ours, all ports are free, the certificates exist.
 *
 * What fails here is one Fault, and leaves nothing behind but the directory and certificates.
 */
import { Fault } from '#base';
import { NATS_SERVER_VERSION, findNatsServer } from '../../../scripts/setup/nats-server.mjs';
import { CertificateStore } from '../certs/store.ts';
import { DataDirectory } from './data-directory.ts';
import type { DevOptions } from './dev-command.ts';
import { checkNatsCount } from './nats-servers.ts';
import { DEV_CLIENTS } from './registration.ts';
import { holdFreePorts, holdPorts, planPorts } from './ports.ts';
import type { ClusterPorts, HeldPorts } from './ports.ts';

export interface Preflight {
  readonly natsServer: string;
  readonly data: DataDirectory;
  readonly ports: ClusterPorts;
  readonly held: HeldPorts;
  readonly certificates: CertificateStore;
  /** There was no CA before. */
  readonly isFirstStart: boolean;
  /** Frees ports and lock. May be called twice. */
  close(): Promise<void>;
}

/** File name of the gateways' certificate, and whom it speaks for. */
export const SERVER_CERTIFICATE = 'server';
const SERVER_HOSTS = ['localhost', '127.0.0.1', '::1'] as const;
/** After a supervisor was killed its processes need a moment to end. */
const TAKE_OVER_WAIT_MS = 6_000;
const TAKE_OVER_POLL_MS = 200;

export async function prepare(options: DevOptions): Promise<Preflight> {
  const natsServer = locateNatsServer();
  const data = DataDirectory.open(options.data);
  try {
    checkNatsCount(data.nats, options.nats);
    const { ports, held } = await takePorts(options, data.tookOver);
    const close = async (): Promise<void> => {
      await held.releaseAll();
      data.close();
    };
    try {
      const certificates = new CertificateStore(data.certs);
      const isFirstStart = await ensureCertificates(certificates);
      return { natsServer, data, ports, held, certificates, isFirstStart, close };
    } catch (cause) {
      await held.releaseAll();
      throw cause;
    }
  } catch (cause) {
    data.close();
    throw cause;
  }
}

function locateNatsServer(): string {
  const advice =
    `\`npm start\` fetches it; or install nats-server ${NATS_SERVER_VERSION} (2.12 or later) and ` +
    'put it on PATH, or set WEIR_NATS_SERVER to its path';
  let found: string | undefined;
  try {
    found = findNatsServer();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Fault('WEIR_TOOL_MISSING', why, cause);
  }
  if (found === undefined) throw new Fault('WEIR_TOOL_MISSING', `no nats-server found: ${advice}`);
  return found;
}

async function takePorts(
  options: DevOptions,
  tookOver: boolean,
): Promise<{ ports: ClusterPorts; held: HeldPorts }> {
  if (options.portOffset === 'auto') return holdFreePorts(options);
  const ports = planPorts(options, options.portOffset);
  const deadlineMs = performance.now() + (tookOver ? TAKE_OVER_WAIT_MS : 0);
  for (;;) {
    try {
      return { ports, held: await holdPorts(ports) };
    } catch (cause) {
      if (performance.now() >= deadlineMs) throw cause;
    }
    await new Promise((resolve) => setTimeout(resolve, TAKE_OVER_POLL_MS));
  }
}

/** True when there was no CA before. */
async function ensureCertificates(store: CertificateStore): Promise<boolean> {
  const isFirstStart = await store.ensureAuthority('Weir development CA');
  await store.ensureServer(SERVER_CERTIFICATE, SERVER_HOSTS);
  for (const name of DEV_CLIENTS) await store.ensureClient(name);
  return isFirstStart;
}
