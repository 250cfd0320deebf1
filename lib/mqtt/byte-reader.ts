/**
 * Byte reader — a cursor over one packet that remembers its first failure.
 *
 * Shape: after a failure each read returns an empty value and moves nothing, so a packet's decoder
 *        reads on in a straight line and looks at `violation` once at the end; loops ask `more`.
 * Owner: one decoder; reused between packets. Strings and binaries it returns are copies.
 */
import { utf8Fault } from './utf8.ts';
import type { Violation } from './violation.ts';

const EMPTY = Buffer.alloc(0);

export class ByteReader {
  buffer: Buffer = EMPTY;
  at = 0;
  end = 0;
  violation: Violation | undefined = undefined;

  reset(buffer: Buffer, at: number, end: number): void {
    this.buffer = buffer;
    this.at = at;
    this.end = end;
    this.violation = undefined;
  }

  /** Forgets the packet's bytes. */
  release(): void {
    this.buffer = EMPTY;
  }

  /** Bytes are left, and nothing has failed. */
  get more(): boolean {
    return this.violation === undefined && this.at < this.end;
  }

  fail(violation: Violation): void {
    this.violation ??= violation;
  }

  u8(cut: Violation): number {
    const at = this.#take(1, cut);
    return at < 0 ? 0 : (this.buffer[at] as number);
  }

  u16(cut: Violation): number {
    const at = this.#take(2, cut);
    return at < 0 ? 0 : this.buffer.readUInt16BE(at);
  }

  u32(cut: Violation): number {
    const at = this.#take(4, cut);
    return at < 0 ? 0 : this.buffer.readUInt32BE(at);
  }

  /** A Variable Byte Integer in its shortest form. */
  varint(cut: Violation): number {
    let value = 0;
    for (let i = 0; i < 4; i++) {
      const byte = this.u8(cut);
      value |= (byte & 0x7f) << (7 * i);
      if (byte > 0x7f) continue;
      if (byte === 0 && i > 0) this.fail('property_varint');
      return value;
    }
    this.fail('property_varint');
    return 0;
  }

  /** A UTF-8 Encoded String. */
  text(cut: Violation, illFormed: Violation, zero: Violation): string {
    const length = this.u16(cut);
    const start = this.#take(length, cut);
    if (start < 0) return '';
    const fault = utf8Fault(this.buffer, start, this.at);
    if (fault === undefined) return this.buffer.toString('utf8', start, this.at);
    this.fail(fault === 'utf8' ? illFormed : zero);
    return '';
  }

  /** Binary Data. */
  binary(cut: Violation): Buffer {
    const length = this.u16(cut);
    const start = this.#take(length, cut);
    return start < 0 ? EMPTY : Buffer.from(this.buffer.subarray(start, this.at));
  }

  #take(bytes: number, cut: Violation): number {
    if (this.violation !== undefined) return -1;
    const start = this.at;
    if (start + bytes > this.end) {
      this.violation = cut;
      return -1;
    }
    this.at = start + bytes;
    return start;
  }
}
