/**
 * The seams of a session: what it sends, and what it asks of the connection that owns it.
 *
 * The session decides, the connection does. Calls must not throw. They may call back into the
 * session (`end` above all): it has done its own bookkeeping before it calls.
 */
import type { Reason } from '#base';
import type { AuthPacket, ConnackProperties, ConnectPacket, PublishView } from '#mqtt';

/** One subscription as granted; the gateway's core takes it as it is. */
export interface GrantedSubscription {
  readonly topicFilter: string;
  /** Granted maximum QoS. */
  readonly qos: 0 | 1 | 2;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  /** MQTT 5 subscription identifier; 0 = none. */
  readonly subscriptionIdentifier: number;
  /** 0: send retained messages; 1: only if the subscription is new; 2: never (MQTT 5 §3.8.3.1). */
  readonly retainHandling: 0 | 1 | 2;
}

/** What all matching subscriptions of one client ask of one delivery (MQTT 5 §3.3.4). */
export interface DeliveryTerms {
  readonly retainAsPublished: boolean;
  /** Identifiers of all matching subscriptions that have one. */
  readonly subscriptionIdentifiers: readonly number[];
  /** Kept, and sent because of a new subscription: RETAIN is 1 ([MQTT-3.3.1-8]). */
  readonly retained: boolean;
}

/** A session as the core hands it to a client that was let in. */
export interface SessionGrant {
  /** CONNACK says so: there was a stored one. */
  readonly sessionPresent: boolean;
  /** It outlives the connection, or at least was stored: deliveries carry tickets. */
  readonly isStored: boolean;
  /** Subscriptions that it has already. */
  readonly subscriptions: readonly GrantedSubscription[];
  /**
   * Identifiers of deliveries that will come again under them: not to be given to others until
   * then, or until they are given free.
   */
  readonly inFlight: readonly number[];
  /** QoS 2 deliveries that the client has received: PUBREL is sent again for each. */
  readonly received: readonly number[];
}

/** How a connection ended, for its session. */
export interface Departure {
  /** As CONNECT or a DISCONNECT with a new interval said. */
  readonly sessionExpirySeconds: number;
  /** Anything but a DISCONNECT with 0x00, once CONNACK was sent (MQTT 5 §3.1.2.5). */
  readonly publishesWill: boolean;
  /**
   * Deliveries sent and not acknowledged, in order: they are sent again under their identifiers.
   * Not named: those of the grant that were not handed in again, and QoS 2 from PUBREC on.
   */
  readonly inFlight: readonly (readonly [packetIdentifier: number, ticket: number])[];
}

/** What the session sends to its client. */
export interface SessionOutput {
  /** False: the client does not take a packet of this size. */
  sendConnack(properties: ConnackProperties | undefined, sessionPresent: boolean): boolean;
  sendPuback(packetIdentifier: number, reasonCode: number): void;
  sendPubrec(packetIdentifier: number, reasonCode: number): void;
  sendPubcomp(packetIdentifier: number, reasonCode: number): void;
  sendPubrel(packetIdentifier: number, reasonCode: number): void;
  sendSuback(packetIdentifier: number, reasonCodes: readonly number[]): void;
  sendUnsuback(packetIdentifier: number, reasonCodes: readonly number[]): void;
  sendPingresp(): void;
  /** AUTH 0x00: the client has been authenticated again. */
  sendAuth(authenticationMethod: string): void;
  /** False: it would be dropped, and is counted by name as if it were. */
  takesDelivery(view: PublishView, qos: 0 | 1 | 2, terms: DeliveryTerms): boolean;
  /**
   * False: dropped by name (too large, expired); the identifier is free again. What has been
   * promised an identifier before (`isPromised`) does not expire any more ([MQTT-4.3.3-7]); DUP is
   * for what has been sent before.
   */
  sendDelivery(
    view: PublishView,
    qos: 0 | 1 | 2,
    packetIdentifier: number,
    terms: DeliveryTerms,
    isPromised: boolean,
    dup: boolean,
  ): boolean;
}

/** What the session asks of its connection besides. */
export interface SessionPort {
  /** A CONNECT that keeps the rules: find out who it is, then call `granted` or `end`. */
  authenticate(packet: ConnectPacket): void;
  /** The client wants to be asked again; then call `reauthenticated` or `end`. */
  reauthenticate(packet: AuthPacket): void;
  mayPublish(view: PublishView): boolean;
  maySubscribe(topicFilter: string): boolean;
  /** `token` is -1 with QoS 0. */
  publish(view: PublishView, token: number): void;
  /** `onEffective` when SUBACK may be sent. */
  subscribe(subscriptions: readonly GrantedSubscription[], onEffective: () => void): void;
  /** True per filter that existed. `onEffective` when UNSUBACK may be sent. */
  unsubscribe(topicFilters: readonly string[], onEffective: () => void): readonly boolean[];
  /** PUBREL of a QoS 2 publish; `released` follows. */
  releasePublish(packetIdentifier: number): void;
  /** A delivery with this ticket is acknowledged, or was dropped by name. */
  settled(ticket: number): void;
  /** QoS 2 out, stored: before PUBLISH (`outStored` follows), PUBREL (`receivedStored`), at end. */
  storeOut(packetIdentifier: number, ticket: number): void;
  storeReceived(packetIdentifier: number): void;
  storeFinished(packetIdentifier: number): void;
  /** True: hand in nothing more until false. */
  holdInput(held: boolean): void;
  /** A publish of the client was not passed on, or a subscription taken; counted by reason. */
  dropped(reason: Reason): void;
  /** The session is over: send `farewell`, if there is one, close, give everything back. */
  end(reason: Reason, farewell: Buffer | undefined, departure: Departure): void;
}
