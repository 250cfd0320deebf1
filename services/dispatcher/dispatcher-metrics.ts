/** What a dispatcher shows at /metrics; plain counters elsewhere, read at scrape time. */
import { DISPATCH_GROUP } from '#reader';
import { addReaderMetrics, type Metrics, type Sample } from '#runtime';
import type { Dispatcher } from './dispatcher.ts';
import { addSessionMetrics } from './session-metrics.ts';

export function addDispatcherMetrics(metrics: Metrics, dispatcher: Dispatcher): void {
  addOwners(metrics, dispatcher);
  addSessionMetrics(metrics, dispatcher);
  addReaderMetrics(metrics, DISPATCH_GROUP, () => dispatcher.group.figures);
  const { counters, board } = dispatcher;
  metrics.counter('weir_dispatch_records_total', 'Log records dispatched', () => counters.records);
  metrics.counter('weir_dispatch_messages_total', 'Messages in them', () => counters.messages);
  metrics.counter(
    'weir_dispatch_repeats_total',
    'Messages of QoS 2 that were dispatched before and are left out',
    () => counters.repeats,
  );
  metrics.counter(
    'weir_dispatch_framed_total',
    'Messages put into frames, one per gateway that wants them',
    () => counters.framed,
  );
  metrics.counter(
    'weir_dispatch_resends_total',
    'Times that a gateway asked for lost ranges again',
    () => counters.resends,
  );
  metrics.counter(
    'weir_dispatch_take_overs_total',
    'Partitions whose dispatch this process began',
    () => counters.takeOvers,
  );
  metrics.counter(
    'weir_dispatch_gateways_ended_total',
    'Leases of gateways ended because they stood still or could not be served',
    () => counters.gatewaysEnded,
  );
  metrics.counter(
    'weir_dispatch_frames_sent_total',
    'Frames sent to the gateways that live now',
    () => board.framesSent,
  );
  metrics.counter(
    'weir_dispatch_frame_sent_bytes_total',
    'Bytes of those frames',
    () => board.frameBytesSent,
  );
  metrics.counter(
    'weir_dispatch_damaged_total',
    'Log records and requests of gateways that could not be read',
    (): Sample[] => [
      [{ what: 'record' }, counters.recordsDamaged],
      [{ what: 'request' }, counters.requestsDamaged],
    ],
  );
  metrics.counter(
    'weir_dispatch_messages_dropped_total',
    'Messages that did not reach a gateway, by reason',
    (): Sample[] => [[{ reason: 'message_exceeds_bus_maximum' }, counters.oversized]],
  );
  metrics.gauge('weir_dispatch_topic_filters', 'Topic filters of all gateways', () => {
    return board.filterCount;
  });
}

function addOwners(metrics: Metrics, dispatcher: Dispatcher): void {
  const { counters } = dispatcher;
  const perOwner = (read: (owner: Dispatcher['owners'][number]) => number) => (): Sample[] =>
    dispatcher.owners.map((o): Sample => [{ partition: String(o.partition) }, read(o)]);
  metrics.gauge(
    'weir_dispatch_owned',
    'Partitions owned now',
    perOwner(() => 1),
  );
  metrics.gauge(
    'weir_dispatch_client_identifiers',
    'Connected clients whose identifier has its home here',
    perOwner((o) => o.claimCount),
  );
  metrics.gauge(
    'weir_dispatch_tail_bytes',
    'Newest records kept for gateways that missed some',
    perOwner((o) => o.tailBytes),
  );
  metrics.gauge(
    'weir_dispatch_gateways_behind',
    'Gateways that are being sent what they missed',
    perOwner((o) => o.linksBehind),
  );
  metrics.gauge(
    'weir_retained_messages',
    'Topics with a retained message',
    perOwner((o) => o.retained.count),
  );
  metrics.counter(
    'weir_retained_stored_total',
    'Retained messages put into the state log',
    () => counters.retainedStored,
  );
  metrics.counter(
    'weir_retained_dropped_total',
    'Retained messages dropped by name',
    (): Sample[] => [
      [{ reason: 'message_expired' }, counters.retainedExpired],
      [{ reason: 'retained_quota' }, counters.retainedRefused],
    ],
  );
}
