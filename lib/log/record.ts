/**
 * Records — the bytes of one append: many messages behind one header (proto/wire/record.md).
 *
 * Shape: `RecordBuilder` collects messages into one buffer as they arrive; `RecordReader` walks a
 *        stored record and points one reused `PublishView` at each message.
 * Cost:  two slice copies per message in, no copy out.
 * Ends:  a builder that is full says so before taking a message; damaged bytes are `Fault`
 *        WEIR_WIRE (they can only come from a foreign writer or another version).
 */
import { Fault } from '#base';
import {
  copyBytes,
  forwardablePropertiesLength,
  PublishView,
  writeForwardableProperties,
} from '#mqtt';
import { RECORD_MESSAGES_MAX } from './position.ts';

export const RECORD_VERSION = 1;
export const RECORD_HEADER_BYTES = 16;
/** Bytes of a message before its topic length: length, flags, expiry, publisher. */
export const MESSAGE_PREFIX_BYTES = 13;
/** Where in a message the publisher's connection number stands. */
export const MESSAGE_PUBLISHER_OFFSET = 9;

const FLAG_QOS = 0x03;
const FLAG_RETAIN = 0x04;
const FLAG_LIVE_ELSEWHERE = 0x08;

/** What a record holds before it is closed; reserved bytes grow by doubling up to the need. */
const BUILDER_BYTES_START = 16 * 1024;

/** Bytes that `view` takes in a record. */
export function messageLength(view: PublishView): number {
  return (
    MESSAGE_PREFIX_BYTES +
    (view.topicEnd - view.topicStart) +
    forwardablePropertiesLength(view) +
    (view.end - view.payloadStart)
  );
}

/** Writes one message at `offset`; the caller made room for `length = messageLength(view)`. */
export function writeMessage(
  out: Buffer,
  offset: number,
  view: PublishView,
  length: number,
  expiresAtSeconds: number,
  publisherConnection: number,
  liveElsewhere: boolean,
): number {
  const after = length - 4;
  out[offset] = after >>> 24;
  out[offset + 1] = after >>> 16;
  out[offset + 2] = after >>> 8;
  out[offset + 3] = after;
  out[offset + 4] =
    view.qos | (view.retain ? FLAG_RETAIN : 0) | (liveElsewhere ? FLAG_LIVE_ELSEWHERE : 0);
  out.writeUInt32BE(expiresAtSeconds, offset + 5);
  out.writeUInt32BE(publisherConnection, offset + 9);
  const from = view.buffer;
  let at = offset + MESSAGE_PREFIX_BYTES;
  at = copyBytes(out, at, from, view.topicStart, view.topicEnd);
  if (view.propertiesForwardable && view.propertiesStart < view.payloadStart) {
    return copyBytes(out, at, from, view.propertiesStart, view.end);
  }
  at = writeForwardableProperties(out, at, view);
  return copyBytes(out, at, from, view.payloadStart, view.end);
}

/** Collects the messages of the next record. Reused after `take`. */
export class RecordBuilder {
  #buffer = Buffer.allocUnsafeSlow(BUILDER_BYTES_START);
  #length = RECORD_HEADER_BYTES;
  #count = 0;

  get count(): number {
    return this.#count;
  }
  get bytes(): number {
    return this.#length;
  }

  /** Whether a message of `length` bytes fits under `bytesMax`; the first one always does. */
  fits(length: number, messagesMax: number, bytesMax: number): boolean {
    if (this.#count === 0) return true;
    return this.#count < messagesMax && this.#length + length <= bytesMax;
  }

  add(
    view: PublishView,
    length: number,
    expiresAtSeconds: number,
    publisherConnection: number,
    liveElsewhere: boolean,
  ): void {
    this.#reserve(length);
    this.#length = writeMessage(
      this.#buffer,
      this.#length,
      view,
      length,
      expiresAtSeconds,
      publisherConnection,
      liveElsewhere,
    );
    this.#count++;
  }

  /** Closes the record: its bytes, valid for as long as the caller keeps them. Starts a new one. */
  take(number: number, closedAtMs: number): Buffer {
    const buffer = this.#buffer;
    buffer[0] = RECORD_VERSION;
    buffer[1] = 0;
    buffer.writeUInt16BE(this.#count, 2);
    buffer.writeUIntBE(number, 4, 6);
    buffer.writeUIntBE(Math.max(0, Math.floor(closedAtMs)), 10, 6);
    const record = buffer.subarray(0, this.#length);
    // A mostly empty large buffer would be pinned by a small record: copy that one out.
    const bytes = this.#length * 2 < buffer.length ? Buffer.from(record) : record;
    if (bytes === record) this.#buffer = Buffer.allocUnsafeSlow(buffer.length);
    this.#length = RECORD_HEADER_BYTES;
    this.#count = 0;
    return bytes;
  }

  #reserve(length: number): void {
    const needed = this.#length + length;
    if (needed <= this.#buffer.length) return;
    let size = this.#buffer.length;
    while (size < needed) size *= 2;
    const grown = Buffer.allocUnsafeSlow(size);
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

/** Record number of a stored record, or a Fault thrown for foreign bytes. */
export function recordNumber(record: Buffer): number {
  checkRecord(record);
  return record.readUIntBE(4, 6);
}

/** Wall clock of the gateway when it closed the record, ms since 1970. */
export function recordClosedAtMs(record: Buffer): number {
  return record.readUIntBE(10, 6);
}

export function recordCount(record: Buffer): number {
  return record.readUInt16BE(2);
}

function checkRecord(record: Buffer): void {
  if (record.length < RECORD_HEADER_BYTES || record[0] !== RECORD_VERSION) {
    throw new Fault('WEIR_WIRE', `log record of unknown version ${record[0] ?? 'none'}`);
  }
}

/** Points `view` at the message whose length field stands at `offset`; returns one past its end. */
export function readMessage(buffer: Buffer, offset: number, view: PublishView): number {
  const b = buffer;
  const length =
    ((b[offset] as number) << 24) |
    ((b[offset + 1] as number) << 16) |
    ((b[offset + 2] as number) << 8) |
    (b[offset + 3] as number);
  const end = offset + 4 + length;
  if (length < MESSAGE_PREFIX_BYTES - 4 + 3 || end > b.length) {
    throw new Fault('WEIR_WIRE', `message length ${length} reaches beyond its record`);
  }
  const flags = b[offset + 4] as number;
  view.buffer = b;
  view.qos = (flags & FLAG_QOS) as 0 | 1 | 2;
  view.retain = (flags & FLAG_RETAIN) !== 0;
  view.dup = false;
  view.packetIdentifier = 0;
  view.topicAlias = 0;
  view.messageExpiryIntervalSeconds = -1;
  view.propertiesForwardable = true;
  view.expiresAtSeconds = b.readUInt32BE(offset + 5);
  view.publisherConnection = b.readUInt32BE(offset + 9);
  const topicStart = offset + MESSAGE_PREFIX_BYTES;
  const topicEnd =
    topicStart + 2 + (((b[topicStart] as number) << 8) | (b[topicStart + 1] as number));
  view.topicStart = topicStart;
  view.topicEnd = topicEnd;
  view.propertiesStart = topicEnd;
  view.payloadStart = afterProperties(b, topicEnd, end);
  view.end = end;
  view.encodedV4 = undefined;
  view.encodedV5 = undefined;
  return end;
}

/** Whether the message that `readMessage` stood on at `offset` is for routing only. */
export function isLiveElsewhere(buffer: Buffer, offset: number): boolean {
  return ((buffer[offset + 4] as number) & FLAG_LIVE_ELSEWHERE) !== 0;
}

function afterProperties(b: Buffer, at: number, end: number): number {
  const first = at < end ? (b[at] as number) : -1;
  if (first >= 0 && first < 0x80) {
    const after = at + 1 + first;
    if (after <= end) return after;
  }
  let value = 0;
  for (let i = 0; i < 4 && at + i < end; i++) {
    const byte = b[at + i] as number;
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      const after = at + i + 1 + value;
      if (after <= end) return after;
      break;
    }
  }
  throw new Fault('WEIR_WIRE', 'properties reach beyond their message');
}

/**
 * Walks the messages of a record: `next` points `view` at one message after the other and returns
 * its index, or -1 at the end.
 */
export class RecordReader {
  readonly view = new PublishView();
  /** Offset of the current message's length field. */
  messageStart = 0;
  /** One past the current message. */
  messageEnd = 0;
  #record: Buffer;
  #count: number;
  #index = -1;

  constructor(record: Buffer) {
    checkRecord(record);
    this.#record = record;
    this.#count = recordCount(record);
    if (this.#count > RECORD_MESSAGES_MAX) {
      throw new Fault('WEIR_WIRE', `record of ${this.#count} messages`);
    }
    this.messageEnd = RECORD_HEADER_BYTES;
  }

  next(): number {
    if (this.#index + 1 >= this.#count) return -1;
    this.#index++;
    this.messageStart = this.messageEnd;
    this.messageEnd = readMessage(this.#record, this.messageStart, this.view);
    return this.#index;
  }

  get liveElsewhere(): boolean {
    return isLiveElsewhere(this.#record, this.messageStart);
  }
}
