/**
 * Will properties as a PUBLISH has them: the bytes of CONNECT without Will Delay Interval and
 * Message Expiry Interval, in the client's order ([MQTT-3.1.3-10]), behind a length of their own.
 */
import type { ByteReader } from './byte-reader.ts';
import {
  MESSAGE_EXPIRY_INTERVAL,
  PROPERTIES,
  WILL_DELAY_INTERVAL,
  type PropertyType,
} from './property-table.ts';
import { afterVarint, varintLength, writeVarint } from './varint.ts';

/** `[start, end)`: length field and properties as checked; empty in 3.1.1. Returns a copy. */
export function willPublishProperties(reader: ByteReader, start: number, end: number): Buffer {
  if (reader.violation !== undefined || start === end) return Buffer.from([0]);
  const b = reader.buffer;
  const kept: Buffer[] = [];
  let length = 0;
  let at = afterVarint(b, start);
  while (at < end) {
    const identifier = b[at] as number;
    const next = afterValue(b, at + 1, PROPERTIES[identifier]?.type ?? 'byte');
    if (identifier !== WILL_DELAY_INTERVAL && identifier !== MESSAGE_EXPIRY_INTERVAL) {
      kept.push(b.subarray(at, next));
      length += next - at;
    }
    at = next;
  }
  const head = Buffer.allocUnsafe(varintLength(length));
  writeVarint(head, 0, length);
  return Buffer.concat([head, ...kept]);
}

function afterValue(b: Buffer, at: number, type: PropertyType): number {
  switch (type) {
    case 'byte':
      return at + 1;
    case 'u16':
      return at + 2;
    case 'u32':
      return at + 4;
    case 'varint':
      return afterVarint(b, at);
    case 'pair': {
      const second = at + 2 + b.readUInt16BE(at);
      return second + 2 + b.readUInt16BE(second);
    }
    default:
      return at + 2 + b.readUInt16BE(at);
  }
}
