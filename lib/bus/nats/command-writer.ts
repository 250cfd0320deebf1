/**
 * Command writer — what is published in a turn of callbacks, written to the socket as one piece, in
 * place of the library's output, which copies each payload twice into new memory.
 *
 * Shape: two buffers; one is filled while the socket writes the other. While it does, everything
 *        waits for it: a slow server makes larger writes, not more of them.
 * Order: as published. Commands of the library (SUB, PING) are written by itself at the end of the
 *        turn in which they are given; what is published after a SUB leaves after it.
 * Full:  what finds no room goes to the socket at once, which keeps it; nothing is dropped. As with
 *        the library, memory is bounded by what the callers have under way.
 */
import type { Socket } from 'node:net';

/** A turn of a busy process: some records of up to 256 KiB. */
const BUFFER_BYTES = 512 * 1024;
/** `HPUB`, three blanks, two numbers and line ends. */
const LINE_BYTES_MAX = 48;
const CR = 13;
const LF = 10;

export class CommandWriter {
  readonly #socket: Socket;
  readonly #onTurnEnd = (): void => this.#turnEnded();
  readonly #onWritten = (): void => this.#written();
  #filling: Buffer | undefined;
  #length = 0;
  /** Handed to the socket and not taken yet. */
  #writing: Buffer | undefined;
  #spare: Buffer | undefined;
  /** Ends of turns that are still to come; the last one writes. */
  #turnsPlanned = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Copies everything: nothing is kept. */
  publish(subject: string, payload: Uint8Array, reply: string, headers: Buffer | undefined): void {
    const headerBytes = headers?.length ?? 0;
    const total = headerBytes + payload.length;
    // Three bytes hold whatever one unit of text becomes.
    this.#reserve(total + (subject.length + reply.length) * 3 + LINE_BYTES_MAX);
    const b = this.#filling as Buffer;
    const to = reply === '' ? subject : `${subject} ${reply}`;
    const line =
      headers === undefined ? `PUB ${to} ${total}\r\n` : `HPUB ${to} ${headerBytes} ${total}\r\n`;
    let at = this.#length;
    at += b.write(line, at);
    if (headers !== undefined) at += headers.copy(b, at);
    b.set(payload, at);
    at += payload.length;
    b[at] = CR;
    b[at + 1] = LF;
    this.#plan(at + 2);
  }

  /** Hands all to the socket now, for what the library writes next is to come after it. */
  flush(): void {
    if (this.#length === 0) return;
    if (this.#writing === undefined) this.#write();
    else this.#spill();
  }

  #plan(length: number): void {
    // Nothing collected before: the end of this turn may not be planned yet, or lie before a SUB.
    if (this.#length === 0) {
      this.#turnsPlanned++;
      queueMicrotask(this.#onTurnEnd);
    }
    this.#length = length;
  }

  #turnEnded(): void {
    if (--this.#turnsPlanned > 0 || this.#writing !== undefined || this.#length === 0) return;
    this.#write();
  }

  #write(): void {
    const buffer = this.#filling as Buffer;
    const bytes = buffer.subarray(0, this.#length);
    this.#writing = buffer;
    this.#filling = undefined;
    this.#length = 0;
    this.#socket.write(bytes, this.#onWritten);
  }

  #written(): void {
    const buffer = this.#writing;
    this.#writing = undefined;
    if (buffer?.length === BUFFER_BYTES) this.#spare = buffer;
    // Within a turn its end does it, for a SUB of the library may have to leave before.
    if (this.#length > 0 && this.#turnsPlanned === 0) this.#write();
  }

  #reserve(bytes: number): void {
    if (this.#filling !== undefined) {
      if (this.#length + bytes <= this.#filling.length) return;
      if (this.#length > 0) this.#spill();
    }
    if (bytes <= BUFFER_BYTES && this.#spare !== undefined) {
      this.#filling = this.#spare;
      this.#spare = undefined;
    } else this.#filling = Buffer.allocUnsafeSlow(Math.max(BUFFER_BYTES, bytes));
  }

  /** Gives the buffer away: the collector gets it when the socket is done. */
  #spill(): void {
    const buffer = this.#filling as Buffer;
    this.#socket.write(buffer.subarray(0, this.#length));
    this.#filling = undefined;
    this.#length = 0;
  }
}
