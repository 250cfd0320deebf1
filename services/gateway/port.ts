/**
 * The seam inside a gateway: the edge (sockets, bytes, sessions of connected clients) on one side,
 * the core (leases, interest, log, frames) on the other. The simulation drives the core through
 * this seam with clients of its own; `connection.ts` is the real one.
 */
import type { Reason } from '#base';
import type { Position } from '#log';
import type { PublishView, Will } from '#mqtt';
import type { DeliveryTerms, Departure, GrantedSubscription, SessionGrant } from '#session';

/** One subscription of one client, as the core keeps it. */
export type Subscription = GrantedSubscription;
/** What all matching subscriptions of one client ask of one delivery. */
export type Delivery = DeliveryTerms;

/** Takes live messages of a client that first has to get the retained ones. */
export interface LiveHold {
  /** Retained messages of this partition are on their way. */
  holds(partition: number): boolean;
  /** True: taken, it comes later. */
  take(
    partition: number,
    position: Position,
    view: PublishView,
    qos: 0 | 1 | 2,
    delivery: Delivery,
  ): boolean;
}

/** What an append of `publish` or `releasePublish` has become. */
export type AppendOutcome = 'stored' | 'full';

/** A connected client, as the core sees it. */
export interface LocalClient {
  /** Unique in this gateway's life, from 1. */
  readonly connectionNumber: number;
  readonly clientIdentifier: string;
  readonly authenticationName: string;
  readonly cleanStart: boolean;
  /** As CONNECT asked, limited; 0 = the session ends with the connection. */
  readonly sessionExpirySeconds: number;
  readonly will: Will | undefined;
  /** Deliveries that it takes before it acknowledges some (Receive Maximum). */
  readonly deliveryCountMax: number;
  /** Set by the core while retained messages are on their way. */
  hold: LiveHold | undefined;
  /** Whether more of a queue or of retained messages may come now: buffers at most half full. */
  readonly hasRoom: boolean;
  /**
   * Delivers one message; called in log order per topic, never after `disconnect`. Must not throw
   * or block. `view` is borrowed for the call. `qos` is the effective one. A message is delivered
   * once per client, however many of its subscriptions match. Full buffer: QoS 0 is dropped by
   * name, QoS ≥ 1 ends the client as `slow_consumer` (protocol 31).
   *
   * `ticket` > 0 names a delivery of a stored session or a shared subscription: `settled(ticket)`
   * follows once, when the client has acknowledged it or it was dropped by name. The core then
   * never lets the buffer get full (`hasCapacity`). `packetIdentifier` > 0: sent before the last
   * connection ended, to be sent again under this identifier with DUP.
   */
  deliver(
    view: PublishView,
    qos: 0 | 1 | 2,
    delivery: Delivery,
    ticket: number,
    packetIdentifier: number,
  ): void;
  /** Whether one more delivery finds room; a stored session is not handed any more without. */
  readonly hasCapacity: boolean;
  /** The append that `publish` was called with `token` for is decided: 'stored' = on disk. */
  appended(token: number, outcome: AppendOutcome): void;
  /** The release of a QoS 2 publish is on disk: PUBCOMP. */
  released(packetIdentifier: number): void;
  /** QoS 2 out of a stored session: what `storeOut` or `storeReceived` asked for is durable. */
  outStored(packetIdentifier: number): void;
  receivedStored(packetIdentifier: number): void;
  /**
   * The message of an identifier of `SessionGrant.inFlight` cannot come again (unsubscribed, gone
   * from its queue): QoS 1, or QoS 2 without an `out` entry. The identifier may be given to others.
   * Of QoS 2 the client may have the message: `receivedStored` closes that one by PUBREL instead.
   */
  freeIdentifier(packetIdentifier: number): void;
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

  /**
   * Claims the client identifier, and the session behind it, at its home; waits while there is no
   * owner (protocol 16). Deliveries may begin in the turn after a grant.
   */
  connect(client: LocalClient, onDecision: (decision: SessionGrant | Reason) => void): void;
  /**
   * The connection is over; a clean session and its identifier are given back, a stored one is put
   * away. Idempotent.
   */
  disconnect(client: LocalClient, departure: Departure): void;
  /** A delivery with this ticket is acknowledged, or was dropped by name. */
  settled(client: LocalClient, ticket: number): void;
  /** QoS 2 out, stored session: before PUBLISH, before PUBREL, after PUBCOMP (protocol 29). */
  storeOut(client: LocalClient, packetIdentifier: number, ticket: number): void;
  storeReceived(client: LocalClient, packetIdentifier: number): void;
  storeFinished(client: LocalClient, packetIdentifier: number): void;
  /** PUBREL of a client's QoS 2 publish; `released` follows when it is on disk (protocol 25). */
  releasePublish(client: LocalClient, packetIdentifier: number): void;
  /** Adds or replaces subscriptions; `onEffective` when SUBACK may be sent (protocol 21). */
  subscribe(
    client: LocalClient,
    subscriptions: readonly Subscription[],
    onEffective: () => void,
  ): void;
  /**
   * Removes; true per filter that existed. `onEffective` when UNSUBACK may be sent: a stored
   * session's home has to know.
   */
  unsubscribe(
    client: LocalClient,
    topicFilters: readonly string[],
    onEffective: () => void,
  ): boolean[];
  /**
   * Publishes a permitted, valid message. `topicKey` is the topic's bytes as latin1 (a cheap map
   * key; see connection.ts). `view` is borrowed. `token` comes back in `appended`, in the order
   * of appends of one topic, not across topics.
   */
  publish(client: LocalClient, view: PublishView, topicKey: string, token: number): PublishOutcome;
}
