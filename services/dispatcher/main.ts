/**
 * Dispatcher — reads the log and frames each message to the gateways that have a subscriber.
 *
 * Process: a member of the reader group `dispatch`; one PartitionOwner for each partition it owns.
 * Ready:   connected to NATS. A dispatcher without partitions is a spare, and ready.
 */
import { randomBytes } from 'node:crypto';
import { systemClock } from '#base';
import { connectNats } from '#bus';
import { isReaderTrouble, type ReaderEvent } from '#reader';
import { readClusterSettings } from '#registry';
import {
  createHealth,
  createLogger,
  createMetrics,
  followBusHealth,
  onShutdown,
  runMain,
  serveHealth,
} from '#runtime';
import { loadDispatcherConfig, queueLimitsOf } from './config.ts';
import { Dispatcher } from './dispatcher.ts';
import { addDispatcherMetrics } from './dispatcher-metrics.ts';
import { addGroupMetrics } from './group-metrics.ts';

const clock = systemClock;
const logger = createLogger({ name: 'dispatcher' });

async function main(): Promise<void> {
  const config = loadDispatcherConfig(process.env);
  const instance = config.instance ?? `dispatcher-${process.pid}`;
  const health = createHealth('nats', 'leases');
  const metrics = createMetrics();
  const { httpHost: host, httpPort } = config;
  const server = await serveHealth({ host, port: httpPort, metrics, health });
  onShutdown(() => server.close());
  const bus = await connectNats({
    servers: config.natsUrl,
    name: instance,
    onTrouble: (why) => logger.error('NATS refused something', { why }),
  });
  onShutdown(() => bus.close());
  const unfollow = followBusHealth(bus, { health, logger, clock });
  onShutdown(async () => unfollow());
  const { partitions } = await readClusterSettings(bus);

  const dispatcher = new Dispatcher({
    bus,
    clock,
    random: Math.random,
    partitions,
    instance,
    member: `${instance.replace(/[^\w-]/g, '-')}-${randomBytes(4).toString('hex')}`,
    onEvent: logEvent,
    limits: { queue: queueLimitsOf(config) },
    groupExpirySeconds: config.groupExpirySeconds,
  });
  addDispatcherMetrics(metrics, dispatcher);
  addGroupMetrics(metrics, dispatcher);
  dispatcher.start();
  dispatcher.group.leases.waitFor(1, () => health.setReady('leases', true));
  onShutdown(() => new Promise((resolve) => dispatcher.leave(resolve)));
  logger.info('listening', { httpHost: host, httpPort: server.port });
}

function logEvent(event: ReaderEvent): void {
  const { kind, ...fields } = event;
  logger[isReaderTrouble(event) ? 'warn' : 'info'](kind, fields);
}

runMain(logger, main);
