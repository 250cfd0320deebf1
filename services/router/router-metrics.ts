/**
 * Metrics of a router: what became of events, what waits, how far behind it is.
 */
import { sequenceOf } from '#log';
import type { PartitionContext } from '#reader';
import type { Metrics, Sample } from '#runtime';
import { EVENT_RESULTS } from './delivery.ts';
import type { EventCounters } from './delivery.ts';
import type { RouterPartition } from './router-partition.ts';
import type { WebhookCourier } from './webhook-courier.ts';

/** A partition that this process owns. */
export interface OwnedRouterPartition {
  readonly context: Pick<PartitionContext, 'headSequence'>;
  readonly logic: RouterPartition;
}

export interface RouterMetricsSource {
  readonly counters: EventCounters;
  readonly courier: WebhookCourier;
  owned(): Iterable<readonly [partition: number, owned: OwnedRouterPartition]>;
}

export function addRouterMetrics(metrics: Metrics, source: RouterMetricsSource): void {
  const { counters, courier } = source;
  const perPartition = (read: (owned: OwnedRouterPartition) => number) => (): Sample[] =>
    Array.from(source.owned(), ([partition, owned]) => [
      { partition: String(partition) },
      read(owned),
    ]);
  metrics.counter('weir_router_events_total', 'Events by what became of them.', () =>
    EVENT_RESULTS.map((result) => [{ result }, counters[result]]),
  );
  metrics.gauge(
    'weir_router_deferred_events',
    'Deliveries that wait in the state log.',
    perPartition(({ logic }) => logic.deferredCount),
  );
  metrics.gauge(
    'weir_router_window_events',
    'Deliveries under way.',
    perPartition(({ logic }) => logic.windowCount),
  );
  metrics.gauge(
    'weir_router_lag_records',
    'Log records that were not looked at yet.',
    perPartition(({ context, logic }) =>
      Math.max(0, context.headSequence - sequenceOf(logic.handled)),
    ),
  );
  metrics.gauge(
    'weir_router_endpoints_held',
    'Endpoints that rest after failures or do not consent.',
    () => courier.heldCount,
  );
}
