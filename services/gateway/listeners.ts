/**
 * Listeners — from settings to plans of listeners, their certificates, and the open ports.
 *
 * Which: MQTT over TLS whenever there are certificates; the three others when their port is set.
 *        The open ones bind loopback only, and say in the log what they are.
 */
import { Fault } from '#base';
import type { Clock } from '#base';
import type { Logger, Metrics } from '#runtime';
import { AddressRanges } from './address-ranges.ts';
import type { GatewayConfig } from './config.ts';
import type { Edge } from './edge.ts';
import type { ListenerPlan } from './listener-plan.ts';
import { TlsCertificates } from './tls-certificates.ts';
import type { CertificateFiles } from './tls-certificates.ts';

const LOOPBACK = '127.0.0.1';
/** Pages served by this machine itself. */
const LOCAL_ORIGIN = /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i;

export interface ListenerParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** What a gateway will listen on. */
export interface Listeners {
  readonly plans: readonly ListenerPlan[];
  /** Undefined: no listener with TLS. */
  readonly certificates: TlsCertificates | undefined;
}

/** Throws Fault WEIR_CONFIG. Opens nothing. */
export function planListeners(config: GatewayConfig, parts: ListenerParts): Listeners {
  const files = certificateFilesOf(config);
  const certificates = files.length === 0 ? undefined : new TlsCertificates({ files, ...parts });
  const plans = [...planSecure(config, certificates), ...planOpen(config)];
  if (plans.length > 0) return { plans, certificates };
  const says = 'WEIR_TLS_CERT_FILE and WEIR_TLS_KEY_FILE must both be set for MQTT over TLS';
  throw new Fault('WEIR_CONFIG', says);
}

/** Opens all; → ports for the log line, by setting. */
export async function openListeners(
  edge: Edge,
  { plans, certificates }: Listeners,
  logger: Logger,
): Promise<Record<string, number>> {
  const ports: Record<string, number> = {};
  for (const plan of plans) {
    const { port } = await edge.listen(plan);
    ports[PORT_NAMES[plan.name] ?? plan.name] = port;
    if (plan.tlsOffer !== undefined) continue;
    logger.warn('open listener', {
      listener: plan.name,
      host: plan.host,
      port,
      why: 'everybody on this machine may publish and subscribe anywhere',
    });
  }
  certificates?.start();
  return ports;
}

const PORT_NAMES: Readonly<Record<string, string>> = {
  mqtts: 'mqttTlsPort',
  wss: 'mqttWssPort',
  mqtt: 'mqttPlainPort',
  ws: 'mqttWsPort',
};

function certificateFilesOf(config: GatewayConfig): CertificateFiles[] {
  const { tlsCertFile: cert, tlsKeyFile: key } = config;
  if ((cert === undefined) !== (key === undefined)) {
    throw new Fault('WEIR_CONFIG', 'WEIR_TLS_CERT_FILE and WEIR_TLS_KEY_FILE must both be set');
  }
  const certs = listOf(config.tlsMoreCertFiles);
  const keys = listOf(config.tlsMoreKeyFiles);
  if (certs.length !== keys.length) {
    const says = 'WEIR_TLS_MORE_CERT_FILES and WEIR_TLS_MORE_KEY_FILES must name as many files';
    throw new Fault('WEIR_CONFIG', says);
  }
  if (cert === undefined || key === undefined) {
    if (certs.length === 0) return [];
    throw new Fault('WEIR_CONFIG', 'WEIR_TLS_MORE_CERT_FILES needs WEIR_TLS_CERT_FILE');
  }
  return [{ cert, key }, ...certs.map((file, index) => ({ cert: file, key: keys[index] ?? '' }))];
}

function planSecure(config: GatewayConfig, certificates?: TlsCertificates): ListenerPlan[] {
  const { mqttTlsHost: host, mqttWssPort } = config;
  if (certificates === undefined) {
    if (mqttWssPort === undefined) return [];
    throw new Fault('WEIR_CONFIG', 'WEIR_MQTT_WSS_PORT needs WEIR_TLS_CERT_FILE');
  }
  const tlsOffer = (): TlsCertificates['offer'] => certificates.offer;
  const webSocket = rulesOf(config, () => true);
  const mqtts: ListenerPlan = {
    ...{ name: 'mqtts', host, port: config.mqttTlsPort, tlsOffer, webSocket },
    speaks: config.mqttTlsShared ? 'both' : 'mqtt',
    connectionCountMax: config.mqttTlsConnectionCountMax,
    allowedFrom: rangesOf(config.mqttTlsAllowedFrom, 'WEIR_MQTT_TLS_ALLOWED_FROM'),
    proxiesFrom: rangesOf(config.mqttTlsProxiesFrom, 'WEIR_MQTT_TLS_PROXIES_FROM'),
  };
  if (mqttWssPort === undefined) return [mqtts];
  const wss: ListenerPlan = {
    ...{ name: 'wss', host, port: mqttWssPort, tlsOffer, webSocket },
    speaks: 'websocket',
    connectionCountMax: config.mqttWssConnectionCountMax,
    allowedFrom: rangesOf(config.mqttWssAllowedFrom, 'WEIR_MQTT_WSS_ALLOWED_FROM'),
    proxiesFrom: rangesOf(config.mqttWssProxiesFrom, 'WEIR_MQTT_WSS_PROXIES_FROM'),
  };
  return [mqtts, wss];
}

function planOpen(config: GatewayConfig): ListenerPlan[] {
  const { mqttPlainPort, mqttWsPort, mqttPlainConnectionCountMax: connectionCountMax } = config;
  // Nobody is asked who he is here, so at least no page from elsewhere may ask for everything.
  const webSocket = rulesOf(config, (origin) => LOCAL_ORIGIN.test(origin));
  const open = { host: LOOPBACK, webSocket, connectionCountMax };
  const plans: ListenerPlan[] = [];
  if (mqttPlainPort !== undefined) {
    plans.push({ ...open, name: 'mqtt', port: mqttPlainPort, speaks: 'mqtt' });
  }
  if (mqttWsPort !== undefined) {
    plans.push({ ...open, name: 'ws', port: mqttWsPort, speaks: 'websocket' });
  }
  return plans;
}

function rulesOf(
  { mqttWsPath: path, mqttWsOrigins }: GatewayConfig,
  isOriginAllowed: (origin: string) => boolean,
): ListenerPlan['webSocket'] {
  if (mqttWsOrigins === undefined) return { path, isOriginAllowed };
  const origins = new Set(listOf(mqttWsOrigins).map((origin) => origin.toLowerCase()));
  return { path, isOriginAllowed: (origin) => origins.has(origin.toLowerCase()) };
}

function rangesOf(list: string | undefined, variable: string): AddressRanges | undefined {
  return list === undefined ? undefined : new AddressRanges(list, variable);
}

function listOf(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}
