/**
 * Reasons — the one closed list of why a client is refused or closed and why a message is dropped.
 *
 * Every row has a metric label (the key), an MQTT 5 reason code and, for refused CONNECTs, the
 * MQTT 3.1.1 return code (0 = none: the connection just closes). `docs/reasons.md` is tested
 * against this table in both directions. Nothing is refused, closed or dropped without a row.
 */
export const REASONS = {
  // refuse: the answer to a CONNECT, PUBLISH or SUBSCRIBE
  unsupported_protocol: { kind: 'refuse', code: 0x84, connack: 0x01 },
  client_identifier_invalid: { kind: 'refuse', code: 0x85, connack: 0x02 },
  client_unknown: { kind: 'refuse', code: 0x87, connack: 0x05 },
  client_disabled: { kind: 'refuse', code: 0x87, connack: 0x05 },
  certificate_missing: { kind: 'refuse', code: 0x87, connack: 0x05 },
  certificate_untrusted: { kind: 'refuse', code: 0x87, connack: 0x05 },
  certificate_expired: { kind: 'refuse', code: 0x87, connack: 0x05 },
  certificate_name_mismatch: { kind: 'refuse', code: 0x87, connack: 0x05 },
  certificate_thumbprint_mismatch: { kind: 'refuse', code: 0x87, connack: 0x05 },
  certificate_revoked: { kind: 'refuse', code: 0x87, connack: 0x05 },
  token_invalid: { kind: 'refuse', code: 0x87, connack: 0x05 },
  token_untrusted: { kind: 'refuse', code: 0x87, connack: 0x05 },
  token_expired: { kind: 'refuse', code: 0x87, connack: 0x05 },
  session_name_owned: { kind: 'refuse', code: 0x87, connack: 0x05 },
  authentication_method: { kind: 'refuse', code: 0x8c, connack: 0x05 },
  server_unavailable: { kind: 'refuse', code: 0x88, connack: 0x03 },
  server_busy: { kind: 'refuse', code: 0x89, connack: 0x03 },
  will_not_authorized: { kind: 'refuse', code: 0x87, connack: 0x05 },
  publish_not_authorized: { kind: 'refuse', code: 0x87, connack: 0 },
  subscribe_not_authorized: { kind: 'refuse', code: 0x87, connack: 0 },
  topic_filter_invalid: { kind: 'refuse', code: 0x8f, connack: 0 },
  topic_name_invalid: { kind: 'refuse', code: 0x90, connack: 0 },
  subscription_quota: { kind: 'refuse', code: 0x97, connack: 0 },
  log_full: { kind: 'refuse', code: 0x97, connack: 0 },
  // close: why an established connection ends
  client_disconnected: { kind: 'close', code: 0x00, connack: 0 },
  connection_lost: { kind: 'close', code: 0x00, connack: 0 },
  connect_timeout: { kind: 'close', code: 0x00, connack: 0 },
  tls_handshake_failed: { kind: 'close', code: 0x00, connack: 0 },
  listener_full: { kind: 'close', code: 0x00, connack: 0 },
  source_not_allowed: { kind: 'close', code: 0x00, connack: 0 },
  proxy_untrusted: { kind: 'close', code: 0x00, connack: 0 },
  proxy_header_invalid: { kind: 'close', code: 0x00, connack: 0 },
  websocket_handshake_invalid: { kind: 'close', code: 0x00, connack: 0 },
  websocket_origin_refused: { kind: 'close', code: 0x00, connack: 0 },
  websocket_text_frame: { kind: 'close', code: 0x00, connack: 0 },
  websocket_protocol_error: { kind: 'close', code: 0x00, connack: 0 },
  websocket_message_too_large: { kind: 'close', code: 0x00, connack: 0 },
  internal_error: { kind: 'close', code: 0x80, connack: 0x03 },
  malformed_packet: { kind: 'close', code: 0x81, connack: 0 },
  protocol_error: { kind: 'close', code: 0x82, connack: 0 },
  packet_too_large: { kind: 'close', code: 0x95, connack: 0 },
  receive_maximum_exceeded: { kind: 'close', code: 0x93, connack: 0 },
  topic_alias_invalid: { kind: 'close', code: 0x94, connack: 0 },
  qos_unsupported: { kind: 'close', code: 0x9b, connack: 0 },
  retain_unsupported: { kind: 'close', code: 0x9a, connack: 0 },
  keep_alive_timeout: { kind: 'close', code: 0x8d, connack: 0 },
  session_taken_over: { kind: 'close', code: 0x8e, connack: 0 },
  authorization_revoked: { kind: 'close', code: 0x87, connack: 0 },
  credentials_expired: { kind: 'close', code: 0xa0, connack: 0 },
  administrative_action: { kind: 'close', code: 0x98, connack: 0 },
  slow_consumer: { kind: 'close', code: 0x97, connack: 0 },
  server_shutting_down: { kind: 'close', code: 0x8b, connack: 0 },
  gateway_lease_lost: { kind: 'close', code: 0x88, connack: 0 },
  // drop: why one message did not reach one receiver (or anybody)
  qos0_slow_consumer: { kind: 'drop', code: 0, connack: 0 },
  qos0_bus_unreachable: { kind: 'drop', code: 0, connack: 0 },
  message_expired: { kind: 'drop', code: 0, connack: 0 },
  retained_quota: { kind: 'drop', code: 0, connack: 0 },
  queue_full: { kind: 'drop', code: 0, connack: 0 },
  message_exceeds_client_maximum: { kind: 'drop', code: 0, connack: 0 },
  message_exceeds_bus_maximum: { kind: 'drop', code: 0, connack: 0 },
  qos0_not_authorized: { kind: 'drop', code: 0, connack: 0 },
  subscription_revoked: { kind: 'drop', code: 0, connack: 0 },
  event_attempts_exhausted: { kind: 'drop', code: 0, connack: 0 },
  event_refused: { kind: 'drop', code: 0, connack: 0 },
  event_subscription_deleted: { kind: 'drop', code: 0, connack: 0 },
  event_queue_full: { kind: 'drop', code: 0, connack: 0 },
  event_unreadable: { kind: 'drop', code: 0, connack: 0 },
} as const satisfies Record<
  string,
  { kind: 'refuse' | 'close' | 'drop'; code: number; connack: number }
>;

export type Reason = keyof typeof REASONS;
