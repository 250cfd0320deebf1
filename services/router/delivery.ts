/**
 * Deliveries — one event on its way to one event subscription, and what came of an attempt.
 *
 * The partition's logic makes them, the courier attempts them. An outcome is reported once and
 * never from inside `send`.
 */
import type { Position } from '#log';
import type { EventSubscription } from '#registry';

export interface Delivery {
  readonly subscription: EventSubscription;
  readonly partition: number;
  readonly position: Position;
  /** Attempts made before this one. */
  readonly attempts: number;
  /** The stored event (stored-event.ts). */
  readonly event: Buffer;
  /** Asked right before the request leaves: false while the partition's lease is not held. */
  maySend(): boolean;
  onOutcome(outcome: Outcome): void;
}

export type Outcome =
  | { readonly kind: 'delivered' }
  /** An attempt failed; try again, not before `waitMsMin` from now. */
  | { readonly kind: 'failed'; readonly why: string; readonly waitMsMin: number }
  /** The endpoint will never take this event. */
  | { readonly kind: 'refused'; readonly why: string }
  /** No attempt was made: the endpoint is held back, or has not consented. */
  | { readonly kind: 'held'; readonly waitMsMin: number };

export interface Courier {
  send(delivery: Delivery): void;
  /** How long nothing will be sent to this endpoint, ms; 0 = it takes deliveries. */
  heldForMs(endpointUrl: string): number;
}

/** What became of events, for `weir_router_events_total{result}`. */
export const EVENT_RESULTS = [
  'delivered',
  'attempt_failed',
  'deferred',
  'event_refused',
  'event_attempts_exhausted',
  'event_subscription_deleted',
  'event_queue_full',
  'event_unreadable',
] as const;
export type EventResult = (typeof EVENT_RESULTS)[number];

/** Plain integers, added up over partitions by the metrics. */
export type EventCounters = Record<EventResult, number>;

export function createEventCounters(): EventCounters {
  return {
    delivered: 0,
    attempt_failed: 0,
    deferred: 0,
    event_refused: 0,
    event_attempts_exhausted: 0,
    event_subscription_deleted: 0,
    event_queue_full: 0,
    event_unreadable: 0,
  };
}
