/**
 * Connection options of `weir pub` and `weir sub` — where to connect, as whom, in which version.
 *
 * Two ways: --host, --port and certificate files name any broker; otherwise --gateway and --as pick
 *           a gateway and a client certificate of the development cluster that runs on --data.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { ErrorWithSubackPacket, connectAsync } from 'mqtt';
import type { IClientOptions, MqttClient } from 'mqtt';
import { Fault } from '#base';
import { DEFAULT_DATA, requireEndpoints } from '../dev/endpoints.ts';

export interface ConnectionOptions {
  readonly host?: string;
  readonly port?: number;
  readonly ws?: boolean;
  readonly cafile?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly id?: string;
  readonly username?: string;
  readonly protocolVersion: 4 | 5;
  readonly keepAlive: number;
  readonly as?: string;
  readonly gateway: number;
  readonly data: string;
}

/** Reason codes from here on are refusals, in both versions of SUBACK. */
export const REFUSED_FROM = 0x80;
const CONNECT_LIMIT_MS = 10_000;
const RECONNECT_MS = 1_000;
const PORT_PLAIN = 1883;
const PORT_TLS = 8883;
const PORT_WS = 8083;
const PORT_WSS = 8443;
/** Where brokers serve MQTT over WebSocket. */
export const WEBSOCKET_PATH = '/mqtt';

export function addConnectionOptions(command: Command): Command {
  return command
    .helpOption('--help', 'show this')
    .option('-h, --host <host>', 'broker to connect to')
    .option('-p, --port <port>', 'its port: 8883 with certificates, else 1883', wholeNumber)
    .option('--ws', 'over WebSocket, path /mqtt; port 8443 with certificates, else 8083')
    .option('--cafile <file>', 'PEM of the CA that signed the server certificate; turns TLS on')
    .option('--cert <file>', 'PEM of the client certificate')
    .option('--key <file>', 'PEM of its private key')
    .option('-i, --id <id>', 'client identifier; a random one if not given')
    .option('-u, --username <name>', 'authentication name of the client; default: --as')
    .addOption(
      new Option('-V, --protocol-version <version>', 'MQTT version: 5 or 3.1.1')
        .default(5, '5')
        .argParser(protocolVersion),
    )
    .option('-k, --keep-alive <seconds>', 'keep-alive interval', wholeNumber, 60)
    .option('--as <client>', 'connect as this client of the development cluster, over TLS')
    .option('--gateway <number>', 'gateway of the development cluster', wholeNumber, 1)
    .option('--data <dir>', 'data directory of the development cluster', DEFAULT_DATA);
}

/** Connects. `again`: connect again when the connection is lost later. Rejects with one reason. */
export async function connectClient(
  options: ConnectionOptions,
  { again }: { readonly again: boolean },
): Promise<MqttClient> {
  const target = chooseTarget(options);
  // The user name says which client the certificate shall prove.
  const username = options.username ?? options.as;
  const where = `${target.host}:${target.port}`;
  try {
    return await connectAsync(
      `${target.protocol}://${where}${target.path ?? ''}`,
      {
        ...target,
        protocolVersion: options.protocolVersion,
        clean: true,
        keepalive: options.keepAlive,
        connectTimeout: CONNECT_LIMIT_MS,
        reconnectPeriod: again ? RECONNECT_MS : 0,
        ...(options.id === undefined ? {} : { clientId: options.id }),
        ...(username === undefined ? {} : { username }),
      },
      false,
    );
  } catch (cause) {
    throw new Fault('WEIR_CONFIG', `cannot connect to ${where}: ${describeFailure(cause)}`, cause);
  }
}

/** Host, port and TLS files. Exported for tests. */
export function chooseTarget(options: ConnectionOptions): IClientOptions {
  const { host, port, cafile, cert, key, ws = false } = options;
  if (options.as === undefined && (host !== undefined || port !== undefined)) {
    const secure = cafile !== undefined || cert !== undefined;
    const usual = ws ? (secure ? PORT_WSS : PORT_WS) : secure ? PORT_TLS : PORT_PLAIN;
    return {
      ...transport(secure, ws),
      host: host ?? 'localhost',
      port: port ?? usual,
      ...readTls(cafile, cert, key),
    };
  }
  const endpoints = requireEndpoints(options.data);
  const gateway = endpoints.ports.gateways[options.gateway - 1];
  if (gateway === undefined) {
    const count = endpoints.ports.gateways.length;
    throw new Fault('WEIR_CONFIG', `there is no gateway ${options.gateway}: there are ${count}`);
  }
  if (options.as !== undefined) {
    const { ca, directory } = endpoints.certificates;
    const file = (suffix: string): string => join(directory, `${options.as}.${suffix}`);
    const tls = readTls(cafile ?? ca, cert ?? file('pem'), key ?? file('key'));
    const own = ws ? gateway.wss : gateway.tls;
    return { ...transport(true, ws), host: host ?? 'localhost', port: port ?? own, ...tls };
  }
  const open = ws ? gateway.ws : gateway.plain;
  if (open === undefined) {
    const advice = 'connect with a certificate: --as thermostat';
    throw new Fault('WEIR_CONFIG', `this cluster has no plain listener: ${advice}`);
  }
  return { ...transport(false, ws), host: 'localhost', port: open };
}

function transport(secure: boolean, ws: boolean): Pick<IClientOptions, 'protocol' | 'path'> {
  if (ws) return { protocol: secure ? 'wss' : 'ws', path: WEBSOCKET_PATH };
  return { protocol: secure ? 'mqtts' : 'mqtt' };
}

function readTls(cafile?: string, cert?: string, key?: string): IClientOptions {
  return {
    ...(cafile === undefined ? {} : { ca: read(cafile) }),
    ...(cert === undefined ? {} : { cert: read(cert) }),
    ...(key === undefined ? {} : { key: read(key) }),
  };
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new Fault('WEIR_CONFIG', `cannot read ${path}`, cause);
  }
}

/** `0x87 not authorized`, or what the system says. */
export function describeFailure(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const text = cause.message.replace(/^(Connection refused|Publish error|Subscribe error): /, '');
  const refused = cause instanceof ErrorWithSubackPacket ? firstRefusal(cause) : undefined;
  if (refused !== undefined) return `refused with ${hexCode(refused)} (${text})`;
  if ('code' in cause && typeof cause.code === 'number') {
    return `refused with ${hexCode(cause.code)} (${text})`;
  }
  if (text !== '') return text;
  return 'code' in cause ? String(cause.code) : 'the connection was closed';
}

function firstRefusal({ packet }: ErrorWithSubackPacket): number | undefined {
  return packet.granted.map(Number).find((code) => code >= REFUSED_FROM);
}

/** A reason code as the specification writes it: `0x87`. */
export function hexCode(code: number): string {
  return `0x${code.toString(16).padStart(2, '0')}`;
}

export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

/** 0 or 1 or 2. */
export function qualityOfService(text: string): 0 | 1 | 2 {
  if (text === '0') return 0;
  if (text === '1') return 1;
  if (text === '2') return 2;
  throw new InvalidArgumentError('It must be 0, 1 or 2.');
}

function protocolVersion(text: string): 4 | 5 {
  if (['5', 'mqttv5', '5.0'].includes(text)) return 5;
  if (['4', '311', '3.1.1', 'mqttv311'].includes(text)) return 4;
  throw new InvalidArgumentError('It must be 5 or 3.1.1.');
}
