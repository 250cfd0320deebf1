/**
 * Frame reader — walks the sections of a frame as a gateway gets it (proto/wire/frame.md).
 *
 * Shape: `readFrame` calls a sink per section; a `RangeReader`, reused, walks the messages of a
 *        range with the same borrowed `PublishView` as a record's.
 * Ends:  a frame of another version or with damaged lengths is a `Fault` WEIR_WIRE for the caller
 *        to count; the chain then shows a gap, so nothing is lost by ignoring it.
 */
import { Fault } from '#base';
import { type Position, readMessage } from '#log';
import { PublishView } from '#mqtt';
import {
  FRAME_VERSION,
  RANGE_HEADER_BYTES,
  SECTION_ANSWER,
  SECTION_HEADER_BYTES,
  SECTION_RANGE,
} from './frame-channel.ts';
import { decodeAnswer } from './message-check.ts';
import type { OwnerMessage } from './messages.ts';

export class RangeReader {
  readonly view = new PublishView();
  partition = 0;
  epoch = 0;
  from: Position = 0;
  to: Position = 0;
  checkpoint: Position = 0;
  beacon = 0;
  /** Length of the range, bytes. */
  bytes = 0;
  /** Position of the message that `view` stands on. */
  position: Position = 0;
  #buffer = this.view.buffer;
  #at = 0;
  #end = 0;
  #left = 0;

  /** Stands before the first message of the range whose body begins at `at` and ends at `end`. */
  open(buffer: Buffer, at: number, end: number): void {
    if (end - at < RANGE_HEADER_BYTES) throw new Fault('WEIR_WIRE', 'range without its header');
    this.#buffer = buffer;
    this.#end = end;
    this.bytes = end - at;
    this.partition = buffer.readUInt16BE(at);
    this.epoch = buffer.readDoubleBE(at + 2);
    this.from = buffer.readDoubleBE(at + 10);
    this.to = buffer.readDoubleBE(at + 18);
    this.checkpoint = buffer.readDoubleBE(at + 26);
    this.beacon = buffer.readUInt32BE(at + 34);
    this.#left = buffer.readUInt32BE(at + 38);
    this.#at = at + RANGE_HEADER_BYTES;
  }

  /** Goes to the next message; false at the end. */
  next(): boolean {
    if (this.#left === 0) return false;
    if (this.#at + 8 > this.#end) throw new Fault('WEIR_WIRE', 'range is shorter than it says');
    this.#left--;
    this.position = this.#buffer.readDoubleBE(this.#at);
    this.#at = readMessage(this.#buffer, this.#at + 8, this.view);
    if (this.#at > this.#end) throw new Fault('WEIR_WIRE', 'message beyond its range');
    return true;
  }
}

export interface FrameSink {
  /** `range` is borrowed for the call. */
  onRange(range: RangeReader): void;
  onAnswer(message: OwnerMessage): void;
}

export function readFrame(frame: Buffer, range: RangeReader, sink: FrameSink): void {
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
      range.open(frame, body, end);
      sink.onRange(range);
    } else if (kind === SECTION_ANSWER) {
      sink.onAnswer(decodeAnswer(frame.subarray(body, end)));
    } else throw new Fault('WEIR_WIRE', `frame section of unknown kind ${kind}`);
    at = end;
  }
}
