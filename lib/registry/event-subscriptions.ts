/**
 * Event subscriptions as the router reads them: one flat, immutable object each.
 */
import type { Resource } from './resources.ts';

export interface EventSubscription {
  readonly name: string;
  /** Changes with each change of the resource. */
  readonly revision: number;
  readonly topicFilters: readonly string[];
  /** Webhook that receives the events. */
  readonly endpointUrl: string;
  /** Attempts for one event, the first included. Range 1–1,000. */
  readonly deliveryAttemptsMax: number;
  /** Age at which an event is given up, seconds. Range 60–604,800. */
  readonly eventTtlSeconds: number;
}

/** What the router asks of the registry. */
export interface EventSubscriptionView {
  /** False until the first full view of the registry has been read. */
  readonly ready: boolean;
  /** In the order of their names; the same array until something changes. */
  eventSubscriptions(): readonly EventSubscription[];
  /** Called after a change, and once when the view becomes ready. Returns a remover. */
  onEventSubscriptions(listener: () => void): () => void;
}

export function eventSubscriptionOf(resource: Resource<'eventSubscriptions'>): EventSubscription {
  const { name, revision, spec } = resource;
  return {
    name,
    revision,
    topicFilters: spec.topicFilters,
    endpointUrl: spec.destination.webhook.endpointUrl,
    deliveryAttemptsMax: spec.deliveryAttemptsMax,
    eventTtlSeconds: spec.eventTtlSeconds,
  };
}
