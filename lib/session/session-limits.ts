/**
 * Session limits — what one connected client may ask for and have open, each with its reason.
 *
 * Compiled once per gateway from its settings and shared by all sessions; CONNACK announces them.
 */
export interface SessionLimits {
  /** QoS 1 and 2 publishes of one client that await their PUBACK or PUBCOMP. 1–65,535. */
  readonly receiveMaximum: number;
  /** Topic aliases a client may set on one connection. 0–65,535. */
  readonly topicAliasMaximum: number;
  /** Largest packet taken from a client, bytes, fixed header included. */
  readonly maximumPacketSizeBytes: number;
  /** Longest keep alive, seconds. A MQTT 5 client that asks for more, or for none, gets this. */
  readonly keepAliveSecondsMax: number;
  /** Subscriptions of one session. */
  readonly subscriptionCountMax: number;
  /** Longest life of a session without connection, seconds; that of all stored ones of 3.1.1. */
  readonly sessionExpirySecondsMax: number;
  /** QoS 1 and 2 deliveries of one session that await PUBACK or PUBCOMP. 1–65,535. */
  readonly deliveryCountMax: number;
  /** Longest client identifier, UTF-8 bytes. */
  readonly clientIdentifierBytesMax: number;
}

/**
 * Defaults. Event Grid has 1,000 for the receive maximum, 10 aliases, 512 KiB packets and 1,160 s
 * (reference: its quotas). The receive maximum is the protocol's largest: a pipeline that is full
 * stops the reading of sockets, so memory is bounded by bytes, and widespread clients that do not
 * honour a smaller value (MQTT.js 5) would be closed at every pause of the log. Sessions may live
 * for 7 days, Event Grid's for 8 hours: a device that was off over a long week-end loses nothing.
 */
export const DEFAULT_SESSION_LIMITS: SessionLimits = {
  receiveMaximum: 65_535,
  topicAliasMaximum: 10,
  maximumPacketSizeBytes: 512 * 1024,
  keepAliveSecondsMax: 1_160,
  subscriptionCountMax: 1_000,
  sessionExpirySecondsMax: 7 * 24 * 3_600,
  // A client 50 ms away can still take 20,000 messages a second.
  deliveryCountMax: 1_024,
  // Event Grid's session names end there; client identifiers travel in leases and log lines.
  clientIdentifierBytesMax: 128,
};
