/**
 * CONNECT rules — whether a well-formed CONNECT may be served, and on which terms.
 *
 * Stored: a session lives on for the interval that CONNECT asks for, at most for our own maximum,
 *         which MQTT 5 is told. 3.1.1 with clean session 0 names none: it gets the maximum.
 * Will:   whether its topic is permitted is known with authentication (connect-flow).
 * Spec: MQTT 5 §3.1, §3.2; 3.1.1 §3.1, §3.2.2.3.
 */
import type { Reason } from '#base';
import type { ConnackProperties, ConnectPacket, Will } from '#mqtt';
import type { SessionLimits } from './session-limits.ts';

/** Methods whose data is a JSON Web Token: Event Grid's, for any issuer and for Entra. */
const AUTHENTICATION_METHODS: ReadonlySet<string> = new Set(['CUSTOM-JWT', 'OAUTH2-JWT']);

/** What holds for a connection after CONNACK. */
export interface ConnectionTerms {
  readonly protocolVersion: 4 | 5;
  readonly clientIdentifier: string;
  /** Seconds, 0 = off. */
  readonly keepAliveSeconds: number;
  /** Deliveries of QoS 1 and 2 that may be unacknowledged. */
  readonly deliveryCountMax: number;
  readonly clientPacketBytesMax: number;
  /** CleanSession of 3.1.1. */
  readonly cleanStart: boolean;
  readonly askedSessionExpirySeconds: number;
  /** What it gets; 0 = the session ends with the connection. */
  readonly sessionExpirySeconds: number;
  readonly will: Will | undefined;
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
  const askedSessionExpirySeconds = packet.sessionExpiryIntervalSeconds;
  const sessionExpirySeconds = Math.min(askedSessionExpirySeconds, limits.sessionExpirySecondsMax);
  return {
    ok: true,
    terms: {
      protocolVersion: packet.protocolVersion,
      clientIdentifier: assigned ?? packet.clientIdentifier,
      keepAliveSeconds,
      deliveryCountMax: Math.min(packet.receiveMaximum, limits.deliveryCountMax),
      clientPacketBytesMax: packet.maximumPacketSize,
      cleanStart: packet.cleanStart,
      askedSessionExpirySeconds,
      sessionExpirySeconds,
      will: packet.will,
      authenticationMethod: packet.authenticationMethod,
      connack:
        packet.protocolVersion === 5
          ? announce(packet, limits, assigned, keepAliveSeconds, sessionExpirySeconds)
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
  return undefined;
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
  sessionExpirySeconds: number,
): ConnackProperties {
  const isLimited = sessionExpirySeconds !== packet.sessionExpiryIntervalSeconds;
  return {
    ...(isLimited && { sessionExpiryInterval: sessionExpirySeconds }),
    receiveMaximum: limits.receiveMaximum,
    maximumPacketSize: limits.maximumPacketSizeBytes,
    ...(packet.authenticationMethod !== undefined && {
      authenticationMethod: packet.authenticationMethod,
    }),
    ...(assigned !== undefined && { assignedClientIdentifier: assigned }),
    topicAliasMaximum: limits.topicAliasMaximum,
    sharedSubscriptionAvailable: true,
    ...(keepAliveSeconds !== packet.keepAliveSeconds && { serverKeepAlive: keepAliveSeconds }),
  };
}
