/** What a dispatcher shows of shared subscriptions at /metrics. */
import type { Metrics, Sample } from '#runtime';
import type { Dispatcher } from './dispatcher.ts';
import type { OwnerGroups } from './owner-groups.ts';

export function addGroupMetrics(metrics: Metrics, dispatcher: Dispatcher): void {
  const { counters, board } = dispatcher;
  const perOwner = (read: (groups: OwnerGroups) => number) => (): Sample[] =>
    dispatcher.owners.map((owner): Sample => {
      return [{ partition: String(owner.partition) }, read(owner.sessions.groups)];
    });
  metrics.gauge('weir_shared_groups', 'Shared subscriptions known here', () => board.groups.size);
  metrics.gauge(
    'weir_shared_messages_waiting',
    'Messages that wait for a member of their shared subscription',
    perOwner(({ waiting }) => waiting),
  );
  metrics.gauge(
    'weir_shared_messages_in_flight',
    'Messages at a member of their shared subscription, not acknowledged yet',
    perOwner(({ inFlight }) => inFlight),
  );
  metrics.counter(
    'weir_shared_messages_total',
    'Messages taken for shared subscriptions, one per subscription',
    () => counters.groupMessages,
  );
  metrics.counter(
    'weir_shared_messages_filed_total',
    'Messages of shared subscriptions put into the state log, for they waited long',
    () => counters.groupFiled,
  );
  metrics.counter(
    'weir_shared_redelivered_total',
    'Messages that a member did not acknowledge and another was to get',
    () => counters.groupRedelivered,
  );
  metrics.counter(
    'weir_shared_messages_dropped_total',
    'Messages of shared subscriptions dropped by name',
    (): Sample[] => [
      [{ reason: 'queue_full' }, counters.groupQueueFull],
      [{ reason: 'message_expired' }, counters.groupExpired],
    ],
  );
}
