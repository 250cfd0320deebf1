/**
 * Frame reader — walks the sections of a frame as a gateway gets it (proto/wire/frame.md).
 *
 * Shape: `readFrame` calls a sink per section; reused readers walk the messages of ranges and pages
 *        with a borrowed `PublishView` as a record's.
 * Ends:  a frame of another version or with damaged lengths is a `Fault` WEIR_WIRE for the caller
 *        to count; the chain then shows a gap, so nothing is lost by ignoring it.
 */
import { Fault } from '#base';
import { type Position, readMessage } from '#log';
import { PublishView } from '#mqtt';
import {
  FRAME_VERSION,
  GROUP_HEADER_BYTES,
  PAGE_HEADER_BYTES,
  PAGE_LAST,
  PAGE_RESTART,
  QUEUE_HEADER_BYTES,
  RANGE_HEADER_BYTES,
  SECTION_ANSWER,
  SECTION_GROUP,
  SECTION_HEADER_BYTES,
  SECTION_PAGE,
  SECTION_QUEUE,
  SECTION_RANGE,
} from './frame-channel.ts';
import { decodeAnswer } from './message-check.ts';
import type { OwnerMessage } from './messages.ts';

/** Walks (position, message) entries with one borrowed view. */
class EntryReader {
  readonly view = new PublishView();
  /** Position of the message that `view` stands on. */
  position: Position = 0;
  #buffer = this.view.buffer;
  #at = 0;
  #end = 0;
  #left = 0;

  protected start(buffer: Buffer, at: number, end: number, count: number): void {
    this.#buffer = buffer;
    this.#at = at;
    this.#end = end;
    this.#left = count;
  }

  /** Goes to the next message; false at the end. */
  next(): boolean {
    if (this.#left === 0) return false;
    if (this.#at + 8 > this.#end) throw new Fault('WEIR_WIRE', 'section is shorter than it says');
    this.#left--;
    this.position = this.#buffer.readDoubleBE(this.#at);
    this.#at = readMessage(this.#buffer, this.#at + 8, this.view);
    if (this.#at > this.#end) throw new Fault('WEIR_WIRE', 'message beyond its section');
    return true;
  }
}

export class RangeReader extends EntryReader {
  partition = 0;
  epoch = 0;
  from: Position = 0;
  to: Position = 0;
  checkpoint: Position = 0;
  beacon = 0;
  /** Answers of the chain that its owner sent before. */
  answers = 0;
  /** Length of the range, bytes. */
  bytes = 0;

  /** Stands before the first message of the range whose body begins at `at` and ends at `end`. */
  open(buffer: Buffer, at: number, end: number): void {
    if (end - at < RANGE_HEADER_BYTES) throw new Fault('WEIR_WIRE', 'range without its header');
    this.bytes = end - at;
    this.partition = buffer.readUInt16BE(at);
    this.epoch = buffer.readDoubleBE(at + 2);
    this.from = buffer.readDoubleBE(at + 10);
    this.to = buffer.readDoubleBE(at + 18);
    this.checkpoint = buffer.readDoubleBE(at + 26);
    this.beacon = buffer.readUInt32BE(at + 34);
    this.answers = buffer.readUInt32BE(at + 42);
    this.start(buffer, at + RANGE_HEADER_BYTES, end, buffer.readUInt32BE(at + 38));
  }
}

/** A page of retained messages; its entries are not part of the chain of ranges. */
export class PageReader extends EntryReader {
  partition = 0;
  epoch = 0;
  request = 0;
  page = 0;
  /** Nothing follows. */
  last = false;
  /** The owner does not know this request: ask from page 0 on. */
  restart = false;

  open(buffer: Buffer, at: number, end: number): void {
    if (end - at < PAGE_HEADER_BYTES) throw new Fault('WEIR_WIRE', 'page without its header');
    this.partition = buffer.readUInt16BE(at);
    this.epoch = buffer.readDoubleBE(at + 2);
    this.request = buffer.readUInt32BE(at + 10);
    this.page = buffer.readUInt32BE(at + 14);
    const flags = buffer[at + 18] as number;
    this.last = (flags & PAGE_LAST) !== 0;
    this.restart = (flags & PAGE_RESTART) !== 0;
    this.start(buffer, at + PAGE_HEADER_BYTES, end, buffer.readUInt32BE(at + 19));
  }
}

/** A page of a stored session's queue. */
export class QueuePageReader extends EntryReader {
  partition = 0;
  epoch = 0;
  request = 0;
  upTo: Position = 0;
  last = false;

  open(buffer: Buffer, at: number, end: number): void {
    if (end - at < QUEUE_HEADER_BYTES) throw new Fault('WEIR_WIRE', 'queue page without header');
    this.partition = buffer.readUInt16BE(at);
    this.epoch = buffer.readDoubleBE(at + 2);
    this.request = buffer.readUInt32BE(at + 10);
    this.upTo = buffer.readDoubleBE(at + 14);
    this.last = ((buffer[at + 22] as number) & PAGE_LAST) !== 0;
    this.start(buffer, at + QUEUE_HEADER_BYTES, end, buffer.readUInt32BE(at + 23));
  }
}

/** Messages of a shared subscription for members at this gateway (ADR 0013). */
export class GroupReader extends EntryReader {
  partition = 0;
  epoch = 0;
  number = 0;
  group = '';

  open(buffer: Buffer, at: number, end: number): void {
    const textAt = at + GROUP_HEADER_BYTES;
    if (end < textAt) throw new Fault('WEIR_WIRE', 'group section without header');
    this.partition = buffer.readUInt16BE(at);
    this.epoch = buffer.readDoubleBE(at + 2);
    this.number = buffer.readUInt32BE(at + 10);
    const entriesAt = textAt + buffer.readUInt16BE(at + 18);
    if (end < entriesAt) throw new Fault('WEIR_WIRE', 'group section without its group');
    this.group = buffer.toString('utf8', textAt, entriesAt);
    this.start(buffer, entriesAt, end, buffer.readUInt32BE(at + 14));
  }
}

export interface FrameSink {
  /** `range` is borrowed for the call. */
  onRange(range: RangeReader): void;
  onAnswer(message: OwnerMessage): void;
  /** `page` is borrowed for the call. */
  onPage(page: PageReader): void;
  /** `page` is borrowed for the call. */
  onQueuePage(page: QueuePageReader): void;
  /** `section` is borrowed for the call. */
  onGroup(section: GroupReader): void;
}

/** Reused readers of a gateway's frames. */
export class FrameReaders {
  readonly range = new RangeReader();
  readonly page = new PageReader();
  readonly queuePage = new QueuePageReader();
  readonly group = new GroupReader();
}

export function readFrame(frame: Buffer, readers: FrameReaders, sink: FrameSink): void {
  if (frame[0] !== FRAME_VERSION) {
    throw new Fault('WEIR_WIRE', `frame of unknown version ${frame[0] ?? 'none'}`);
  }
  let at = 1;
  while (at < frame.length) {
    const kind = frame[at];
    const body = at + SECTION_HEADER_BYTES;
    if (body > frame.length) throw new Fault('WEIR_WIRE', 'frame ends in a section header');
    const end = body + frame.readUInt32BE(at + 1);
    if (end > frame.length) throw new Fault('WEIR_WIRE', 'frame section beyond its frame');
    if (kind === SECTION_RANGE) {
      readers.range.open(frame, body, end);
      sink.onRange(readers.range);
    } else if (kind === SECTION_PAGE) {
      readers.page.open(frame, body, end);
      sink.onPage(readers.page);
    } else if (kind === SECTION_QUEUE) {
      readers.queuePage.open(frame, body, end);
      sink.onQueuePage(readers.queuePage);
    } else if (kind === SECTION_GROUP) {
      readers.group.open(frame, body, end);
      sink.onGroup(readers.group);
    } else if (kind === SECTION_ANSWER) {
      const answer = decodeAnswer(frame.subarray(body, end));
      if (answer !== undefined) sink.onAnswer(answer);
    }
    // Any other kind is of a later version: its length says where the next section begins.
    at = end;
  }
}
