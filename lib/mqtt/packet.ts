/**
 * Packets — what the decoder hands out, in MQTT's own field names.
 *
 * Shape: PUBLISH is a `PublishView` and the four acknowledgements an `AckPacket`, both reused by
 *        the decoder, so borrowed until its next call. All others are plain objects that may be
 *        kept: their strings and buffers are copies.
 * Rule:  absent MQTT 5 properties have the value that the standard gives them, so a 3.1.1 and a
 *        5.0 CONNECT look alike to whoever reads them.
 */
import type { Reason } from '#base';
import type { PublishView } from './publish-view.ts';

/** 4 = MQTT 3.1.1, 5 = MQTT 5.0. (3 = MQTT 3.1 is refused.) */
export type ProtocolVersion = 4 | 5;

export type QoS = 0 | 1 | 2;

export type UserProperty = readonly [name: string, value: string];

/** Session Expiry Interval that never ends. */
export const SESSION_NEVER_EXPIRES = 0xffffffff;

export interface Will {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly willDelayIntervalSeconds: number;
  /** -1 = none. */
  readonly messageExpiryIntervalSeconds: number;
  /**
   * The will's properties as the bytes of a PUBLISH's properties, length field first, without
   * delay and expiry: what a record stores ([MQTT-3.1.3-10] keeps their order).
   */
  readonly publishProperties: Buffer;
}

export interface ConnectPacket {
  readonly kind: 'connect';
  readonly protocolVersion: ProtocolVersion;
  /** CleanSession in 3.1.1. */
  readonly cleanStart: boolean;
  readonly keepAliveSeconds: number;
  readonly clientIdentifier: string;
  readonly userName: string | undefined;
  readonly password: Buffer | undefined;
  readonly will: Will | undefined;
  /** 3.1.1: 0 with CleanSession 1, else `SESSION_NEVER_EXPIRES`. */
  readonly sessionExpiryIntervalSeconds: number;
  readonly receiveMaximum: number;
  /** Largest packet the client takes, in bytes; 0xffffffff when it named none. */
  readonly maximumPacketSize: number;
  readonly topicAliasMaximum: number;
  readonly requestResponseInformation: boolean;
  readonly requestProblemInformation: boolean;
  readonly authenticationMethod: string | undefined;
  readonly authenticationData: Buffer | undefined;
  readonly userProperties: readonly UserProperty[];
}

/** One filter of a SUBSCRIBE. Its syntax is the reader's to check: `topicFilterFault`. */
export interface SubscriptionRequest {
  readonly topicFilter: string;
  readonly qos: QoS;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
}

export interface SubscribePacket {
  readonly kind: 'subscribe';
  readonly packetIdentifier: number;
  /** 0 = none. */
  readonly subscriptionIdentifier: number;
  /** At least one. */
  readonly subscriptions: readonly SubscriptionRequest[];
  readonly userProperties: readonly UserProperty[];
}

export interface UnsubscribePacket {
  readonly kind: 'unsubscribe';
  readonly packetIdentifier: number;
  /** At least one. */
  readonly topicFilters: readonly string[];
  readonly userProperties: readonly UserProperty[];
}

export interface PingreqPacket {
  readonly kind: 'pingreq';
}

export interface DisconnectPacket {
  readonly kind: 'disconnect';
  /** 0x00 for 3.1.1: a normal end. Any other code lets the will be published. */
  readonly reasonCode: number;
  /** -1 = absent: what CONNECT said holds. */
  readonly sessionExpiryIntervalSeconds: number;
  readonly reasonString: string | undefined;
  readonly userProperties: readonly UserProperty[];
}

export interface AuthPacket {
  readonly kind: 'auth';
  /** Whether it is the right one at this moment is for the connection to know. */
  readonly reasonCode: 0x18 | 0x19;
  readonly authenticationMethod: string;
  readonly authenticationData: Buffer | undefined;
  readonly reasonString: string | undefined;
  readonly userProperties: readonly UserProperty[];
}

export type AckKind = 'puback' | 'pubrec' | 'pubrel' | 'pubcomp';

/** One of the four acknowledgements; one object per decoder, overwritten by the next one. */
export class AckPacket {
  kind: AckKind = 'puback';
  packetIdentifier = 0;
  /** 0x00 for 3.1.1. */
  reasonCode = 0;
}

export type Packet =
  | PublishView
  | AckPacket
  | ConnectPacket
  | SubscribePacket
  | UnsubscribePacket
  | PingreqPacket
  | DisconnectPacket
  | AuthPacket;

/** Input that ends the connection. Nothing of the packet has taken effect. */
export interface DecodeFault {
  readonly kind: 'fault';
  readonly reason: Reason;
  /** Statement of the connection's MQTT version, `MQTT-x.y.z-n`, or a section's number. */
  readonly clause: string;
  /** A sentence for the log; never client data. */
  readonly detail: string;
}
