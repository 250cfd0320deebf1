/**
 * Acknowledgements that a server sends: PUBACK and its kin into a caller's buffer (per message),
 * SUBACK, UNSUBACK, PINGRESP as buffers of their own (per request).
 *
 * Reason string and user properties are left out where the packet would exceed the client's
 * Maximum Packet Size ([MQTT-3.9.2-1], -2, [MQTT-3.11.2-1], -2); a result that is still longer
 * must not be sent.
 */
import type { ProtocolVersion, UserProperty } from './packet.ts';
import { REASON_STRING } from './property-table.ts';
import { packetOf, PropertyWriter } from './property-writer.ts';

export const PINGRESP: Buffer = Buffer.from([0xd0, 0x00]);

/** Bytes that one of the four acknowledgements takes at most. */
export const ACK_BYTES_MAX = 5;

/** First byte of the packet; PUBREL has flags. */
export const PUBACK = 0x40;
export const PUBREC = 0x50;
export const PUBREL = 0x62;
export const PUBCOMP = 0x70;
export type AckFirstByte = 0x40 | 0x50 | 0x62 | 0x70;

/** Writes PUBACK (no reason code in 3.1.1 or when 0); returns one past the end. */
export function writePuback(
  out: Buffer,
  offset: number,
  packetIdentifier: number,
  version: ProtocolVersion,
  reasonCode: number,
): number {
  return writeAck(out, offset, PUBACK, packetIdentifier, version, reasonCode);
}

/** The same for any of the four. */
export function writeAck(
  out: Buffer,
  offset: number,
  first: AckFirstByte,
  packetIdentifier: number,
  version: ProtocolVersion,
  reasonCode: number,
): number {
  const long = version === 5 && reasonCode !== 0;
  out[offset] = first;
  out[offset + 1] = long ? 3 : 2;
  out[offset + 2] = packetIdentifier >>> 8;
  out[offset + 3] = packetIdentifier;
  if (!long) return offset + 4;
  out[offset + 4] = reasonCode;
  return offset + 5;
}

export interface AnswerProperties {
  readonly reasonString?: string;
  readonly userProperties?: readonly UserProperty[];
}

const SUBACK = 0x90;
const UNSUBACK = 0xb0;
const FAILURE_3_1_1 = 0x80;

/** One reason code per filter; 3.1.1 gets 0x80 for each failure. */
export function encodeSuback(
  version: ProtocolVersion,
  packetIdentifier: number,
  reasonCodes: readonly number[],
  properties?: AnswerProperties,
  packetBytesMax?: number,
): Buffer {
  if (version === 5) {
    return encodeAnswer(SUBACK, packetIdentifier, reasonCodes, properties, packetBytesMax);
  }
  const codes = reasonCodes.map((code) => (code < 0x80 ? code : FAILURE_3_1_1));
  return packetOf(SUBACK, u16(packetIdentifier), Buffer.from(codes));
}

/** One reason code per filter; 3.1.1 gets no codes. */
export function encodeUnsuback(
  version: ProtocolVersion,
  packetIdentifier: number,
  reasonCodes: readonly number[],
  properties?: AnswerProperties,
  packetBytesMax?: number,
): Buffer {
  if (version === 4) return packetOf(UNSUBACK, u16(packetIdentifier));
  return encodeAnswer(UNSUBACK, packetIdentifier, reasonCodes, properties, packetBytesMax);
}

function encodeAnswer(
  first: number,
  packetIdentifier: number,
  reasonCodes: readonly number[],
  properties: AnswerProperties = {},
  packetBytesMax = Infinity,
): Buffer {
  const identifier = u16(packetIdentifier);
  const codes = Buffer.from(reasonCodes);
  return withinMaximum(packetBytesMax, properties, (kept) =>
    packetOf(first, identifier, answerProperties(kept).bytes(), codes),
  );
}

/** Reason string and user properties, begun; a packet's own may follow. */
export function answerProperties(properties: AnswerProperties): PropertyWriter {
  return new PropertyWriter()
    .text(REASON_STRING, properties.reasonString)
    .pairs(properties.userProperties);
}

/**
 * Encodes with all properties, else without user properties, else without the reason string too.
 */
export function withinMaximum<P extends AnswerProperties>(
  packetBytesMax: number,
  properties: P,
  encode: (kept: P) => Buffer,
): Buffer {
  let packet = encode(properties);
  if (packet.length > packetBytesMax) packet = encode({ ...properties, userProperties: [] });
  if (packet.length <= packetBytesMax) return packet;
  const { reasonString: _left, ...rest } = properties;
  return encode({ ...rest, userProperties: [] } as unknown as P);
}

function u16(value: number): Buffer {
  return Buffer.from([value >>> 8, value & 0xff]);
}
