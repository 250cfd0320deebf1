/**
 * CONNACK — the answer to CONNECT in both versions.
 *
 * Session Present goes out with success only ([MQTT-3.2.2-6]; 3.1.1 [MQTT-3.2.2-4]). Reason
 * string and user properties give way to the client's Maximum Packet Size ([MQTT-3.2.2-19], -20).
 */
import { answerProperties, withinMaximum, type AnswerProperties } from './ack-encoder.ts';
import type { ProtocolVersion } from './packet.ts';
import {
  ASSIGNED_CLIENT_IDENTIFIER,
  AUTHENTICATION_DATA,
  AUTHENTICATION_METHOD,
  MAXIMUM_PACKET_SIZE,
  MAXIMUM_QOS,
  RECEIVE_MAXIMUM,
  RESPONSE_INFORMATION,
  RETAIN_AVAILABLE,
  SERVER_KEEP_ALIVE,
  SERVER_REFERENCE,
  SESSION_EXPIRY_INTERVAL,
  SHARED_SUBSCRIPTION_AVAILABLE,
  SUBSCRIPTION_IDENTIFIER_AVAILABLE,
  TOPIC_ALIAS_MAXIMUM,
  WILDCARD_SUBSCRIPTION_AVAILABLE,
} from './property-table.ts';
import { packetOf } from './property-writer.ts';

const CONNACK = 0x20;

/** MQTT's names; what is absent has the standard's default at the client. */
export interface ConnackProperties extends AnswerProperties {
  readonly sessionExpiryInterval?: number;
  readonly receiveMaximum?: number;
  readonly maximumQoS?: 0 | 1;
  readonly retainAvailable?: boolean;
  readonly maximumPacketSize?: number;
  readonly assignedClientIdentifier?: string;
  readonly topicAliasMaximum?: number;
  readonly wildcardSubscriptionAvailable?: boolean;
  readonly subscriptionIdentifiersAvailable?: boolean;
  readonly sharedSubscriptionAvailable?: boolean;
  readonly serverKeepAlive?: number;
  readonly responseInformation?: string;
  readonly serverReference?: string;
  readonly authenticationMethod?: string;
  readonly authenticationData?: Buffer;
}

/**
 * `code` is of `version`'s own table (REASONS: `connack` for 3.1.1, `code` for 5.0). A result
 * longer than `packetBytesMax` must not be sent.
 */
export function encodeConnack(
  version: ProtocolVersion,
  code: number,
  sessionPresent: boolean,
  properties: ConnackProperties = {},
  packetBytesMax = Infinity,
): Buffer {
  const head = Buffer.from([sessionPresent && code === 0 ? 1 : 0, code]);
  if (version === 4) return packetOf(CONNACK, head);
  return withinMaximum(packetBytesMax, properties, (kept) =>
    packetOf(CONNACK, head, connackProperties(kept)),
  );
}

function connackProperties(p: ConnackProperties): Buffer {
  return answerProperties(p)
    .u32(SESSION_EXPIRY_INTERVAL, p.sessionExpiryInterval)
    .u16(RECEIVE_MAXIMUM, p.receiveMaximum)
    .byte(MAXIMUM_QOS, p.maximumQoS)
    .byte(RETAIN_AVAILABLE, p.retainAvailable)
    .u32(MAXIMUM_PACKET_SIZE, p.maximumPacketSize)
    .text(ASSIGNED_CLIENT_IDENTIFIER, p.assignedClientIdentifier)
    .u16(TOPIC_ALIAS_MAXIMUM, p.topicAliasMaximum)
    .byte(WILDCARD_SUBSCRIPTION_AVAILABLE, p.wildcardSubscriptionAvailable)
    .byte(SUBSCRIPTION_IDENTIFIER_AVAILABLE, p.subscriptionIdentifiersAvailable)
    .byte(SHARED_SUBSCRIPTION_AVAILABLE, p.sharedSubscriptionAvailable)
    .u16(SERVER_KEEP_ALIVE, p.serverKeepAlive)
    .text(RESPONSE_INFORMATION, p.responseInformation)
    .text(SERVER_REFERENCE, p.serverReference)
    .text(AUTHENTICATION_METHOD, p.authenticationMethod)
    .binary(AUTHENTICATION_DATA, p.authenticationData)
    .bytes();
}
