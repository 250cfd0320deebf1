/**
 * Record — the bytes of one append: many messages behind one header (proto/wire/record.md).
 *
 * Shape: `RecordBuilder` collects messages into one buffer as they arrive.
 * Kinds: besides messages a record may hold releases of exactly-once keys (exactly-once-key.ts). A
 *        flag of the record says whether keys or releases are in it; without it nobody looks.
 * Cost:  two slice copies per message.
 * Ends:  a builder that is full says so before taking a message.
 */
import {
  copyBytes,
  forwardablePropertiesLength,
  type PublishView,
  writeForwardableProperties,
} from '#mqtt';
import { type ExactlyOnceKey, KEY_BYTES, writeKey } from './exactly-once-key.ts';
import {
  FLAG_KEYED,
  FLAG_LIVE_ELSEWHERE,
  FLAG_RETAIN,
  KIND_RELEASE,
  MESSAGE_PREFIX_BYTES,
  RECORD_FLAG_KEYS,
  RECORD_HEADER_BYTES,
  RECORD_VERSION,
  RELEASE_BYTES,
} from './record-layout.ts';

/** What a record holds before it is closed; reserved bytes grow by doubling up to the need. */
const BUILDER_BYTES_START = 16 * 1024;

/** Bytes that `view` takes in a record, and a key with it. */
export function messageLength(view: PublishView, key?: ExactlyOnceKey): number {
  return (
    MESSAGE_PREFIX_BYTES +
    (key === undefined ? 0 : KEY_BYTES) +
    (view.topicEnd - view.topicStart) +
    forwardablePropertiesLength(view) +
    (view.end - view.payloadStart)
  );
}

/** Writes one message at `offset`; the caller made room for `length = messageLength(view, key)`. */
export function writeMessage(
  out: Buffer,
  offset: number,
  view: PublishView,
  length: number,
  expiresAtSeconds: number,
  publisherConnection: number,
  liveElsewhere: boolean,
  key?: ExactlyOnceKey,
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
  if (key !== undefined) {
    out[offset + 4] = (out[offset + 4] as number) | FLAG_KEYED;
    at = writeKey(out, at, key);
  }
  at = copyBytes(out, at, from, view.topicStart, view.topicEnd);
  if (view.propertiesForwardable && view.propertiesStart < view.payloadStart) {
    return copyBytes(out, at, from, view.propertiesStart, view.end);
  }
  at = writeForwardableProperties(out, at, view);
  return copyBytes(out, at, from, view.payloadStart, view.end);
}

function writeRelease(out: Buffer, offset: number, key: ExactlyOnceKey): number {
  out.fill(0, offset, offset + MESSAGE_PREFIX_BYTES);
  out[offset + 3] = RELEASE_BYTES - 4;
  out[offset + 4] = KIND_RELEASE | FLAG_KEYED;
  return writeKey(out, offset + MESSAGE_PREFIX_BYTES, key);
}

/** Collects the messages of the next record. Reused after `take`. */
export class RecordBuilder {
  #buffer = Buffer.allocUnsafeSlow(BUILDER_BYTES_START);
  #length = RECORD_HEADER_BYTES;
  #count = 0;
  #flags = 0;

  /** Messages and releases. */
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
    key?: ExactlyOnceKey,
  ): void {
    this.#reserve(length);
    if (key !== undefined) this.#flags = RECORD_FLAG_KEYS;
    this.#length = writeMessage(
      this.#buffer,
      this.#length,
      view,
      length,
      expiresAtSeconds,
      publisherConnection,
      liveElsewhere,
      key,
    );
    this.#count++;
  }

  /** Whether it fits is asked with `RELEASE_BYTES`. */
  addRelease(key: ExactlyOnceKey): void {
    this.#reserve(RELEASE_BYTES);
    this.#flags = RECORD_FLAG_KEYS;
    this.#length = writeRelease(this.#buffer, this.#length, key);
    this.#count++;
  }

  /** Closes the record: its bytes, valid for as long as the caller keeps them. Starts a new one. */
  take(number: number, closedAtMs: number): Buffer {
    const buffer = this.#buffer;
    buffer[0] = RECORD_VERSION;
    buffer[1] = this.#flags;
    buffer.writeUInt16BE(this.#count, 2);
    buffer.writeUIntBE(number, 4, 6);
    buffer.writeUIntBE(Math.max(0, Math.floor(closedAtMs)), 10, 6);
    const record = buffer.subarray(0, this.#length);
    // A mostly empty large buffer would be pinned by a small record: copy that one out.
    const bytes = this.#length * 2 < buffer.length ? Buffer.from(record) : record;
    if (bytes === record) this.#buffer = Buffer.allocUnsafeSlow(buffer.length);
    this.#length = RECORD_HEADER_BYTES;
    this.#count = 0;
    this.#flags = 0;
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
