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
  /** Identifiers of deliveries that will come again under them: not to be given to others. */
  readonly inFlight: readonly number[];
  /** QoS 2 deliveries that the client has received: PUBREL is sent again for each. */
  readonly received: readonly number[];
}

/** How a connection ended, for its session. */
export interface Departure {
  /** As CONNECT or a DISCONNECT with a new interval said. */
  readonly sessionExpirySeconds: number;
  /** Anything but a DISCONNECT with 0x00 (MQTT 5 §3.1.2.5). */
  readonly publishesWill: boolean;
  /** Deliveries sent and not acknowledged: they are sent again under their identifiers. */
  readonly inFlight: readonly (readonly [packetIdentifier: number, ticket: number])[];
}

/** What the session sends to its client. */
export interface SessionOutput {
  /** False: the client does not take a packet of this size. */
  sendConnack(properties: ConnackProperties | undefined): boolean;
  sendPuback(packetIdentifier: number, reasonCode: number): void;
  sendPubcomp(packetIdentifier: number, reasonCode: number): void;
  sendPubrel(packetIdentifier: number, reasonCode: number): void;
  sendSuback(packetIdentifier: number, reasonCodes: readonly number[]): void;
  sendUnsuback(packetIdentifier: number, reasonCodes: readonly number[]): void;
  sendPingresp(): void;
  /** AUTH 0x00: the client has been authenticated again. */
  sendAuth(authenticationMethod: string): void;
  /** False: dropped by name (too large, expired); the identifier is free again. */
  sendDelivery(
    view: PublishView,
    qos: 0 | 1,
    packetIdentifier: number,
    terms: DeliveryTerms,
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
  /** True per filter that existed. */
  unsubscribe(topicFilters: readonly string[]): readonly boolean[];
  /** True: hand in nothing more until false. */
  holdInput(held: boolean): void;
  /** One publish of the client was not passed on; counted by reason. */
  dropped(reason: Reason): void;
  /** The session is over: send `farewell`, if there is one, close, give everything back. */
  end(reason: Reason, farewell: Buffer | undefined): void;
}
