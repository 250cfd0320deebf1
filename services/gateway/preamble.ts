/**
 * Preamble — the first bytes of a socket, looked at before anybody else reads them.
 *
 * For what stands before the protocol proper (a PROXY header) or tells which one follows. What the
 * verdict does not take goes back to the socket, in front of what comes later.
 * Bound: `look` must decide within a few KiB; a socket that says nothing costs only its time-out.
 * Ends:  `onDone` is called once, in a later turn: only then has the stream left its mode for
 *        `readable` listeners, and the next reader may choose its own.
 */
import type { Socket } from 'node:net';
import type { WheelEntry } from './keep-alive-wheel.ts';

export interface Look<Verdict> {
  readonly verdict: Verdict;
  /** Bytes that nobody shall see again. */
  readonly takenBytes: number;
}

const NONE: Buffer = Buffer.alloc(0);

export class Preamble<Verdict> implements WheelEntry {
  heardTick = 0;
  spanTicks = 0;
  slot = -1;
  /** Bytes seen before the end. */
  bytes = NONE;
  readonly #socket: Socket;
  readonly #look: (bytes: Buffer) => Look<Verdict> | undefined;
  readonly #onDone: (verdict: Verdict | 'closed' | 'timed_out') => void;
  #isDone = false;
  readonly #onReadable = (): void => this.#read();
  readonly #onClosed = (): void => this.#done('closed');

  constructor(
    socket: Socket,
    look: (bytes: Buffer) => Look<Verdict> | undefined,
    onDone: (verdict: Verdict | 'closed' | 'timed_out') => void,
  ) {
    this.#socket = socket;
    this.#look = look;
    this.#onDone = onDone;
    socket.on('readable', this.#onReadable);
    for (const event of ['error', 'end', 'close']) socket.on(event, this.#onClosed);
  }

  onSilence(): void {
    this.#done('timed_out');
  }

  #read(): void {
    if (this.#isDone) return;
    const chunk = this.#socket.read() as Buffer | null;
    if (chunk === null) return;
    this.bytes = this.bytes.length === 0 ? chunk : Buffer.concat([this.bytes, chunk]);
    const found = this.#look(this.bytes);
    if (found === undefined) return;
    this.#isDone = true;
    const socket = this.#socket;
    socket.off('readable', this.#onReadable);
    if (found.takenBytes < this.bytes.length) socket.unshift(this.bytes.subarray(found.takenBytes));
    setImmediate(() => {
      for (const event of ['error', 'end', 'close']) socket.off(event, this.#onClosed);
      this.#onDone(socket.destroyed ? 'closed' : found.verdict);
    });
  }

  #done(outcome: 'closed' | 'timed_out'): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#socket.off('readable', this.#onReadable);
    this.#onDone(outcome);
  }
}
