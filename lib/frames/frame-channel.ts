/**
 * Frame channel — what one dispatcher process has to tell one gateway, collected and sent at once.
 *
 * Shape: one growing buffer of sections; at most one range section is open, that of the partition
 *        written last. Partitions of the process share a message (protocol 26).
 * Flush: when the loop is idle or FRAME_BYTES_MAX is reached; a message larger than that goes
 *        alone, so that whatever fits a record fits a frame: NATS has one limit for both.
 * Ends:  frames may be lost (bus away): the gateway sees the gap in the chain and asks again, so
 *        nothing is kept or repeated here.
 */
import type { Bus } from '#bus';
import { MESSAGE_PUBLISHER_OFFSET, type Position } from '#log';
import { frameSubject } from './names.ts';

export const FRAME_VERSION = 1;
export const SECTION_RANGE = 1;
export const SECTION_ANSWER = 2;
export const SECTION_PAGE = 3;
export const SECTION_QUEUE = 4;
export const SECTION_GROUP = 5;
export const SECTION_HEADER_BYTES = 5;
/** Bytes of a range's body before its messages. */
export const RANGE_HEADER_BYTES = 46;
/** Bytes of a page's body before its messages. */
export const PAGE_HEADER_BYTES = 23;
/** Bytes of a queue page's body before its messages. */
export const QUEUE_HEADER_BYTES = 27;
/** Bytes of a group section's body before the group's text. */
export const GROUP_HEADER_BYTES = 20;
export const PAGE_LAST = 0x01;
export const PAGE_RESTART = 0x02;
/** Bytes of a frame around one message: version, section, range, position. */
export const FRAME_ENVELOPE_BYTES = 1 + SECTION_HEADER_BYTES + RANGE_HEADER_BYTES + 8;
/** Bytes a frame collects before it is sent; readers like 64–256 KiB. */
export const FRAME_BYTES_MAX = 128 * 1024;

const BUFFER_BYTES_START = 8 * 1024;

/** What a range says besides its messages. */
export interface RangeHeader {
  readonly partition: number;
  readonly epoch: number;
  readonly from: Position;
  readonly checkpoint: Position;
  readonly beacon: number;
  /** Answers of the chain sent to this gateway before (ADR 0012, S4). */
  readonly answers: number;
}

/** What a page of a session's queue says besides its messages. */
export interface QueuePageHeader {
  readonly partition: number;
  readonly epoch: number;
  readonly request: number;
  /** Everything queued up to here is in this page or was asked for before. */
  readonly upTo: Position;
  /** Nothing is queued above `upTo` now. */
  readonly last: boolean;
}

/** What a section of a shared subscription says besides its messages (ADR 0013). */
export interface GroupHeader {
  readonly partition: number;
  readonly epoch: number;
  /** Sections to this gateway in this epoch, from 1. */
  readonly number: number;
  /** `$share/NAME/FILTER`. */
  readonly group: string;
}

/** One message of a group. */
export interface GroupMessage {
  readonly position: Position;
  readonly message: Buffer;
}

/** What a page says besides its messages. */
export interface PageHeader {
  readonly partition: number;
  readonly epoch: number;
  readonly request: number;
  readonly page: number;
  readonly last: boolean;
  readonly restart: boolean;
}

export class FrameChannel {
  framesSent = 0;
  framesLost = 0;
  bytesSent = 0;

  readonly incarnation: string;
  readonly #bus: Bus;
  readonly #subject: string;
  #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES_START);
  #length = 1;
  #rangeStart = 0;
  #rangeCount = 0;
  #openPartition = -1;
  #bytesMax = FRAME_BYTES_MAX;

  constructor(bus: Bus, incarnation: string) {
    this.#bus = bus;
    this.incarnation = incarnation;
    this.#subject = frameSubject(incarnation);
    this.#buffer[0] = FRAME_VERSION;
  }

  /** Whether a range of this partition is open. */
  isOpen(partition: number): boolean {
    return this.#openPartition === partition;
  }
  /** Partition of the open range, -1 = none. */
  get openPartition(): number {
    return this.#openPartition;
  }
  /** Enough was collected: flush without waiting for idleness. */
  get full(): boolean {
    return this.#length >= this.#bytesMax;
  }

  /** Whether a message of so many bytes may join what is here; else flush first. */
  takes(messageBytes: number): boolean {
    const needed = this.#length + FRAME_ENVELOPE_BYTES + messageBytes;
    return needed <= this.#bytesMax || this.#length === 1;
  }

  /** A message that no frame can carry: the server's limit was lowered after it was stored. */
  cannotSend(messageBytes: number): boolean {
    const needed = FRAME_ENVELOPE_BYTES + messageBytes;
    return needed > this.#bytesMax && needed > this.#bus.payloadBytesMax;
  }

  /** Opens a range. No other may be open: their owners close them first. */
  openRange(header: RangeHeader): void {
    this.#reserve(SECTION_HEADER_BYTES + RANGE_HEADER_BYTES);
    const b = this.#buffer;
    const at = this.#length;
    this.#rangeStart = at;
    this.#rangeCount = 0;
    this.#openPartition = header.partition;
    b[at] = SECTION_RANGE;
    b.writeUInt16BE(header.partition, at + 5);
    b.writeDoubleBE(header.epoch, at + 7);
    b.writeDoubleBE(header.from, at + 15);
    b.writeDoubleBE(header.checkpoint, at + 31);
    b.writeUInt32BE(header.beacon >>> 0, at + 39);
    b.writeUInt32BE(header.answers >>> 0, at + 47);
    this.#length = at + SECTION_HEADER_BYTES + RANGE_HEADER_BYTES;
  }

  /**
   * Adds the message at [start, end) of a record to the open range. `fromHere`: its publisher is
   * connected to this gateway; else the publisher's number is left out, for it means nothing there.
   */
  addMessage(
    position: Position,
    record: Buffer,
    start: number,
    end: number,
    fromHere: boolean,
  ): void {
    this.#reserve(8 + end - start);
    this.#buffer.writeDoubleBE(position, this.#length);
    record.copy(this.#buffer, this.#length + 8, start, end);
    if (!fromHere) this.#buffer.writeUInt32BE(0, this.#length + 8 + MESSAGE_PUBLISHER_OFFSET);
    this.#length += 8 + end - start;
    this.#rangeCount++;
  }

  /** Closes the open range: it covers everything up to `to`. */
  closeRange(to: Position): void {
    const b = this.#buffer;
    const at = this.#rangeStart;
    b.writeUInt32BE(this.#length - at - SECTION_HEADER_BYTES, at + 1);
    b.writeDoubleBE(to, at + 23);
    b.writeUInt32BE(this.#rangeCount, at + 43);
    this.#openPartition = -1;
  }

  /** Adds an answer; it keeps its place among the ranges. No range may be open. */
  addAnswer(message: object): void {
    const text = Buffer.from(JSON.stringify(message), 'utf8');
    if (!this.takes(text.length)) this.flush();
    this.#reserve(SECTION_HEADER_BYTES + text.length);
    this.#buffer[this.#length] = SECTION_ANSWER;
    this.#buffer.writeUInt32BE(text.length, this.#length + 1);
    text.copy(this.#buffer, this.#length + SECTION_HEADER_BYTES);
    this.#length += SECTION_HEADER_BYTES + text.length;
  }

  /** Adds a page; each entry is position f64 and message. No range may be open. */
  addPage(header: PageHeader, entries: readonly Buffer[]): void {
    const bytes = entries.reduce((sum, entry) => sum + entry.length, PAGE_HEADER_BYTES);
    let at = this.#beginSection(SECTION_PAGE, bytes, header);
    const b = this.#buffer;
    at = b.writeUInt32BE(header.request, at);
    at = b.writeUInt32BE(header.page, at);
    at = b.writeUInt8((header.last ? PAGE_LAST : 0) | (header.restart ? PAGE_RESTART : 0), at);
    at = b.writeUInt32BE(entries.length, at);
    for (const entry of entries) at += entry.copy(b, at);
  }

  /** Adds a page of a queue; each entry is position f64 and message. No range may be open. */
  addQueuePage(header: QueuePageHeader, entries: readonly Buffer[]): void {
    const bytes = entries.reduce((sum, entry) => sum + entry.length, QUEUE_HEADER_BYTES);
    let at = this.#beginSection(SECTION_QUEUE, bytes, header);
    const b = this.#buffer;
    at = b.writeUInt32BE(header.request, at);
    at = b.writeDoubleBE(header.upTo, at);
    at = b.writeUInt8(header.last ? PAGE_LAST : 0, at);
    at = b.writeUInt32BE(entries.length, at);
    for (const entry of entries) at += entry.copy(b, at);
  }

  /** Adds messages of a group for members at this gateway. No range may be open. */
  addGroup(header: GroupHeader, entries: readonly GroupMessage[]): void {
    const group = Buffer.from(header.group, 'utf8');
    let bytes = GROUP_HEADER_BYTES + group.length;
    for (const { message } of entries) {
      bytes += 8 + message.length;
    }
    let at = this.#beginSection(SECTION_GROUP, bytes, header);
    const b = this.#buffer;
    at = b.writeUInt32BE(header.number, at);
    at = b.writeUInt32BE(entries.length, at);
    at = b.writeUInt16BE(group.length, at);
    at += group.copy(b, at);
    for (const { position, message } of entries) {
      at = b.writeDoubleBE(position, at);
      // Its publisher's number means nothing at that gateway.
      message.copy(b, at);
      b.writeUInt32BE(0, at + MESSAGE_PUBLISHER_OFFSET);
      at += message.length;
    }
  }

  /** Begins a section with a body of so many bytes; returns where it goes on behind the epoch. */
  #beginSection(kind: number, bytes: number, of: { partition: number; epoch: number }): number {
    if (!this.takes(bytes)) this.flush();
    this.#reserve(SECTION_HEADER_BYTES + bytes);
    const b = this.#buffer;
    let at = b.writeUInt8(kind, this.#length);
    this.#length += SECTION_HEADER_BYTES + bytes;
    at = b.writeUInt32BE(bytes, at);
    at = b.writeUInt16BE(of.partition, at);
    return b.writeDoubleBE(of.epoch, at);
  }

  /** Sends what was collected. No range may be open. */
  flush(): void {
    if (this.#length === 1) return;
    const frame = this.#buffer.subarray(0, this.#length);
    // What the server takes may change with a reload of its configuration.
    this.#bytesMax = Math.min(FRAME_BYTES_MAX, this.#bus.payloadBytesMax || FRAME_BYTES_MAX);
    if (this.#bus.publish(this.#subject, frame)) {
      this.framesSent++;
      this.bytesSent += frame.length;
    } else this.framesLost++;
    if (this.#buffer.length > 2 * FRAME_BYTES_MAX) {
      this.#buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES_START);
      this.#buffer[0] = FRAME_VERSION;
    }
    this.#length = 1;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    let size = this.#buffer.length;
    while (size < needed) size *= 2;
    const grown = Buffer.allocUnsafeSlow(size);
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}
