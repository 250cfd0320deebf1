/**
 * NATS servers of a development cluster — one, or three that keep each stream three times.
 *
 * Data:  one server: `nats/store`. Three: `nats/1/store` …, and `nats/servers` says how many: the
 *        number is fixed with the data, since a stream's copies stand on named servers.
 * Names: a server's name is its identity among the others, so it goes with its directory.
 * Routes: every server knows all three; a stopped one is noticed after ROUTE_PING_SECONDS twice.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '#base';
import type { ProcessSpec } from './managed-process.ts';
import { LOOPBACK, natsName } from './ports.ts';
import type { ClusterPorts, NatsPorts } from './ports.ts';

/**
 * How much nats-server's heap may grow between two of its garbage collections, per cent; Go's
 * default is 100. Records and frames pass through it: at 400 QoS 1 across gateways costs a tenth
 * less CPU (2.14 to 1.92 µs a message), for a larger heap. A GOGC of one's own wins.
 */
const NATS_GOGC = '400';
/** Distance of pings on a route; default of nats-server 30 s. Two without answer end it. */
const ROUTE_PING_SECONDS = 5;
const CLUSTER_NAME = 'weir-dev';
const COUNT_FILE = 'servers';

export interface NatsServersOptions {
  readonly ports: Pick<ClusterPorts, 'nats'>;
  /** The program. */
  readonly natsServer: string;
  readonly natsDirectory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Throws a Fault when the data in `directory` was made by another number of servers. */
export function checkNatsCount(directory: string, wanted: number): void {
  const found = readNatsCount(directory);
  if (found === undefined || found === wanted) return;
  const servers = `${found} nats-server${found === 1 ? '' : 's'}`;
  throw new Fault(
    'WEIR_CONFIG',
    `${directory} has the data of ${servers}, not of ${wanted}, and the number is fixed with ` +
      `the data: start with --nats ${found}, or use --data with a new directory`,
  );
}

/** Undefined: there is no data yet. */
function readNatsCount(directory: string): number | undefined {
  const file = join(directory, COUNT_FILE);
  if (existsSync(file)) return Number(readFileSync(file, 'utf8'));
  return existsSync(directory) && readdirSync(directory).length > 0 ? 1 : undefined;
}

/** Writes the servers' configurations as well. */
export function planNatsServers(options: NatsServersOptions): ProcessSpec[] {
  const { ports, natsDirectory, natsServer, env } = options;
  const count = ports.nats.length;
  mkdirSync(natsDirectory, { recursive: true });
  if (count > 1) writeFileSync(join(natsDirectory, COUNT_FILE), `${count}\n`);
  return ports.nats.map((own, index) => {
    const directory = count === 1 ? natsDirectory : join(natsDirectory, String(index + 1));
    mkdirSync(directory, { recursive: true });
    const file = join(directory, 'nats.conf');
    writeFileSync(file, natsConfig(ports.nats, index, join(directory, 'store')));
    const { client, http, route } = own;
    return {
      name: natsName(ports, index),
      command: natsServer,
      args: ['-c', file],
      env: { GOGC: NATS_GOGC, ...env },
      ports: [client, http, ...(route === undefined ? [] : [route])],
      readyUrl: `http://${LOOPBACK}:${http}/healthz`,
      watchesParent: false,
    };
  });
}

/** All servers: what a client is given, so that it goes on with another one. */
export function natsUrls(servers: readonly NatsPorts[]): string {
  return servers.map(({ client }) => `nats://${LOOPBACK}:${client}`).join(',');
}

/** Every acknowledged append is synced: what PUBACK promises. */
export function natsConfig(servers: readonly NatsPorts[], index: number, store: string): string {
  const { client = 0, http = 0, route } = servers[index] ?? {};
  return [
    '# Written by `weir dev` at each start.',
    `server_name: ${CLUSTER_NAME}${servers.length === 1 ? '' : `-${index + 1}`}`,
    `listen: "${LOOPBACK}:${client}"`,
    `http: "${LOOPBACK}:${http}"`,
    'jetstream {',
    `  store_dir: ${JSON.stringify(store)}`,
    '  sync_interval: always',
    '}',
    ...(route === undefined ? [] : clusterConfig(servers, route)),
    '',
  ].join('\n');
}

function clusterConfig(servers: readonly NatsPorts[], route: number): string[] {
  return [
    'cluster {',
    `  name: ${CLUSTER_NAME}`,
    `  listen: "${LOOPBACK}:${route}"`,
    `  ping_interval: "${ROUTE_PING_SECONDS}s"`,
    '  routes: [',
    ...servers.map((server) => `    "nats-route://${LOOPBACK}:${server.route}"`),
    '  ]',
    '}',
  ];
}
