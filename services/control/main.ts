/**
 * Control — creates the streams of a cluster and serves the API of the registry and of sessions.
 *
 * Ready: connected to NATS and the registry read. Health answers from the start; the API says
 *        UNAVAILABLE until then. While NATS is away reads go on from memory, writes say so.
 */
import { systemClock } from '#base';
import { type Bus, connectNats } from '#bus';
import { RegistryStore, RESOURCE_KINDS } from '#registry';
import type { ClusterSettings } from '#registry';
import {
  createHealth,
  createLogger,
  createMetrics,
  followBusHealth,
  onShutdown,
  runMain,
} from '#runtime';
import type { Metrics } from '#runtime';
import { loadControlConfig } from './config.ts';
import type { ControlConfig } from './config.ts';
import { openControlServer } from './control-server.ts';
import { JwksReader } from './jwks-reader.ts';
import { OwnerAsker } from './owner-asker.ts';
import { RegistryApi } from './registry-api.ts';
import { SessionApi } from './session-api.ts';
import { SessionDirectory } from './session-directory.ts';
import { ensureCluster } from './streams.ts';

const logger = createLogger({ name: 'control' });
/** How often it is told what a start waits for, ms; the first time after as long. */
const WAIT_TOLD_MS = 3_000;

async function main(): Promise<void> {
  const config = loadControlConfig(process.env);
  const health = createHealth('nats', 'registry');
  const metrics = createMetrics();
  const opened: { store?: RegistryStore } & Partial<SessionParts> = {};
  const api = new RegistryApi({
    store: () => opened.store,
    sessions: () => opened.sessions,
    onUnexpected: (cause) => logger.error('request failed', { error: cause }),
  });
  const keySets = new JwksReader({ clock: systemClock, logger, store: () => opened.store });
  onShutdown(async () => keySets.close());
  addControlMetrics(metrics, api, () => opened.store);
  addSessionMetrics(metrics, opened);
  metrics.counter('weir_control_key_set_reads_total', 'Readings of key sets by outcome', () =>
    Object.entries(keySets.outcomes).map(([outcome, count]) => [{ outcome }, count] as const),
  );
  const { httpHost: host, httpPort: port, natsUrl: servers } = config;
  const server = await openControlServer({ host, port, api, metrics, health });
  onShutdown(() => server.close());
  logger.info('listening', { httpHost: host, httpPort: server.port });

  const name = config.instance ?? `control-${process.pid}`;
  const bus = await connectNats({
    servers,
    name,
    onTrouble: (why) => logger.error('NATS refused something', { why }),
  });
  onShutdown(() => bus.close());
  const unfollow = followBusHealth(bus, { health, logger, clock: systemClock });
  onShutdown(async () => unfollow());
  const onWait = oncePer(WAIT_TOLD_MS, (why) => {
    health.setReady('registry', false, why);
    logger.warn('waiting for the NATS cluster', { why });
  });
  const logBytesMax = config.logRatedBytes * config.logWindowSeconds;
  const settings = await ensureCluster(bus, { ...config, logBytesMax }, onWait);
  warnOfDifference(config, settings);
  const store = new RegistryStore({
    bus,
    clock: systemClock,
    random: Math.random,
    onReady: () => {
      health.setReady('registry', true);
      logger.info('registry read', { clients: store.count('clients') });
    },
  });
  opened.store = store;
  onShutdown(async () => store.close());
  Object.assign(opened, openSessions(bus, settings));
}

interface SessionParts {
  readonly sessions: SessionApi;
  readonly directory: SessionDirectory;
  readonly asker: OwnerAsker;
}

function openSessions(bus: Bus, { partitions }: ClusterSettings): SessionParts {
  const clock = systemClock;
  const directory = new SessionDirectory(bus, clock, partitions, () => {
    logger.info('sessions read', { sessions: directory.size });
  });
  onShutdown(async () => directory.close());
  const asker = new OwnerAsker(bus, clock);
  onShutdown(async () => asker.close());
  const sessions = new SessionApi({ clock, partitions, directory, asker });
  return { sessions, directory, asker };
}

/** Passes on what is told, the first time after `spanMs`, then once per `spanMs`. */
function oncePer(spanMs: number, tell: (text: string) => void): (text: string) => void {
  let nextMs = systemClock.nowMs() + spanMs;
  return (text) => {
    const nowMs = systemClock.nowMs();
    if (nowMs < nextMs) return;
    nextMs = nowMs + spanMs;
    tell(text);
  };
}

/** Settings count at the first start; later ones would split topics from their history. */
function warnOfDifference(config: ControlConfig, settings: ClusterSettings): void {
  const { partitions, replicas } = settings;
  if (config.partitions === partitions && config.replicas === replicas) return;
  const asked = { partitions: config.partitions, replicas: config.replicas };
  logger.warn('cluster keeps its settings', { partitions, replicas, asked });
}

function addSessionMetrics(metrics: Metrics, opened: Partial<SessionParts>): void {
  metrics.gauge(
    'weir_control_sessions',
    'Stored sessions that the API can list',
    () => opened.directory?.size ?? 0,
  );
  metrics.counter(
    'weir_control_damaged_total',
    'Session records and answers of dispatchers that could not be read',
    () => [
      [{ what: 'record' }, opened.directory?.recordsDamaged ?? 0],
      [{ what: 'answer' }, opened.asker?.answersDamaged ?? 0],
    ],
  );
}

function addControlMetrics(
  metrics: Metrics,
  api: RegistryApi,
  store: () => RegistryStore | undefined,
): void {
  metrics.counter('weir_control_requests_total', 'Requests to the API by outcome', () =>
    Array.from(api.outcomes, ([key, count]) => {
      const [action = '', kind = '', outcome = ''] = key.split(' ');
      return [{ action, kind, outcome }, count] as const;
    }),
  );
  metrics.gauge('weir_registry_resources', 'Resources in the registry by kind', () =>
    RESOURCE_KINDS.map((kind) => [{ kind }, store()?.count(kind) ?? 0] as const),
  );
  metrics.gauge(
    'weir_registry_unreadable_records',
    'Records of the registry that cannot be read and count as absent',
    () => store()?.unreadableRecords ?? 0,
  );
}

runMain(logger, main);
