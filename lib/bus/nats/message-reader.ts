/**
 * Message reader — takes messages out of the bytes that a server sends, in place of the library's
 * own parser, which grows a zeroed buffer by doubling for each message that spans reads (a third of
 * the CPU time of a process that reads records of 40 KB).
 *
 * Shape: `read` one chunk after the other. A small message is a slice of its chunk; a large one, or
 *        one that spans chunks, is copied into a buffer of its exact size. All other lines (PING,
 *        INFO, errors) go to the library's parser.
 * Keeps: the chunks are the reader's from then on. One of which no slice was handed out gives its
 *        memory back at once: left to the collector, the reads of a busy process pile up to 64 MB
 *        again and again, and each time a full collection is what frees them.
 * Fails: throws at bytes that are no NATS protocol; the connection is of no use then.
 *
 *     MSG  subject sid [reply] size\r\n payload\r\n
 *     HMSG subject sid [reply] headerSize totalSize\r\n headers payload\r\n
 */
import type { MsgArg } from '@nats-io/transport-node';

/** What the library's connection does with what was read. */
export interface MessageSink {
  processMsg(message: MsgArg, data: Uint8Array): void;
  readonly parser: { parse(line: Uint8Array): void };
}

/** The server's own limit of a control line is 4 KiB; its INFO may be longer. */
const LINE_BYTES_MAX = 256 * 1024;
/** Largest payload that a server can be set to take. */
const PAYLOAD_BYTES_MAX = 64 * 1024 * 1024;

/** Messages of this size are copied, so that they do not hold a chunk of 64 KiB alive. */
const COPIED_BYTES_MIN = 2 * 1024;
/** Giving back a smaller chunk is not worth the call. */
const RELEASED_BYTES_MIN = 8 * 1024;

const SPACE = 32;
const LF = 10;
const DIGIT_0 = 48;
const LETTER_H = 72;
const LETTER_M = 77;
const LINE_END_BYTES = 2;
const EMPTY = Buffer.alloc(0);

export class MessageReader {
  readonly #sink: MessageSink;
  readonly #spaces: number[] = [];
  /** Beginning of a line that the last chunk cut. */
  #line = EMPTY;
  /** The message whose payload is not whole yet. */
  #message: MsgArg | undefined;
  #payload = EMPTY;
  #filled = 0;
  /** Some message of the chunk in hand is a slice of it. */
  #isSliced = false;

  constructor(sink: MessageSink) {
    this.#sink = sink;
  }

  read(chunk: Buffer): void {
    this.#isSliced = false;
    this.#readAll(chunk);
    const { buffer } = chunk;
    if (this.#isSliced || chunk.length < RELEASED_BYTES_MIN) return;
    // A chunk that shares its memory with others is none of ours.
    if (buffer instanceof ArrayBuffer && buffer.byteLength === chunk.length) buffer.transfer(0);
  }

  #readAll(chunk: Buffer): void {
    let at = 0;
    if (this.#message !== undefined) at = this.#fill(this.#message, chunk, 0);
    else if (this.#line.length > 0) at = this.#finishLine(chunk);
    while (at < chunk.length) {
      const lineEnd = chunk.indexOf(LF, at);
      if (lineEnd < 0) {
        this.#line = Buffer.from(chunk.subarray(at));
        return;
      }
      at = this.#take(chunk, lineEnd + 1, this.#readLine(chunk, at, lineEnd));
    }
  }

  #finishLine(chunk: Buffer): number {
    const lineEnd = chunk.indexOf(LF);
    const end = lineEnd < 0 ? chunk.length : lineEnd + 1;
    const line = Buffer.concat([this.#line, chunk.subarray(0, end)]);
    if (line.length > LINE_BYTES_MAX) throw new RangeError('line of a NATS server without end');
    this.#line = lineEnd < 0 ? line : EMPTY;
    if (lineEnd < 0) return end;
    return this.#take(chunk, end, this.#readLine(line, 0, line.length - 1));
  }

  /** The message that a line announces; undefined = the line was all. */
  #readLine(b: Buffer, start: number, end: number): MsgArg | undefined {
    const first = b[start];
    if (first !== LETTER_M && first !== LETTER_H) {
      this.#sink.parser.parse(b.subarray(start, end + 1));
      return undefined;
    }
    const spaces = this.#spaces;
    let count = 0;
    for (let i = start; i < end; i++) if (b[i] === SPACE) spaces[count++] = i;
    const hasHeaders = first === LETTER_H;
    const withoutReply = hasHeaders ? 4 : 3;
    if (count !== withoutReply && count !== withoutReply + 1) throw malformed(b, start, end);
    // The line ends with CR LF.
    spaces[count] = end - 1;
    const last = count - 1;
    const message: MsgArg = {
      subject: b.subarray((spaces[0] as number) + 1, spaces[1]),
      sid: number(b, spaces, 1),
      hdr: hasHeaders ? number(b, spaces, last - 1) : -1,
      size: number(b, spaces, last),
    };
    if (count > withoutReply) message.reply = b.subarray((spaces[2] as number) + 1, spaces[3]);
    const { sid, hdr, size } = message;
    if (!(sid >= 0 && hdr <= size && size <= PAYLOAD_BYTES_MAX)) throw malformed(b, start, end);
    return message;
  }

  /** Hands on the message whose payload begins at `at`, or its part; → where to go on. */
  #take(chunk: Buffer, at: number, message: MsgArg | undefined): number {
    if (message === undefined) return at;
    const end = at + message.size;
    if (end + LINE_END_BYTES <= chunk.length && message.size < COPIED_BYTES_MIN) {
      this.#isSliced = true;
      this.#sink.processMsg(message, chunk.subarray(at, end));
      return end + LINE_END_BYTES;
    }
    message.subject = Buffer.from(message.subject);
    if (message.reply !== undefined) message.reply = Buffer.from(message.reply);
    this.#message = message;
    this.#payload = Buffer.allocUnsafeSlow(message.size + LINE_END_BYTES);
    this.#filled = 0;
    return this.#fill(message, chunk, at);
  }

  /** Copies what the chunk has of the payload from `at` on; → where to go on. */
  #fill(message: MsgArg, chunk: Buffer, at: number): number {
    const payload = this.#payload;
    const taken = chunk.copy(payload, this.#filled, at);
    this.#filled += taken;
    if (this.#filled < payload.length) return at + taken;
    this.#message = undefined;
    this.#payload = EMPTY;
    this.#sink.processMsg(message, payload.subarray(0, message.size));
    return at + taken;
  }
}

/** The number between two spaces; NaN when something else stands there. */
function number(b: Buffer, spaces: readonly number[], index: number): number {
  const start = (spaces[index] as number) + 1;
  const end = spaces[index + 1] as number;
  let value = end > start ? 0 : NaN;
  for (let i = start; i < end; i++) {
    const digit = (b[i] as number) - DIGIT_0;
    value = digit >= 0 && digit <= 9 ? value * 10 + digit : NaN;
  }
  return value;
}

function malformed(b: Buffer, start: number, end: number): RangeError {
  return new RangeError(
    `no NATS message: ${b.toString('latin1', start, Math.min(end, start + 80))}`,
  );
}
