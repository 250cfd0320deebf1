/**
 * Router — reads the log and delivers events to webhooks (design §10).
 *
 * Process: a member of the reader group `router`; one RouterPartition for each partition it owns,
 *          one courier for all of them. State is in the group's state logs, none of it here.
 * Ready:   connected to NATS and the registry read. A router without partitions is a spare, and
 *          ready.
 */
import { randomBytes } from 'node:crypto';
import { systemClock } from '#base';
import { connectNats } from '#bus';
import { isReaderTrouble, ReaderGroup, ROUTER_GROUP } from '#reader';
import type { PartitionContext, PartitionLogic, ReaderEvent } from '#reader';
import { openRegistryView, readClusterSettings } from '#registry';
import type { RegistryView } from '#registry';
import {
  addReaderMetrics,
  createHealth,
  createLogger,
  createMetrics,
  followBusHealth,
  onShutdown,
  runMain,
  serveHealth,
} from '#runtime';
import { loadRouterConfig } from './config.ts';
import { createEventCounters } from './delivery.ts';
import { HttpClient } from './http-client.ts';
import { RouterPartition } from './router-partition.ts';
import { addRouterMetrics } from './router-metrics.ts';
import type { OwnedRouterPartition } from './router-metrics.ts';
import { SubscriptionIndex } from './subscription-index.ts';
import { WebhookCourier } from './webhook-courier.ts';

const clock = systemClock;
const random = Math.random;
const logger = createLogger({ name: 'router' });

async function main(): Promise<void> {
  const config = loadRouterConfig(process.env);
  const instance = config.instance ?? `router-${process.pid}`;
  const health = createHealth('nats', 'registry');
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
  const view = openRegistryView({ bus, clock });
  onShutdown(async () => view.close());

  const { requestOrigin, allowPrivate, answerTimeoutSeconds } = config;
  const answerTimeoutMs = answerTimeoutSeconds * 1_000;
  const client = new HttpClient({ clock, requestOrigin, allowPrivate, answerTimeoutMs });
  onShutdown(() => client.close());
  const onChange = (what: string, fields: object): void => logger.info(what, fields);
  const courier = new WebhookCourier({ client, clock, random, onChange });
  const counters = createEventCounters();
  const subscriptions = new SubscriptionIndex(randomBytes(4).readInt32BE());
  const owned = new Map<number, OwnedRouterPartition>();
  addRouterMetrics(metrics, { counters, courier, owned: () => owned });
  followSubscriptions(view, subscriptions, courier, owned);
  view.whenReady(() => health.setReady('registry', true));

  const group = new ReaderGroup({
    bus,
    clock,
    random,
    group: ROUTER_GROUP,
    partitions,
    instance,
    member: `${instance.replace(/[^\w-]/g, '-')}-${randomBytes(4).toString('hex')}`,
    makeLogic: (context) => {
      const { retryWaitsMs } = config;
      const whenSubscribed = (listener: () => void): void => view.whenReady(listener);
      const options = { courier, subscriptions, counters, retryWaitsMs, whenSubscribed };
      return trackOwned(owned, context, new RouterPartition(context, options));
    },
    onEvent: logEvent,
  });
  addReaderMetrics(metrics, ROUTER_GROUP, () => group.figures);
  group.start();
  onShutdown(() => new Promise((resolve) => group.leave(resolve)));
  logger.info('listening', { httpHost: host, httpPort: server.port, allowPrivate });
}

/** Keeps the index, the endpoints and the partitions' queues as the registry says. */
function followSubscriptions(
  view: RegistryView,
  subscriptions: SubscriptionIndex,
  courier: WebhookCourier,
  owned: ReadonlyMap<number, OwnedRouterPartition>,
): void {
  const take = (): void => {
    // Half a view would look as if subscriptions had been deleted.
    if (!view.ready) return;
    const known = view.eventSubscriptions();
    if (known === subscriptions.subscriptions) return;
    subscriptions.replace(known);
    courier.retain(new Set(known.map(({ endpointUrl }) => endpointUrl)));
    for (const { logic } of owned.values()) logic.subscriptionsChanged();
  };
  view.whenReady(take);
  view.onEventSubscriptions(take);
}

/** Forgets the partition when its logic ends. */
function trackOwned(
  owned: Map<number, OwnedRouterPartition>,
  context: PartitionContext,
  logic: RouterPartition,
): PartitionLogic {
  const entry = { context, logic };
  owned.set(context.partition, entry);
  logic.onEnd = () => {
    if (owned.get(context.partition) === entry) owned.delete(context.partition);
  };
  return logic;
}

function logEvent(event: ReaderEvent): void {
  const { kind, ...fields } = event;
  logger[isReaderTrouble(event) ? 'warn' : 'info'](kind, fields);
}

runMain(logger, main);
