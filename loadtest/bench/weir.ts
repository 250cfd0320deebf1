/**
 * Weir as the bench sees it — a development cluster of two gateways, every process counted but the
 * supervisor, which serves no message.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../../scripts/setup/project.mjs';
import type { NatsCount } from '../../services/cli/dev/ports.ts';
import { startDevCluster } from '../../test/fixtures/dev-cluster.ts';
import type { DevCluster } from '../../test/fixtures/dev-cluster.ts';
import type { BenchCertificates, Broker } from './broker.ts';

/** A client of the development registry. */
const CLIENT = 'thermostat';

export interface BenchedWeir {
  readonly broker: Broker;
  readonly certificates: BenchCertificates;
}

/** Resolves when the cluster is ready. `directory` takes its data. */
export async function startWeir(directory: string, nats: NatsCount): Promise<BenchedWeir> {
  const dataDir = join(directory, 'weir');
  const cluster = await startDevCluster({ dataDir, nats, env: { WEIR_LOG_LEVEL: 'warn' } });
  return { broker: await brokerOf(cluster), certificates: certificatesOf(cluster) };
}

async function brokerOf(cluster: DevCluster): Promise<Broker> {
  const [first, second] = cluster.ports.gateways;
  if (first?.plain === undefined || second?.plain === undefined) {
    throw new Error('the cluster has no two gateways with plain listeners');
  }
  const processes = cluster.pids();
  return {
    name: 'weir',
    version: await commit(),
    pids: Object.values(processes),
    port: first.plain,
    otherPort: second.plain,
    tlsPort: first.tls,
    stop: async () => void (await cluster.stop()),
  };
}

export function certificatesOf(cluster: DevCluster): BenchCertificates {
  const { ca, ...client } = cluster.certificates(CLIENT);
  const { cert, key } = cluster.certificates('server');
  return { ca, server: { cert, key }, client: { name: CLIENT, ...client } };
}

/** `abc1234`, with a plus when files differ from it. */
export async function commit(): Promise<string> {
  const git = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)('git', ['-C', ROOT, ...args])).stdout.trim();
  try {
    const isChanged = (await git('status', '--porcelain', 'lib', 'services')) !== '';
    return `${await git('rev-parse', '--short', 'HEAD')}${isChanged ? '+' : ''}`;
  } catch {
    // No git, or no clone: an unpacked archive.
    return 'of unknown commit';
  }
}
