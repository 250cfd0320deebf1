import type { ProtocolVersion, UserProperty } from './packet.ts';

export const PINGRESP: Buffer = Buffer.from([0xd0, 0x00]);

/** Bytes that any of the four acknowledgements takes at most. */
export const ACK_BYTES_MAX = 5;

/** Writes PUBACK (no reason code in 3.1.1 or when 0); returns one past the end. */
export function writePuback(
  _out: Buffer,
  offset: number,
  _packetIdentifier: number,
  _version: ProtocolVersion,
  _reasonCode: number,
): number {
  return offset;
}

export interface AnswerProperties {
  readonly reasonString?: string;
  readonly userProperties?: readonly UserProperty[];
}

/** One reason code per filter; 3.1.1 gets 0x80 for each failure. */
export function encodeSuback(
  _version: ProtocolVersion,
  _packetIdentifier: number,
  _reasonCodes: readonly number[],
  _properties?: AnswerProperties,
  _packetBytesMax?: number,
): Buffer {
  return PINGRESP;
}

/** 3.1.1 gets no codes. */
export function encodeUnsuback(
  _version: ProtocolVersion,
  _packetIdentifier: number,
  _reasonCodes: readonly number[],
  _properties?: AnswerProperties,
  _packetBytesMax?: number,
): Buffer {
  return PINGRESP;
}

/** MQTT 5 only. */
export function encodeDisconnect(
  _reasonCode: number,
  _properties?: AnswerProperties & { readonly serverReference?: string },
  _packetBytesMax?: number,
): Buffer {
  return PINGRESP;
}
