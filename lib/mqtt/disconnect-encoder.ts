/**
 * DISCONNECT and AUTH from a server — MQTT 5 only: 3.1.1 has no packet for either.
 *
 * A server's DISCONNECT never has a Session Expiry Interval ([MQTT-3.14.2-2]). Reason string and
 * user properties give way to the client's Maximum Packet Size ([MQTT-3.14.2-3], -4,
 * [MQTT-3.15.2-2], -3).
 */
import { answerProperties, withinMaximum, type AnswerProperties } from './ack-encoder.ts';
import { AUTHENTICATION_DATA, AUTHENTICATION_METHOD, SERVER_REFERENCE } from './property-table.ts';
import { packetOf } from './property-writer.ts';

const DISCONNECT = 0xe0;
const AUTH = 0xf0;

export interface DisconnectProperties extends AnswerProperties {
  readonly serverReference?: string;
}

/** `reasonCode` is of MQTT 5's table (REASONS: `code`). */
export function encodeDisconnect(
  reasonCode: number,
  properties: DisconnectProperties = {},
  packetBytesMax = Infinity,
): Buffer {
  return withinMaximum(packetBytesMax, properties, (kept) => {
    const bytes = answerProperties(kept).text(SERVER_REFERENCE, kept.serverReference).bytes();
    if (bytes.length > 1) return packetOf(DISCONNECT, Buffer.from([reasonCode]), bytes);
    return packetOf(DISCONNECT, Buffer.from(reasonCode === 0 ? [] : [reasonCode]));
  });
}

export interface AuthProperties extends AnswerProperties {
  readonly authenticationMethod: string;
  readonly authenticationData?: Buffer;
}

/** 0x00 = success of a re-authentication, 0x18 = the client's turn. */
export function encodeAuth(
  reasonCode: 0x00 | 0x18,
  properties: AuthProperties,
  packetBytesMax = Infinity,
): Buffer {
  return withinMaximum(packetBytesMax, properties, (kept) =>
    packetOf(
      AUTH,
      Buffer.from([reasonCode]),
      answerProperties(kept)
        .text(AUTHENTICATION_METHOD, kept.authenticationMethod)
        .binary(AUTHENTICATION_DATA, kept.authenticationData)
        .bytes(),
    ),
  );
}
