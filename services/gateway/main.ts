/**
 * Gateway — MQTT for clients, over TLS, WebSocket and, for development, plain on loopback (design
 * §2, §11).
 *
 * Process: one core (lease, interest, log, frames) and one edge (sockets, sessions). It keeps
 *          nothing that a restart loses, beyond open connections.
 * Ready:   connected to NATS, registry read, known to all owners: CONNECTs are accepted.
 * SIGHUP:  the server certificates are read again.
 * Ends:    SIGTERM: stop accepting, let acknowledgements arrive, DISCONNECT 0x8B, give the lease
 *          back. A lost lease ends the process with code 1: the next life is a new gateway.
 */
import { systemClock } from '#base';
import { connectNats } from '#bus';
import type { Bus } from '#bus';
import { openRegistryView, readClusterSettings } from '#registry';
import type { RegistryView } from '#registry';
import {
  beginShutdown,
  createHealth,
  createLogger,
  createMetrics,
  followBusHealth,
  loadConfig,
  onShutdown,
  runMain,
  serveHealth,
} from '#runtime';
import type { Health } from '#runtime';
import { GATEWAY_SETTINGS, sessionLimitsOf } from './config.ts';
import { createGatewayCore } from './core.ts';
import { Edge } from './edge.ts';
import { openListeners, planListeners } from './listeners.ts';
import type { GatewayCore } from './port.ts';

const READINESS_POLL_MS = 100;

const clock = systemClock;
const logger = createLogger({ name: 'gateway' });

async function main(): Promise<void> {
  const config = loadConfig(GATEWAY_SETTINGS, process.env);
  const instance = config.instance ?? `gateway-${process.pid}`;
  const health = createHealth('nats', 'registry', 'mqtt');
  const metrics = createMetrics();
  const { httpHost: host, httpPort } = config;
  const listeners = planListeners(config, { clock, logger, metrics });
  const server = await serveHealth({ host, port: httpPort, metrics, health });
  onShutdown(() => server.close());
  const bus = await connectNats({
    servers: config.natsUrl,
    name: instance,
    onTrouble: (why) => logger.error('NATS refused something', { why }),
  });
  onShutdown(() => bus.close());
  const { partitions } = await readClusterSettings(bus);
  const directory = openRegistryView({ bus, clock });
  onShutdown(async () => directory.close());

  const random = Math.random;
  const core = createGatewayCore({
    ...{ bus, clock, random, logger, metrics, directory, partitions, instance },
  });
  const edge = new Edge({
    core,
    directory,
    clock,
    logger,
    metrics,
    limits: sessionLimitsOf(config, bus.payloadBytesMax),
    outboundBytesMax: config.outboundBytesMax,
    connectionCountMax: config.connectionCountMax,
  });
  core.onEnded(() => beginShutdown('lease lost', 1));
  await registryRead(directory);
  core.start();
  onShutdown(() => core.close());
  onShutdown(() => edge.close());
  followReadiness(health, bus, directory, core);
  process.on('SIGHUP', () => void listeners.certificates?.reload());

  const ports = await openListeners(edge, listeners, logger);
  logger.info('listening', {
    httpHost: host,
    httpPort: server.port,
    ...ports,
    incarnation: core.incarnation,
  });
}

function registryRead(directory: RegistryView): Promise<void> {
  return new Promise((resolve) => directory.whenReady(resolve));
}

/** A short outage of NATS is waited out with connections open, and does not show. */
function followReadiness(
  health: Health,
  bus: Bus,
  directory: RegistryView,
  core: GatewayCore,
): void {
  const unfollow = followBusHealth(bus, { health, logger, clock });
  onShutdown(async () => unfollow());
  const look = (): void => {
    health.setReady('registry', directory.ready, 'the registry has not been read');
    if (bus.connected && !core.standsStill) {
      health.setReady('mqtt', core.acceptsConnect, 'not known to all owners yet');
    }
    clock.after(READINESS_POLL_MS, look);
  };
  look();
}

runMain(logger, main);
