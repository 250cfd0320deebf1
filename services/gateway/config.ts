/**
 * Settings of a gateway; see lib/runtime/config.ts for how they are read.
 */
import { COMMON_SETTINGS } from '#runtime';
import type { Config, SettingTable } from '#runtime';
import { DEFAULT_SESSION_LIMITS } from '#session';
import type { SessionLimits } from '#session';
import { LISTENER_SETTINGS } from './listener-settings.ts';

/** Without those that every process has. */
export const GATEWAY_OWN_SETTINGS = [
  ...LISTENER_SETTINGS,
  {
    name: 'connectionCountMax',
    env: 'WEIR_CONNECTIONS_MAX',
    unit: 'connections',
    type: 'integer',
    range: [1, 1_000_000],
    default: 20_000,
    reason: 'Open client connections; plan 100 KiB of memory for each over TLS.',
  },
  {
    name: 'receiveMaximum',
    env: 'WEIR_RECEIVE_MAXIMUM',
    unit: 'messages',
    type: 'integer',
    range: [1, 65_535],
    default: DEFAULT_SESSION_LIMITS.receiveMaximum,
    reason: 'QoS 1 and 2 publishes of one client that may be open; CONNACK announces it.',
  },
  {
    name: 'maximumPacketSizeBytes',
    env: 'WEIR_MAXIMUM_PACKET_SIZE',
    unit: 'bytes',
    type: 'integer',
    range: [1_024, 268_435_460],
    default: DEFAULT_SESSION_LIMITS.maximumPacketSizeBytes,
    reason: 'Largest packet taken from a client; 8 KiB below the max_payload of NATS caps it.',
  },
  {
    name: 'topicAliasMaximum',
    env: 'WEIR_TOPIC_ALIAS_MAXIMUM',
    unit: 'aliases',
    type: 'integer',
    range: [0, 1_000],
    default: DEFAULT_SESSION_LIMITS.topicAliasMaximum,
    reason: 'Topic aliases a client may set; each keeps a topic in memory.',
  },
  {
    name: 'keepAliveSecondsMax',
    env: 'WEIR_KEEP_ALIVE_MAX',
    unit: 'seconds',
    type: 'integer',
    range: [10, 65_535],
    default: DEFAULT_SESSION_LIMITS.keepAliveSecondsMax,
    reason: 'Longest keep alive of MQTT 5 clients; those that ask for more, or none, get this.',
  },
  {
    name: 'sessionExpirySecondsMax',
    env: 'WEIR_SESSION_EXPIRY_MAX',
    unit: 'seconds',
    type: 'integer',
    range: [60, 31_536_000],
    default: DEFAULT_SESSION_LIMITS.sessionExpirySecondsMax,
    reason:
      'Longest life of a session without connection; of 3.1.1 without clean session, its life.',
  },
  {
    name: 'subscriptionCountMax',
    env: 'WEIR_SUBSCRIPTIONS_PER_SESSION',
    unit: 'subscriptions',
    type: 'integer',
    range: [1, 100_000],
    default: DEFAULT_SESSION_LIMITS.subscriptionCountMax,
    reason: 'Subscriptions of one session; more are refused with 0x97.',
  },
  {
    name: 'deliveryCountMax',
    env: 'WEIR_DELIVERIES_IN_FLIGHT',
    unit: 'messages',
    type: 'integer',
    range: [1, 65_535],
    default: DEFAULT_SESSION_LIMITS.deliveryCountMax,
    reason: 'QoS 1 and 2 deliveries to one client that may be open, at most what it asks.',
  },
  {
    name: 'outboundBytesMax',
    env: 'WEIR_OUTBOUND_BYTES_MAX',
    unit: 'bytes',
    type: 'integer',
    range: [65_536, 1_073_741_824],
    default: 8 * 1024 * 1024,
    reason: 'Bytes that wait for one slow client; then QoS 0 is dropped, QoS 1 and 2 close it.',
  },
] as const satisfies SettingTable;

export const GATEWAY_SETTINGS = [...COMMON_SETTINGS, ...GATEWAY_OWN_SETTINGS] as const;

export type GatewayConfig = Config<typeof GATEWAY_SETTINGS>;

/** A packet must fit a record that is one NATS message, with room for headers (protocol 1). */
const PACKET_BELOW_PAYLOAD_BYTES = 8 * 1024;

export function sessionLimitsOf(config: GatewayConfig, payloadBytesMax: number): SessionLimits {
  return {
    receiveMaximum: config.receiveMaximum,
    topicAliasMaximum: config.topicAliasMaximum,
    maximumPacketSizeBytes: Math.min(
      config.maximumPacketSizeBytes,
      payloadBytesMax - PACKET_BELOW_PAYLOAD_BYTES,
    ),
    keepAliveSecondsMax: config.keepAliveSecondsMax,
    sessionExpirySecondsMax: config.sessionExpirySecondsMax,
    subscriptionCountMax: config.subscriptionCountMax,
    deliveryCountMax: config.deliveryCountMax,
    clientIdentifierBytesMax: DEFAULT_SESSION_LIMITS.clientIdentifierBytesMax,
  };
}
