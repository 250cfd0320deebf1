/**
 * Process table of a development cluster — which programs, with which environment, in which order.
 *
 * Order: the nats-servers; control, which creates the streams; then the others at once. They stop
 *        the other way round: clients, gateways and router, dispatchers, control, nats-server.
 * A user's own WEIR_… variables reach every process; what this table sets wins.
 */
import { join } from 'node:path';
import type { CertificatePaths } from '../certs/store.ts';
import type { ProcessSpec } from './managed-process.ts';
import { natsUrls, planNatsServers } from './nats-servers.ts';
import { LOOPBACK } from './ports.ts';
import type { ClusterPorts, GatewayPorts } from './ports.ts';
import type { ProcessTable } from './supervisor.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ProcessTableOptions {
  readonly ports: ClusterPorts;
  readonly natsServer: string;
  readonly natsDirectory: string;
  readonly partitions: number;
  readonly server: CertificatePaths;
  /** Arguments of the command line for the demo's process; undefined = no demo. */
  readonly demoArgs: readonly string[] | undefined;
  readonly env: Environment;
}

const SERVICES = join(import.meta.dirname, '../..');

/** Writes the configuration of nats-server as well. */
export function planProcesses(options: ProcessTableOptions): ProcessTable {
  const { ports, partitions, env, demoArgs } = options;
  const control = planService('control', 'control', ports.control, env, {
    WEIR_PARTITIONS: String(partitions),
    WEIR_REPLICAS: String(ports.nats.length),
  });
  const dispatchers = ports.dispatchers.map((port, index) =>
    planService('dispatcher', `dispatcher-${index + 1}`, port, env, {}),
  );
  const router = planService('router', 'router', ports.router, env, {
    // The demo's webhook, and those of a developer, are on this machine.
    WEIR_ROUTER_ALLOW_PRIVATE: 'true',
  });
  const gateways = ports.gateways.map((gateway, index) =>
    planGateway(`gateway-${index + 1}`, gateway, options),
  );
  const demo = demoArgs === undefined ? [] : [planDemo(demoArgs, ports, env)];
  const natsUrl = natsUrls(ports.nats);
  const withUrl = (spec: ProcessSpec): ProcessSpec => {
    return { ...spec, env: { ...spec.env, WEIR_NATS_URL: natsUrl } };
  };
  return [
    { processes: planNatsServers(options) },
    { processes: [withUrl(control)] },
    { processes: dispatchers.map(withUrl) },
    { processes: [router, ...gateways].map(withUrl), startsAtOnce: true },
    { processes: demo, startsAtOnce: true },
  ];
}

function planService(
  service: 'control' | 'dispatcher' | 'router' | 'gateway',
  name: string,
  httpPort: number,
  env: Environment,
  own: Environment,
): ProcessSpec {
  return {
    name,
    command: process.execPath,
    args: [join(SERVICES, service, 'main.ts')],
    env: {
      ...env,
      WEIR_HTTP_HOST: LOOPBACK,
      WEIR_HTTP_PORT: String(httpPort),
      WEIR_INSTANCE: name,
      ...own,
    },
    ports: [httpPort],
    readyUrl: `http://${LOOPBACK}:${httpPort}/readyz`,
    watchesParent: true,
  };
}

function planGateway(
  name: string,
  ports: GatewayPorts,
  { env, server }: ProcessTableOptions,
): ProcessSpec {
  const portOf = (port?: number): string | undefined => port?.toString();
  const spec = planService('gateway', name, ports.http, env, {
    WEIR_MQTT_TLS_HOST: LOOPBACK,
    WEIR_MQTT_TLS_PORT: String(ports.tls),
    WEIR_MQTT_WSS_PORT: String(ports.wss),
    WEIR_MQTT_PLAIN_PORT: portOf(ports.plain),
    WEIR_MQTT_WS_PORT: portOf(ports.ws),
    WEIR_TLS_CERT_FILE: server.certificate,
    WEIR_TLS_KEY_FILE: server.key,
  });
  const mqtt = [ports.tls, ports.wss, ports.plain, ports.ws].filter((port) => port !== undefined);
  return { ...spec, ports: [...spec.ports, ...mqtt] };
}

function planDemo(args: readonly string[], ports: ClusterPorts, env: Environment): ProcessSpec {
  const webhook = ports.webhook ?? 0;
  return {
    name: 'demo',
    command: process.execPath,
    args: [join(SERVICES, 'cli', 'main.ts'), ...args],
    env: { ...env, WEIR_INSTANCE: 'demo' },
    ports: [webhook],
    readyUrl: `http://${LOOPBACK}:${webhook}/readyz`,
    watchesParent: true,
  };
}
