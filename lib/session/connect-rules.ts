/**
 * CONNECT rules — whether a well-formed CONNECT may be served, and on which terms.
 *
 * Refused is what later issues bring (wills, stored sessions, more authentication methods): by
 * name, so that nobody believes to have what is not kept. MQTT 5 says Session Expiry Interval 0
 * back; 3.1.1 has no way to say so and is refused.
 * Spec: MQTT 5 §3.1, §3.2; 3.1.1 §3.1, §3.2.2.3.
 */
import type { Reason } from '#base';
import type { ConnackProperties, ConnectPacket } from '#mqtt';
import type { SessionLimits } from './session-limits.ts';

/** Methods whose data is a JSON Web Token: Event Grid's, for any issuer and for Entra. */
const AUTHENTICATION_METHODS: ReadonlySet<string> = new Set(['CUSTOM-JWT', 'OAUTH2-JWT']);

/** What holds for a connection after CONNACK. */
export interface ConnectionTerms {
  readonly protocolVersion: 4 | 5;
  readonly clientIdentifier: string;
  /** Seconds, 0 = off. */
  readonly keepAliveSeconds: number;
  /** Deliveries of QoS 1 that may await their PUBACK. */
  readonly deliveryCountMax: number;
  readonly clientPacketBytesMax: number;
  /** As the client asked; granted is 0. */
  readonly askedSessionExpirySeconds: number;
  /** Of CONNECT; the only one that AUTH may name [MQTT-4.12.1-1]. Undefined: none. */
  readonly authenticationMethod: string | undefined;
  /** Undefined for 3.1.1. */
  readonly connack: ConnackProperties | undefined;
}

export type ConnectVerdict =
  | { readonly ok: true; readonly terms: ConnectionTerms }
  | { readonly ok: false; readonly reason: Reason };

/** `assignIdentifier` makes an identifier that nobody else uses. */
export function judgeConnect(
  packet: ConnectPacket,
  limits: SessionLimits,
  assignIdentifier: () => string,
): ConnectVerdict {
  const reason = refusal(packet, limits);
  if (reason !== undefined) return { ok: false, reason };
  const assigned = packet.clientIdentifier === '' ? assignIdentifier() : undefined;
  const keepAliveSeconds = keepAliveOf(packet, limits);
  return {
    ok: true,
    terms: {
      protocolVersion: packet.protocolVersion,
      clientIdentifier: assigned ?? packet.clientIdentifier,
      keepAliveSeconds,
      deliveryCountMax: Math.min(packet.receiveMaximum, limits.deliveryCountMax),
      clientPacketBytesMax: packet.maximumPacketSize,
      askedSessionExpirySeconds: packet.sessionExpiryIntervalSeconds,
      authenticationMethod: packet.authenticationMethod,
      connack:
        packet.protocolVersion === 5
          ? announce(packet, limits, assigned, keepAliveSeconds)
          : undefined,
    },
  };
}

function refusal(packet: ConnectPacket, limits: SessionLimits): Reason | undefined {
  const { authenticationMethod: method } = packet;
  if (method !== undefined && !AUTHENTICATION_METHODS.has(method)) return 'authentication_method';
  const isV4Stored = packet.protocolVersion === 4 && !packet.cleanStart;
  // [MQTT-3.1.3-8] of 3.1.1: no identifier and no clean session is the identifier's fault.
  if (packet.clientIdentifier === '' && isV4Stored) return 'client_identifier_invalid';
  if (isIdentifierUnfit(packet.clientIdentifier, limits.clientIdentifierBytesMax)) {
    return 'client_identifier_invalid';
  }
  if (packet.will !== undefined) return 'will_unsupported';
  return isV4Stored ? 'stored_session_unsupported' : undefined;
}

/** Control characters would end up in log lines and subjects. */
function isIdentifierUnfit(identifier: string, bytesMax: number): boolean {
  if (Buffer.byteLength(identifier) > bytesMax) return true;
  for (let i = 0; i < identifier.length; i++) {
    const code = identifier.charCodeAt(i);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return true;
  }
  return false;
}

/** MQTT 5 can be told another value; 3.1.1 keeps what it asked for. */
function keepAliveOf(packet: ConnectPacket, limits: SessionLimits): number {
  const asked = packet.keepAliveSeconds;
  if (packet.protocolVersion === 4) return asked;
  return asked === 0 ? limits.keepAliveSecondsMax : Math.min(asked, limits.keepAliveSecondsMax);
}

function announce(
  packet: ConnectPacket,
  limits: SessionLimits,
  assigned: string | undefined,
  keepAliveSeconds: number,
): ConnackProperties {
  return {
    ...(packet.sessionExpiryIntervalSeconds > 0 && { sessionExpiryInterval: 0 }),
    receiveMaximum: limits.receiveMaximum,
    maximumQoS: 1,
    maximumPacketSize: limits.maximumPacketSizeBytes,
    ...(packet.authenticationMethod !== undefined && {
      authenticationMethod: packet.authenticationMethod,
    }),
    ...(assigned !== undefined && { assignedClientIdentifier: assigned }),
    topicAliasMaximum: limits.topicAliasMaximum,
    sharedSubscriptionAvailable: false,
    ...(keepAliveSeconds !== packet.keepAliveSeconds && { serverKeepAlive: keepAliveSeconds }),
  };
}
