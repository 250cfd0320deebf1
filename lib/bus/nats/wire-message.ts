/**
 * Wire message — reads what the library received without paying for its conveniences.
 *
 * Why: the library decodes subject, reply and headers to strings and maps on first use, at
 *      0.1–3 µs each. The hot paths need a number out of a subject or one header out of two, so
 *      they read the bytes that the library's message keeps. Versions are pinned; the contract
 *      tests notice a change.
 */
import type { Msg, MsgImpl } from '@nats-io/transport-node';

const DIGIT_0 = 48;
const DIGIT_9 = 57;
const DOT = 46;
const EMPTY = Buffer.alloc(0);

/** The same bytes as a Buffer; no copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function payloadOf(message: Msg): Buffer {
  return asBuffer(message.data);
}

/** Raw header block with its status line; empty when there is none. */
export function headerBytes(message: Msg): Buffer {
  const { _msg, _rdata } = message as MsgImpl;
  return _msg.hdr > 0 ? asBuffer(_rdata.subarray(0, _msg.hdr)) : EMPTY;
}

/** Status of a server's message without a header of its own ("NATS/1.0 503"); 0 = none. */
export function statusOf(header: Buffer): number {
  // 'NATS/1.0' is 8 bytes; a status follows after a blank.
  if (header.length < 12 || header[8] !== 32) return 0;
  let status = 0;
  for (let i = 9; i < 12; i++) {
    const digit = (header[i] as number) - DIGIT_0;
    if (digit < 0 || digit > 9) return 0;
    status = status * 10 + digit;
  }
  return status;
}

/** Text behind the status. */
export function statusText(header: Buffer): string {
  const end = header.indexOf('\r\n');
  return header.toString('latin1', 12, end < 0 ? header.length : end).trim();
}

/** Value of one header, undefined when absent. `name` as the server writes it. */
export function headerValue(header: Buffer, name: string): string | undefined {
  const start = header.indexOf(`\r\n${name}:`, 0, 'latin1');
  if (start < 0) return undefined;
  const from = start + name.length + 3;
  const end = header.indexOf('\r\n', from, 'latin1');
  return header.toString('latin1', from, end < 0 ? header.length : end).trim();
}

/** Whether the stored message is a deletion marker of a registry key (KV-Operation). */
export function isDeletion(header: Buffer): boolean {
  if (header.length === 0) return false;
  const operation = headerValue(header, 'KV-Operation');
  return operation === 'DEL' || operation === 'PURGE';
}

/** Number that ends the subject, -1 when the last token is none. */
export function lastNumberOfSubject(message: Msg): number {
  const { subject } = (message as MsgImpl)._msg;
  let value = 0;
  let scale = 1;
  let i = subject.length - 1;
  for (; i >= 0; i--) {
    const byte = subject[i] as number;
    if (byte < DIGIT_0 || byte > DIGIT_9) break;
    value += (byte - DIGIT_0) * scale;
    scale *= 10;
  }
  return scale === 1 || subject[i] !== DOT ? -1 : value;
}

/** Numbers of a delivery, as the reply subject of a stream's message tells them. */
export class Delivery {
  streamSequence = 0;
  consumerSequence = 0;
  storedAtMs = 0;
  pending = 0;
  readonly #dots: number[] = [];

  /**
   * `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<ns>.<pending>`, or the
   * longer form with domain and account hash before the stream and a token at the end.
   * False: not such a subject.
   */
  read(message: Msg): boolean {
    const { reply } = (message as MsgImpl)._msg;
    if (reply === undefined) return false;
    const dots = this.#dots;
    dots.length = 0;
    for (let i = 0; i < reply.length; i++) if (reply[i] === DOT) dots.push(i);
    // Index of the dot before the stream sequence.
    const first = dots.length === 8 ? 4 : dots.length >= 10 ? 6 : -1;
    if (first < 0) return false;
    this.streamSequence = this.#number(reply, first, 0);
    this.consumerSequence = this.#number(reply, first + 1, 0);
    // Nanoseconds do not fit a double: the last six digits are left out.
    this.storedAtMs = this.#number(reply, first + 2, 6);
    this.pending = this.#number(reply, first + 3, 0);
    return true;
  }

  #number(bytes: Uint8Array, dotIndex: number, cutDigits: number): number {
    const start = (this.#dots[dotIndex] as number) + 1;
    const end = (this.#dots[dotIndex + 1] ?? bytes.length) - cutDigits;
    let value = 0;
    for (let i = start; i < end; i++) value = value * 10 + (bytes[i] as number) - DIGIT_0;
    return value;
  }
}
