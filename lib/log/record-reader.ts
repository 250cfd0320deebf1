/**
 * Record reader — walks a stored record and points one reused `PublishView` at each message.
 *
 * Cost:  no copy; a release or a repeat is looked for only where the record says that it has keys.
 * Ends:  damaged bytes are `Fault` WEIR_WIRE (they can only come from a foreign writer or another
 *        version).
 */
import { Fault } from '#base';
import { PublishView } from '#mqtt';
import { KEY_BYTES } from './exactly-once-key.ts';
import { RECORD_MESSAGES_MAX } from './position.ts';
import {
  FLAG_KEYED,
  FLAG_LIVE_ELSEWHERE,
  FLAG_QOS,
  FLAG_RETAIN,
  KIND_MASK,
  MESSAGE_PREFIX_BYTES,
  RECORD_FLAG_KEYS,
  RECORD_HEADER_BYTES,
  RECORD_VERSION,
} from './record-layout.ts';

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

/** Whether some entry of the record has an exactly-once key. */
export function recordHasKeys(record: Buffer): boolean {
  return ((record[1] as number) & RECORD_FLAG_KEYS) !== 0;
}

function checkRecord(record: Buffer): void {
  if (record.length < RECORD_HEADER_BYTES || record[0] !== RECORD_VERSION) {
    throw new Fault('WEIR_WIRE', `log record of unknown version ${record[0] ?? 'none'}`);
  }
}

/** One past the message or release whose length field stands at `offset`. */
export function entryEnd(b: Buffer, offset: number): number {
  const length =
    ((b[offset] as number) << 24) |
    ((b[offset + 1] as number) << 16) |
    ((b[offset + 2] as number) << 8) |
    (b[offset + 3] as number);
  const end = offset + 4 + length;
  if (length < MESSAGE_PREFIX_BYTES - 4 + 3 || end > b.length) {
    throw new Fault('WEIR_WIRE', `message length ${length} reaches beyond its record`);
  }
  return end;
}

/** Points `view` at the message whose length field stands at `offset`; returns one past its end. */
export function readMessage(buffer: Buffer, offset: number, view: PublishView): number {
  const b = buffer;
  const end = entryEnd(b, offset);
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
  let topicStart = offset + MESSAGE_PREFIX_BYTES;
  if ((flags & (FLAG_KEYED | KIND_MASK)) !== 0) topicStart = afterKey(flags, topicStart);
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

function afterKey(flags: number, at: number): number {
  if ((flags & KIND_MASK) !== 0) {
    throw new Fault('WEIR_WIRE', `an entry of kind ${flags >>> 5} where a message was expected`);
  }
  return at + KEY_BYTES;
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

const NONE: readonly number[] = [];

/**
 * Walks the messages of a record: `next` points `view` at one message after the other and returns
 * its index, or -1 at the end. Passed over are releases (and kinds of a later version), and the
 * indexes in `skipped`, ascending: repeats of QoS 2 messages, as the reader of the log tells them.
 */
export class RecordReader {
  readonly view = new PublishView();
  /** Offset of the current message's length field. */
  messageStart = 0;
  /** One past the current message. */
  messageEnd = 0;
  readonly #record: Buffer;
  readonly #count: number;
  readonly #hasKeys: boolean;
  readonly #skipped: readonly number[];
  #skippedAt = 0;
  #index = -1;

  constructor(record: Buffer, skipped: readonly number[] = NONE) {
    checkRecord(record);
    this.#record = record;
    this.#skipped = skipped;
    this.#count = recordCount(record);
    this.#hasKeys = recordHasKeys(record);
    if (this.#count > RECORD_MESSAGES_MAX) {
      throw new Fault('WEIR_WIRE', `record of ${this.#count} messages`);
    }
    this.messageEnd = RECORD_HEADER_BYTES;
  }

  next(): number {
    while (this.#index + 1 < this.#count) {
      this.#index++;
      this.messageStart = this.messageEnd;
      if (this.#hasKeys && this.#isPassedOver()) continue;
      this.messageEnd = readMessage(this.#record, this.messageStart, this.view);
      return this.#index;
    }
    return -1;
  }

  get liveElsewhere(): boolean {
    return isLiveElsewhere(this.#record, this.messageStart);
  }

  #isPassedOver(): boolean {
    const end = entryEnd(this.#record, this.messageStart);
    const flags = this.#record[this.messageStart + 4] as number;
    if (this.#skipped[this.#skippedAt] === this.#index) this.#skippedAt++;
    else if ((flags & KIND_MASK) === 0) return false;
    this.messageEnd = end;
    return true;
  }
}
