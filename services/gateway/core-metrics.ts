/** What the gateway's core shows at /metrics; plain counters elsewhere, read at scrape time. */
import type { PartitionAppender } from '#log';
import type { Metrics, Sample } from '#runtime';
import type { CoreParts } from './core-parts.ts';

export function addCoreMetrics(
  metrics: Metrics,
  parts: CoreParts,
  standsStill: () => boolean,
): void {
  addTraffic(metrics, parts);
  addLog(metrics, parts);
  addState(metrics, parts, standsStill);
  addStays(metrics, parts);
  addShared(metrics, parts);
}

function addShared(metrics: Metrics, { shared }: CoreParts): void {
  metrics.gauge(
    'weir_shared_members',
    'Members of shared subscriptions connected here',
    () => shared.memberCount,
  );
  metrics.gauge(
    'weir_shared_held_messages',
    'Messages of shared subscriptions here that are not acknowledged',
    () => shared.heldCount,
  );
  metrics.counter(
    'weir_shared_returned_total',
    'Messages of shared subscriptions given back, for their client has gone',
    () => shared.returned,
  );
}

function addTraffic(metrics: Metrics, parts: CoreParts): void {
  const { path, peers, intake, links, retained, stays, shared, sharedPacks } = parts;
  metrics.counter('weir_publish_received_total', 'PUBLISHes taken from clients, by QoS', () =>
    path.received.map((count, qos): Sample => [{ qos: String(qos) }, count]),
  );
  metrics.counter(
    'weir_deliveries_total',
    'Deliveries handed to connected clients',
    () => path.delivered + stays.delivered + shared.delivered,
  );
  metrics.counter(
    'weir_core_messages_dropped_total',
    'Messages dropped before they reached a client, by reason',
    (): Sample[] => [
      [
        { reason: 'message_expired' },
        path.expired + retained.expired + stays.expired + shared.expired,
      ],
      [{ reason: 'qos0_bus_unreachable' }, peers.dropped + sharedPacks.dropped],
    ],
  );
  metrics.counter(
    'weir_peer_messages_total',
    'QoS 0 messages exchanged with other gateways',
    (): Sample[] => [
      [{ direction: 'sent' }, peers.messagesSent + sharedPacks.messagesSent],
      [{ direction: 'received' }, peers.messagesReceived + sharedPacks.messagesReceived],
    ],
  );
  metrics.counter('weir_frames_total', 'Frames from dispatchers', (): Sample[] => [
    [{ result: 'taken' }, intake.framesTaken],
    [{ result: 'damaged' }, intake.framesDamaged],
  ]);
  metrics.counter(
    'weir_peer_damaged_total',
    'Messages from other gateways that could not be read',
    () => peers.damaged + peers.interest.damaged + sharedPacks.damaged,
  );
  metrics.counter('weir_frame_gaps_total', 'Gaps in the chain of ranges, asked for again', () =>
    links.reduce((sum, link) => sum + link.gaps, 0),
  );
}

function addLog(metrics: Metrics, { appenders }: CoreParts): void {
  const perPartition = (read: (appender: PartitionAppender) => number) => (): Sample[] =>
    appenders.map((a, p): Sample => [{ partition: String(p) }, read(a)]);
  metrics.counter(
    'weir_log_records_total',
    'Records stored in the log',
    perPartition((a) => a.recordsStored),
  );
  metrics.counter(
    'weir_log_messages_total',
    'Messages stored in the log',
    perPartition((a) => a.messagesStored),
  );
  metrics.counter(
    'weir_log_bytes_total',
    'Bytes stored in the log',
    perPartition((a) => a.bytesStored),
  );
  metrics.counter(
    'weir_log_repeats_total',
    'Records sent again because the answer was missing',
    perPartition((a) => a.repeats),
  );
  metrics.counter(
    'weir_log_refused_full_total',
    'Records refused because the log is full',
    perPartition((a) => a.recordsRefusedFull),
  );
  metrics.counter(
    'weir_log_append_failures_total',
    'Appends that NATS answered with an error of set-up; they are repeated',
    perPartition((a) => a.failures),
  );
  metrics.gauge(
    'weir_log_pending_bytes',
    'Bytes waiting to be stored in the log',
    perPartition((a) => a.pendingBytes),
  );
}

function addState(metrics: Metrics, parts: CoreParts, standsStill: () => boolean): void {
  const { table, claims, peers, retained } = parts;
  metrics.counter(
    'weir_retained_delivered_total',
    'Retained messages handed to clients because of a new subscription',
    () => retained.delivered,
  );
  metrics.gauge('weir_retained_fetches', 'Fetches of retained messages under way', () => {
    return retained.size;
  });
  metrics.gauge(
    'weir_retained_held_bytes',
    'Live messages held back until retained ones have been sent',
    () => retained.heldBytes,
  );
  metrics.gauge('weir_subscriptions', 'Subscriptions of connected clients', () => {
    return table.subscriptionCount;
  });
  metrics.gauge('weir_topic_filters', 'Distinct topic filters', () => table.filterCount);
  metrics.gauge('weir_client_identifiers', 'Client identifiers held or asked for', () => {
    return claims.size;
  });
  metrics.gauge('weir_other_gateways', 'Other live gateways', () => peers.size);
  metrics.gauge('weir_stands_still', '1 while the lease deadline has passed', () =>
    standsStill() ? 1 : 0,
  );
}

function addStays(metrics: Metrics, { stays }: CoreParts): void {
  metrics.gauge('weir_stored_sessions', 'Stored sessions connected here', () => stays.size);
  metrics.gauge(
    'weir_stored_session_partitions',
    'Stored sessions connected here, in each partition, by how they get their messages',
    () => Object.entries(stays.modes()).map(([mode, count]): Sample => [{ mode }, count]),
  );
  metrics.gauge(
    'weir_stored_sessions_leaving',
    'Ends of stored sessions that their home has not written yet',
    () => stays.ended.size,
  );
  metrics.counter('weir_queue_pages_total', 'Pages of queues taken', () => stays.pages);
  metrics.gauge('weir_queue_pages_outstanding', 'Pages of queues asked for', () => {
    return stays.desk.outstanding;
  });
  metrics.counter(
    'weir_refilings_total',
    'Sessions that were live in a partition and had it filed again, by cause',
    () => Object.entries(stays.refilings).map(([cause, count]): Sample => [{ cause }, count]),
  );
  metrics.gauge(
    'weir_queue_held_bytes',
    'Live messages held back until a queue has been read',
    () => stays.heldBytes,
  );
}
