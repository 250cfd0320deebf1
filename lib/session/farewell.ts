/**
 * Farewell — what a client is told before its connection closes, if MQTT has a packet for it.
 *
 * Before CONNACK: a CONNACK with the code, for who understands it. After: DISCONNECT in MQTT 5,
 * nothing in 3.1.1. A code that its packet may not carry is replaced by the nearest that it may.
 * Spec: MQTT 5 §3.2.2.2, §3.14.2.1, [MQTT-3.1.0-1], [MQTT-3.14.0-1]; 3.1.1 [MQTT-3.2.2-6].
 */
import { REASONS } from '#base';
import type { Reason } from '#base';
import { encodeConnack, encodeDisconnect } from '#mqtt';

const CONNACK_CODES = new Set([
  0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99,
  0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
]);
const SERVER_UNAVAILABLE = 0x88;
const SERVER_SHUTTING_DOWN = 0x8b;

/** Before CONNACK. `version` 0: nothing is known of the client. Undefined: close silently. */
export function connectFarewell(
  reason: Reason,
  version: 0 | 4 | 5,
  packetBytesMax = Number.POSITIVE_INFINITY,
): Buffer | undefined {
  const row = REASONS[reason];
  if (version === 4) {
    return row.connack === 0 ? undefined : encodeConnack(4, row.connack, false);
  }
  if (version === 0 || row.code < 0x80) return undefined;
  const code = row.code === SERVER_SHUTTING_DOWN ? SERVER_UNAVAILABLE : row.code;
  if (!CONNACK_CODES.has(code)) return undefined;
  const packet = encodeConnack(5, code, false);
  return packet.length <= packetBytesMax ? packet : undefined;
}

/** After CONNACK. Undefined: just close. */
export function openFarewell(
  reason: Reason,
  version: 4 | 5,
  packetBytesMax: number,
): Buffer | undefined {
  const { code } = REASONS[reason];
  if (version === 4 || code < 0x80) return undefined;
  // DISCONNECT knows no "unavailable".
  const told = code === SERVER_UNAVAILABLE ? SERVER_SHUTTING_DOWN : code;
  const packet = encodeDisconnect(told, undefined, packetBytesMax);
  return packet.length <= packetBytesMax ? packet : undefined;
}
