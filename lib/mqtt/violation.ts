/**
 * Violations — the closed list of what a client's bytes can do wrong, with the statement they
 * break.
 *
 * Each row: the reason (metric and reason code), the statement in MQTT 3.1.1 and in 5.0, a
 * sentence. Where a version has no numbered statement, the catch-all ones stand: MQTT-4.8.0-1
 * (3.1.1) and MQTT-4.13.1-1 (5.0), or in CONNECT MQTT-3.1.4-1. The conformance tests name these
 * statements.
 */
import type { Reason } from '#base';
import type { DecodeFault } from './packet.ts';

interface Row {
  readonly reason: Reason;
  readonly v4: string;
  readonly v5: string;
  readonly says: string;
}

const ANY4 = 'MQTT-4.8.0-1';
const ANY5 = 'MQTT-4.13.1-1';

function row(reason: Reason, v4: string, v5: string, says: string): Row {
  return { reason, v4, v5, says };
}
function malformed(v4: string, v5: string, says: string): Row {
  return row('malformed_packet', v4, v5, says);
}
function notAllowed(v4: string, v5: string, says: string): Row {
  return row('protocol_error', v4, v5, says);
}
/** The same number in both versions. */
function both(reason: Reason, clause: string, says: string): Row {
  return row(reason, clause, clause, says);
}

const FRAMING = {
  first_packet_not_connect: both('protocol_error', 'MQTT-3.1.0-1', 'first packet is not CONNECT'),
  second_connect: both('protocol_error', 'MQTT-3.1.0-2', 'a second CONNECT'),
  packet_type_reserved: malformed(ANY4, ANY5, 'packet type is reserved'),
  server_packet: notAllowed(ANY4, ANY5, 'only a server sends this packet'),
  flags: malformed('MQTT-2.2.2-2', 'MQTT-2.1.3-1', 'flags of the fixed header are wrong'),
  flags_pubrel: both('malformed_packet', 'MQTT-3.6.1-1', 'flags are not 2'),
  flags_subscribe: both('malformed_packet', 'MQTT-3.8.1-1', 'flags are not 2'),
  flags_unsubscribe: both('malformed_packet', 'MQTT-3.10.1-1', 'flags are not 2'),
  flags_disconnect: both('malformed_packet', 'MQTT-3.14.1-1', 'flags are not 0'),
  flags_auth: both('malformed_packet', 'MQTT-3.15.1-1', 'flags are not 0'),
  length_malformed: malformed(ANY4, 'MQTT-1.5.5-1', 'remaining length has over 4 bytes'),
  length_padded: malformed(ANY4, 'MQTT-1.5.5-1', 'remaining length is not in its shortest form'),
  packet_too_large: row('packet_too_large', ANY4, 'MQTT-3.2.2-15', 'packet is over the limit'),
  cut: malformed(ANY4, ANY5, 'a field reaches beyond the packet'),
  left_over: malformed(ANY4, ANY5, 'bytes follow the last field'),
  utf8: malformed('MQTT-1.5.3-1', 'MQTT-1.5.4-1', 'a string is not well-formed UTF-8'),
  utf8_zero: malformed('MQTT-1.5.3-2', 'MQTT-1.5.4-2', 'a string holds U+0000'),
  identifier_zero: notAllowed('MQTT-2.3.1-1', 'MQTT-2.2.1-3', 'packet identifier is 0'),
} as const;

const CONNECT = {
  connect_cut: both('malformed_packet', 'MQTT-3.1.4-1', 'a field reaches beyond the packet'),
  connect_left_over: both('malformed_packet', 'MQTT-3.1.4-1', 'bytes follow the last field'),
  protocol_name: both('unsupported_protocol', 'MQTT-3.1.2-1', 'protocol name is not MQTT'),
  protocol_level: both('unsupported_protocol', 'MQTT-3.1.2-2', 'protocol level is not served'),
  connect_flag_reserved: both('malformed_packet', 'MQTT-3.1.2-3', 'reserved connect flag is set'),
  will_qos_alone: malformed('MQTT-3.1.2-13', 'MQTT-3.1.2-11', 'will QoS without a will'),
  will_qos_3: malformed('MQTT-3.1.2-14', 'MQTT-3.1.2-12', 'will QoS is 3'),
  will_retain_alone: malformed('MQTT-3.1.2-15', 'MQTT-3.1.2-13', 'will retain without a will'),
  will_missing: both('malformed_packet', 'MQTT-3.1.2-9', 'a part of the will is missing'),
  user_name_missing: malformed('MQTT-3.1.2-19', 'MQTT-3.1.2-17', 'user name is missing'),
  user_name_extra: malformed('MQTT-3.1.2-18', 'MQTT-3.1.2-16', 'bytes follow, no user name flag'),
  password_missing: malformed('MQTT-3.1.2-21', 'MQTT-3.1.2-19', 'password is missing'),
  password_extra: malformed('MQTT-3.1.2-20', 'MQTT-3.1.2-18', 'bytes follow, no password flag'),
  password_alone: malformed('MQTT-3.1.2-22', ANY5, 'password without user name'),
  client_identifier_missing: both('malformed_packet', 'MQTT-3.1.3-3', 'no client identifier'),
  client_identifier_utf8: both('malformed_packet', 'MQTT-3.1.3-4', 'client id is not UTF-8'),
  client_identifier_empty: both(
    'client_identifier_invalid',
    'MQTT-3.1.3-8',
    'empty client identifier with CleanSession 0',
  ),
  will_topic_utf8: malformed('MQTT-3.1.3-10', 'MQTT-3.1.3-11', 'will topic is not UTF-8'),
  will_topic_empty: both('topic_name_invalid', 'MQTT-4.7.3-1', 'will topic is empty'),
  will_topic_wildcard: row(
    'topic_name_invalid',
    'MQTT-4.7.1-1',
    'MQTT-4.7.0-1',
    'will topic holds a wildcard',
  ),
  user_name_utf8: malformed('MQTT-3.1.3-11', 'MQTT-3.1.3-12', 'user name is not UTF-8'),
} as const;

const PUBLISH = {
  publish_qos_3: both('malformed_packet', 'MQTT-3.3.1-4', 'QoS is 3'),
  publish_dup_qos_0: both('protocol_error', 'MQTT-3.3.1-2', 'DUP with QoS 0'),
  publish_qos_unsupported: row('qos_unsupported', ANY4, 'MQTT-3.2.2-11', 'QoS is not served'),
  publish_retain_unsupported: row('retain_unsupported', ANY4, 'MQTT-3.2.2-14', 'no RETAIN here'),
  topic_utf8: both('malformed_packet', 'MQTT-3.3.2-1', 'topic is not well-formed UTF-8'),
  topic_zero: both('malformed_packet', 'MQTT-4.7.3-2', 'topic holds U+0000'),
  topic_wildcard: both('topic_name_invalid', 'MQTT-3.3.2-2', 'topic holds a wildcard'),
  topic_empty: both('protocol_error', 'MQTT-4.7.3-1', 'topic is empty, without an alias'),
  alias_zero: row('topic_alias_invalid', ANY4, 'MQTT-3.3.2-8', 'topic alias is 0'),
  alias_too_high: row('topic_alias_invalid', ANY4, 'MQTT-3.3.2-9', 'topic alias is too high'),
  alias_unknown: notAllowed(ANY4, 'MQTT-3.3.2-7', 'topic alias was never set'),
  response_topic: notAllowed(ANY4, 'MQTT-3.3.2-14', 'response topic is empty or a wildcard'),
  response_topic_utf8: malformed(ANY4, 'MQTT-3.3.2-13', 'response topic is not UTF-8'),
  content_type_utf8: malformed(ANY4, 'MQTT-3.3.2-19', 'content type is not UTF-8'),
  publish_subscription_identifier: notAllowed(
    ANY4,
    'MQTT-3.3.4-6',
    'subscription identifier from a client',
  ),
  ack_identifier_zero: notAllowed('MQTT-2.3.1-6', 'MQTT-2.2.1-5', 'packet identifier is 0'),
  puback_code: notAllowed(ANY4, 'MQTT-3.4.2-1', 'reason code is not for this packet'),
  pubrec_code: notAllowed(ANY4, 'MQTT-3.5.2-1', 'reason code is not for this packet'),
  pubrel_code: notAllowed(ANY4, 'MQTT-3.6.2-1', 'reason code is not for this packet'),
  pubcomp_code: notAllowed(ANY4, 'MQTT-3.7.2-1', 'reason code is not for this packet'),
} as const;

const REQUEST = {
  subscribe_utf8: both('malformed_packet', 'MQTT-3.8.3-1', 'a filter is not well-formed UTF-8'),
  subscribe_empty: notAllowed('MQTT-3.8.3-3', 'MQTT-3.8.3-2', 'no filter'),
  subscribe_options: malformed('MQTT-3.8.3-4', 'MQTT-3.8.3-5', 'reserved option bits are set'),
  subscribe_qos_3: notAllowed('MQTT-3.8.3-4', ANY5, 'requested QoS is 3'),
  subscribe_retain_handling_3: notAllowed('MQTT-3.8.3-4', ANY5, 'retain handling is 3'),
  subscribe_no_local_shared: notAllowed(ANY4, 'MQTT-3.8.3-4', 'no local on a shared filter'),
  subscribe_identifier_zero: notAllowed(ANY4, ANY5, 'subscription identifier is 0'),
  filter_empty: both('protocol_error', 'MQTT-4.7.3-1', 'a filter is empty'),
  filter_zero: both('malformed_packet', 'MQTT-4.7.3-2', 'a filter holds U+0000'),
  unsubscribe_utf8: both('malformed_packet', 'MQTT-3.10.3-1', 'a filter is not UTF-8'),
  unsubscribe_empty: both('protocol_error', 'MQTT-3.10.3-2', 'no filter'),
  disconnect_code: notAllowed(ANY4, 'MQTT-3.14.2-1', 'reason code is not for a client'),
  disconnect_expiry: notAllowed(ANY4, ANY5, 'session expiry interval raised from 0'),
  auth_without_method: notAllowed(ANY4, 'MQTT-4.12.0-7', 'CONNECT named no method'),
  auth_method_missing: notAllowed(ANY4, 'MQTT-4.12.0-5', 'authentication method is missing'),
  auth_method_changed: notAllowed(ANY4, 'MQTT-4.12.0-5', 'authentication method has changed'),
  auth_code: notAllowed(ANY4, 'MQTT-3.15.2-1', 'reason code is not for a client'),
} as const;

const PROPERTY = {
  property_length: malformed(ANY4, ANY5, 'property length does not fit'),
  property_varint: malformed(ANY4, 'MQTT-1.5.5-1', 'an integer is padded or over 4 bytes'),
  property_unknown: malformed(ANY4, ANY5, 'property is not one of this packet'),
  property_twice: notAllowed(ANY4, ANY5, 'property stands twice'),
  property_value: notAllowed(ANY4, ANY5, 'property has a value that is not allowed'),
  property_from_client: notAllowed(ANY4, ANY5, 'only a server sends this property'),
  user_property_utf8: malformed(ANY4, 'MQTT-1.5.7-1', 'user property is not UTF-8'),
  authentication_data_alone: notAllowed(ANY4, ANY5, 'authentication data without a method'),
} as const;

export const VIOLATIONS = {
  ...FRAMING,
  ...CONNECT,
  ...PUBLISH,
  ...REQUEST,
  ...PROPERTY,
} satisfies Record<string, Row>;

export type Violation = keyof typeof VIOLATIONS;

/** By packet type; 0 and 15 in 3.1.1 are reserved. */
const PACKET_NAMES = [
  'type 0',
  'CONNECT',
  'CONNACK',
  'PUBLISH',
  'PUBACK',
  'PUBREC',
  'PUBREL',
  'PUBCOMP',
  'SUBSCRIBE',
  'SUBACK',
  'UNSUBSCRIBE',
  'UNSUBACK',
  'PINGREQ',
  'PINGRESP',
  'DISCONNECT',
  'AUTH',
] as const;

/** The fault that the decoder hands out; `version` 0 (none known yet) counts as 5. */
export function decodeFault(
  violation: Violation,
  version: 0 | 4 | 5,
  packetType: number,
): DecodeFault {
  const found: Row = VIOLATIONS[violation];
  const name = PACKET_NAMES[packetType] ?? 'packet';
  return {
    kind: 'fault',
    reason: found.reason,
    clause: version === 4 ? found.v4 : found.v5,
    detail: `${name}: ${found.says}`,
  };
}
