/**
 * Subscriptions of one session — what SUBSCRIBE asks, judged filter by filter.
 *
 * Bound: `subscriptionCountMax` per session; a filter asked again replaces itself and costs
 *        nothing.
 * Spec:  MQTT 5 §3.8, §3.9.3; [MQTT-3.8.3-4], [MQTT-3.8.4-3], [MQTT-3.8.4-5], [MQTT-3.9.3-1].
 */
import { REASONS } from '#base';
import type { Reason } from '#base';
import { isSharedFilter, topicFilterFault } from '#mqtt';
import type { SubscribePacket, SubscriptionRequest } from '#mqtt';
import type { GrantedSubscription } from './session-port.ts';

export interface SubscribeVerdict {
  /** One per filter, in order. */
  readonly reasonCodes: readonly number[];
  /** What was granted; a filter named twice stands once, with its later terms. */
  readonly granted: readonly GrantedSubscription[];
}

export class SubscriptionSet {
  readonly #countMax: number;
  readonly #granted = new Map<string, GrantedSubscription>();

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  get size(): number {
    return this.#granted.size;
  }
  topicFilters(): Iterable<string> {
    return this.#granted.keys();
  }

  /** Grants what may be granted, or says why the connection must end; then nothing is granted. */
  subscribe(
    packet: SubscribePacket,
    version: 4 | 5,
    maySubscribe: (topicFilter: string) => boolean,
  ): SubscribeVerdict | Reason {
    for (const request of packet.subscriptions) {
      const isForbidden = version === 4 ? request.topicFilter === '' : isSharedNoLocal(request);
      if (isForbidden) return 'protocol_error';
    }
    const granted = new Map<string, GrantedSubscription>();
    const reasonCodes = packet.subscriptions.map((request) => {
      const reason = this.#refusal(request, maySubscribe);
      if (reason !== undefined) return REASONS[reason].code;
      const subscription = grant(request, packet.subscriptionIdentifier);
      granted.set(subscription.topicFilter, subscription);
      this.#granted.set(subscription.topicFilter, subscription);
      return subscription.qos;
    });
    return { reasonCodes, granted: [...granted.values()] };
  }

  /** One of an earlier connection; it counts, whatever the limit. */
  resume(subscription: GrantedSubscription): void {
    this.#granted.set(subscription.topicFilter, subscription);
  }

  remove(topicFilter: string): void {
    this.#granted.delete(topicFilter);
  }

  #refusal(
    { topicFilter }: SubscriptionRequest,
    maySubscribe: (topicFilter: string) => boolean,
  ): Reason | undefined {
    if (topicFilterFault(topicFilter) !== undefined) return 'topic_filter_invalid';
    if (!maySubscribe(topicFilter)) return 'subscribe_not_authorized';
    if (this.#granted.has(topicFilter) || this.#granted.size < this.#countMax) return undefined;
    return 'subscription_quota';
  }
}

function isSharedNoLocal(request: SubscriptionRequest): boolean {
  return request.noLocal && isSharedFilter(request.topicFilter);
}

function grant(request: SubscriptionRequest, subscriptionIdentifier: number): GrantedSubscription {
  return {
    topicFilter: request.topicFilter,
    // A QoS 2 message would be tied to one member for ever [MQTT-4.8.2-5].
    qos: request.qos === 2 && isSharedFilter(request.topicFilter) ? 1 : request.qos,
    noLocal: request.noLocal,
    retainAsPublished: request.retainAsPublished,
    subscriptionIdentifier,
    retainHandling: request.retainHandling,
  };
}
