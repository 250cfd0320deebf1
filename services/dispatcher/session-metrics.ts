/** What a dispatcher shows about stored sessions at /metrics; read at scrape time. */
import type { Metrics, Sample } from '#runtime';
import type { Dispatcher } from './dispatcher.ts';
import type { OwnerSessions } from './owner-sessions.ts';

export function addSessionMetrics(metrics: Metrics, dispatcher: Dispatcher): void {
  const { counters, sessions } = dispatcher;
  metrics.gauge('weir_sessions_stored', 'Stored sessions of the cluster', () => sessions.view.size);
  metrics.counter(
    'weir_session_records_damaged_total',
    'Session records that could not be read',
    () => sessions.view.recordsDamaged,
  );
  metrics.counter(
    'weir_queue_entries_filed_total',
    'Messages filed for sessions that were not live, one per session',
    () => counters.entriesFiled,
  );
  metrics.counter(
    'weir_queue_entries_consumed_total',
    'Filed messages that their sessions have acknowledged, one per session',
    () => counters.entriesConsumed,
  );
  addQueues(metrics, dispatcher);
  addHomes(metrics, dispatcher);
}

type Read = (sessions: OwnerSessions) => number;

function perOwner(dispatcher: Dispatcher, read: Read): () => Sample[] {
  return () =>
    dispatcher.owners.map((owner): Sample => {
      return [{ partition: String(owner.partition) }, read(owner.sessions)];
    });
}

function sum(dispatcher: Dispatcher, read: Read): number {
  return dispatcher.owners.reduce((total, owner) => total + read(owner.sessions), 0);
}

function addQueues(metrics: Metrics, dispatcher: Dispatcher): void {
  const { counters } = dispatcher;
  metrics.counter(
    'weir_queue_entries_dropped_total',
    'Entries of queues dropped by name',
    (): Sample[] => [
      [{ reason: 'queue_full' }, counters.queueFull],
      [{ reason: 'message_expired' }, sum(dispatcher, ({ queues }) => queues.store.expired)],
    ],
  );
  metrics.gauge(
    'weir_queue_entries',
    'Messages that wait for sessions, one per session',
    perOwner(dispatcher, ({ queues }) => queues.entryCount),
  );
  metrics.gauge(
    'weir_filed_messages',
    'Messages filed, however many sessions wait for each',
    perOwner(dispatcher, ({ queues }) => queues.store.messageCount),
  );
  metrics.gauge(
    'weir_filed_bytes',
    'Bytes of those messages',
    perOwner(dispatcher, ({ queues }) => queues.store.messageBytes),
  );
  metrics.gauge(
    'weir_queue_oldest_age_seconds',
    'Age of the oldest message that waits for a session; 0: none',
    perOwner(dispatcher, (sessions) => sessions.oldestAgeSeconds),
  );
  metrics.gauge(
    'weir_filing_jobs',
    'Groups of sessions that left and are being filed for',
    perOwner(dispatcher, ({ jobs }) => jobs.size),
  );
  metrics.counter(
    'weir_sessions_made_live_total',
    'Times that a session went from its queue to live delivery',
    () => sum(dispatcher, ({ desk }) => desk.liveGranted),
  );
  metrics.counter(
    'weir_sessions_refiled_total',
    'Times that a connected session was too slow and is filed for again',
    () => sum(dispatcher, ({ desk }) => desk.refiled),
  );
}

function addHomes(metrics: Metrics, dispatcher: Dispatcher): void {
  metrics.gauge(
    'weir_home_sessions',
    'Stored sessions whose home is here',
    perOwner(dispatcher, ({ homeCount }) => homeCount),
  );
  metrics.gauge(
    'weir_home_wills',
    'Wills kept for connections, or waiting for their delay',
    perOwner(dispatcher, ({ willCount }) => willCount),
  );
  metrics.gauge(
    'weir_home_wills_unpublished',
    'Wills decided on whose append is not acknowledged yet, in records',
    perOwner(dispatcher, ({ firedWaiting }) => firedWaiting),
  );
  metrics.gauge(
    'weir_home_qos2_deliveries',
    'QoS 2 deliveries to stored sessions that have begun',
    perOwner(dispatcher, ({ outCount }) => outCount),
  );
}
