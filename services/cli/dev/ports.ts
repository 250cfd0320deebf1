/**
 * Ports — which ones a development cluster uses, and that all of them are free before it starts.
 *
 * Hold:  every port is bound at once and stays so until the process that owns it starts. So either
 *        all are ours or nothing has been started, and two clusters that look for free ports at
 *        the same time do not choose the same ones.
 * Auto:  a random offset such that all ports lie below 32768, where systems begin to hand out
 *        ports for outgoing connections.
 */
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { Fault } from '#base';

export const LOOPBACK = '127.0.0.1';
/** More gateways than this would run into the next block of ports. */
export const GATEWAYS_MAX = 16;
export const DISPATCHERS_MAX = 16;
/** A quorum of one, or of two out of three. */
export const NATS_COUNTS = [1, 3] as const;
export type NatsCount = (typeof NATS_COUNTS)[number];

export interface GatewayPorts {
  readonly tls: number;
  /** MQTT over WebSocket with TLS. */
  readonly wss: number;
  /** Absent with --no-plain. */
  readonly plain?: number;
  /** MQTT over WebSocket without TLS; absent with --no-plain. */
  readonly ws?: number;
  readonly http: number;
}

export interface NatsPorts {
  readonly client: number;
  /** nats-server's own HTTP: /healthz, /varz, /jsz. */
  readonly http: number;
  /** Where the other servers connect; absent when there are none. */
  readonly route?: number;
}

export interface ClusterPorts {
  readonly offset: number;
  /** One for each nats-server. */
  readonly nats: readonly NatsPorts[];
  readonly control: number;
  readonly router: number;
  readonly dispatchers: readonly number[];
  readonly gateways: readonly GatewayPorts[];
  /** Webhook receiver of the demo; absent with --no-demo. */
  readonly webhook?: number;
}

export interface PortShape {
  readonly gateways: number;
  readonly dispatchers: number;
  /** Number of nats-servers. Default 1. */
  readonly nats?: NatsCount;
  readonly plain: boolean;
  readonly demo: boolean;
}

/** First of each block. */
const BASE = {
  plain: 1883,
  nats: 4222,
  natsRoute: 6222,
  control: 8080,
  ws: 8083,
  natsHttp: 8222,
  wss: 8443,
  tls: 8883,
  gatewayHttp: 9101,
  dispatcherHttp: 9121,
  router: 9141,
  webhook: 9151,
} as const;

/** Largest offset for which every port is one. */
export const OFFSET_MAX = 65_535 - BASE.webhook;
const AUTO_OFFSET_MIN = 10_000;
const AUTO_OFFSET_MAX = 32_767 - BASE.webhook;
const AUTO_ATTEMPTS_MAX = 50;
/** One line shall stay one line. */
const TAKEN_SHOWN_MAX = 3;

export function planPorts(shape: PortShape, offset: number): ClusterPorts {
  const block = (base: number, count: number): number[] =>
    Array.from({ length: count }, (_, index) => base + index + offset);
  const tls = block(BASE.tls, shape.gateways);
  const gateways = tls.map((port, index) => ({
    tls: port,
    wss: BASE.wss + index + offset,
    ...(shape.plain ? { plain: BASE.plain + index + offset, ws: BASE.ws + index + offset } : {}),
    http: BASE.gatewayHttp + index + offset,
  }));
  const natsCount = shape.nats ?? 1;
  const nats = block(BASE.nats, natsCount).map((client, index) => ({
    client,
    http: BASE.natsHttp + index + offset,
    ...(natsCount > 1 ? { route: BASE.natsRoute + index + offset } : {}),
  }));
  return {
    offset,
    nats,
    control: BASE.control + offset,
    router: BASE.router + offset,
    dispatchers: block(BASE.dispatcherHttp, shape.dispatchers),
    gateways,
    ...(shape.demo ? { webhook: BASE.webhook + offset } : {}),
  };
}

/** Name of the process: `nats`, or `nats-1` … where there are several. */
export function natsName(ports: Pick<ClusterPorts, 'nats'>, index: number): string {
  return ports.nats.length === 1 ? 'nats' : `nats-${index + 1}`;
}

/** Every port with what it is for, in the order of the endpoint table. */
export function listPorts(ports: ClusterPorts): [purpose: string, port: number][] {
  const list: [string, number][] = [];
  for (const [index, gateway] of ports.gateways.entries()) {
    list.push([`gateway-${index + 1}, MQTT over TLS`, gateway.tls]);
    list.push([`gateway-${index + 1}, WebSocket over TLS`, gateway.wss]);
    if (gateway.plain !== undefined) list.push([`gateway-${index + 1}, MQTT`, gateway.plain]);
    if (gateway.ws !== undefined) list.push([`gateway-${index + 1}, WebSocket`, gateway.ws]);
    list.push([`gateway-${index + 1}, HTTP`, gateway.http]);
  }
  for (const [index, port] of ports.dispatchers.entries()) {
    list.push([`dispatcher-${index + 1}, HTTP`, port]);
  }
  list.push(['router, HTTP', ports.router], ['control, API', ports.control]);
  for (const [index, { client, http, route }] of ports.nats.entries()) {
    const name = natsName(ports, index);
    list.push([`${name}, clients`, client], [`${name}, HTTP`, http]);
    if (route !== undefined) list.push([`${name}, routes`, route]);
  }
  if (ports.webhook !== undefined) list.push(['demo, webhook', ports.webhook]);
  return list;
}

/** Ports that are bound so that nobody else gets them. */
export class HeldPorts {
  readonly #servers: ReadonlyMap<number, Server>;

  constructor(servers: ReadonlyMap<number, Server>) {
    this.#servers = servers;
  }

  /** Frees these for the process that is about to start. Others and repeats are ignored. */
  async release(ports: Iterable<number>): Promise<void> {
    await Promise.all(Array.from(ports, (port) => close(this.#servers.get(port))));
  }

  releaseAll(): Promise<void> {
    return this.release(this.#servers.keys());
  }
}

/** Binds all or rejects with one Fault that names every port that is in use. */
export async function holdPorts(ports: ClusterPorts): Promise<HeldPorts> {
  const list = listPorts(ports);
  const servers = new Map<number, Server>();
  const taken: string[] = [];
  await Promise.all(
    list.map(async ([purpose, port]) => {
      const server = await bind(port);
      if (server === undefined) taken.push(`${port} (${purpose})`);
      else servers.set(port, server);
    }),
  );
  const held = new HeldPorts(servers);
  if (taken.length === 0) return held;
  await held.releaseAll();
  const shown = taken.toSorted().slice(0, TAKEN_SHOWN_MAX).join(', ');
  const more = taken.length > TAKEN_SHOWN_MAX ? ` and ${taken.length - TAKEN_SHOWN_MAX} more` : '';
  const which = taken.length === 1 ? `port ${shown} is` : `ports ${shown}${more} are`;
  const advice = 'stop what listens there, or use --port-offset N or --port-offset auto';
  throw new Fault('WEIR_PORT_IN_USE', `${which} in use: ${advice}`);
}

/** Finds an offset at which all ports are free, and holds them. */
export async function holdFreePorts(
  shape: PortShape,
  random: () => number = Math.random,
): Promise<{ ports: ClusterPorts; held: HeldPorts }> {
  for (let attempt = 1; ; attempt += 1) {
    const span = AUTO_OFFSET_MAX - AUTO_OFFSET_MIN;
    const ports = planPorts(shape, AUTO_OFFSET_MIN + Math.floor(random() * span));
    try {
      return { ports, held: await holdPorts(ports) };
    } catch (cause) {
      if (!(cause instanceof Fault) || attempt === AUTO_ATTEMPTS_MAX) throw cause;
    }
  }
}

/** Undefined when the port is in use. */
function bind(port: number): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'EADDRINUSE') resolve(undefined);
      else reject(cause);
    });
    server.listen({ port, host: LOOPBACK, exclusive: true }, () => resolve(server));
  });
}

function close(server: Server | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (server === undefined || !server.listening) resolve();
    else server.close(() => resolve());
  });
}
