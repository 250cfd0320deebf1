/**
 * The seam inside a gateway: the edge (sockets, bytes, sessions of connected clients) on one side,
 * the core (leases, interest, log, frames) on the other. The simulation drives the core through
 * this seam with clients of its own; `connection.ts` is the real one.
 */
import type { Reason } from '#base';
import type { Position } from '#log';
import type { PublishView } from '#mqtt';
import type { DeliveryTerms, GrantedSubscription } from '#session';

/** One subscription of one client, as the core keeps it. */
export type Subscription = GrantedSubscription;
/** What all matching subscriptions of one client ask of one delivery. */
export type Delivery = DeliveryTerms;

/** Takes live messages of a client that first has to get the retained ones. */
export interface LiveHold {
  /** True: taken, it comes later. */
  take(
    partition: number,
    position: Position,
    view: PublishView,
    qos: 0 | 1 | 2,
    delivery: Delivery,
  ): boolean;
}

/** A connected client, as the core sees it. */
export interface LocalClient {
  /** Unique in this gateway's life, from 1. */
  readonly connectionNumber: number;
  readonly clientIdentifier: string;
  readonly authenticationName: string;
  /** Set by the core while retained messages are on their way. */
  hold: LiveHold | undefined;
  /** Whether more retained messages may come now: its buffers are at most half full. */
  readonly hasRoom: boolean;
  /**
   * Delivers one message; called in log order per topic, never after `disconnect`. Must not throw
   * or block. `view` is borrowed for the call. `qos` is the effective one. A message is delivered
   * once per client, however many of its subscriptions match. Full buffer: QoS 0 is dropped by
   * name, QoS ≥ 1 ends the client as `slow_consumer` (protocol 31).
   */
  deliver(view: PublishView, qos: 0 | 1 | 2, delivery: Delivery): void;
  /** The append that `publish` was called with `token` for is decided: 'stored' = on disk. */
  appended(token: number, outcome: 'stored' | 'full'): void;
  /** End this client for `reason`; it then calls `core.disconnect`. */
  close(reason: Reason): void;
}

/**
 * What `publish` did with a message. `sent`: QoS 0, handed on, nothing is called back. `queued`:
 * QoS ≥ 1, `appended(token)` follows. A full pipeline shows as `onPause(true)`, not here: what was
 * read already is always taken.
 */
export type PublishOutcome = 'sent' | 'queued';

export interface GatewayCore {
  /** Identity of this gateway's life; part of log subjects. */
  readonly incarnation: string;
  /** All partitions known and owned, registry read, lease held: CONNECT may be served. */
  readonly acceptsConnect: boolean;
  /** Lease deadline passed (NATS away): no socket is read, nothing delivered or acknowledged. */
  readonly standsStill: boolean;
  /** Called with true when reading must stop (stand-still or full pipeline), false to go on. */
  onPause(listener: (paused: boolean) => void): void;
  /**
   * The lease was refused: this incarnation is over. Every client was closed as
   * `gateway_lease_lost`; the process has to start anew.
   */
  onEnded(listener: () => void): void;
  /** Registers this gateway; CONNECTs are accepted once all owners know it. */
  start(): void;
  /** Orderly end: waits (bounded) for pending appends, then gives the lease back. */
  close(): Promise<void>;

  /** Claims the client identifier at its home; waits while there is no owner (protocol 16). */
  connect(client: LocalClient, onDecision: (decision: 'granted' | Reason) => void): void;
  /** The connection is over; subscriptions and id are given back. Idempotent. */
  disconnect(client: LocalClient): void;
  /** Adds or replaces subscriptions; `onEffective` when SUBACK may be sent (protocol 21). */
  subscribe(
    client: LocalClient,
    subscriptions: readonly Subscription[],
    onEffective: () => void,
  ): void;
  /** Removes; true per filter that existed. */
  unsubscribe(client: LocalClient, topicFilters: readonly string[]): boolean[];
  /**
   * Publishes a permitted, valid message. `topicKey` is the topic's bytes as latin1 (a cheap map
   * key; see connection.ts). `view` is borrowed. `token` comes back in `appended`, in the order
   * of appends of one topic, not across topics.
   */
  publish(client: LocalClient, view: PublishView, topicKey: string, token: number): PublishOutcome;
}
