/**
 * NATS writer — what is sent, collected and written once a turn.
 *
 * Shape: lines, header blocks and payloads are copied into chunks (0.1 ns a byte): the caller's
 *        bytes are free after the call. One write is under way at a time; its chunks are used
 *        again when it is done. A turn's first line plans the write for the turn's end; a full
 *        chunk does not wait for it.
 * Full:  while a server does not read, chunks collect, up to PENDING_BYTES_MAX; then messages are
 *        refused. The silence ends such a connection after seconds (Link).
 */

/** Also what is written without waiting for the end of the turn. */
const CHUNK_BYTES = 256 * 1024;
/** Free chunks that are kept: 4 MiB. */
const CHUNKS_KEPT = 16;
/** Not yet taken by the operating system, bytes: half a second of a 1 Gbit/s link. */
export const PENDING_BYTES_MAX = 64 * 1024 * 1024;

/** What a subject must not hold: it would begin another part of the line, or another line. */
const NO_SUBJECT = /^$|[\s\0]/;
const NO_BYTES = Buffer.alloc(0);
const LINE_END = Buffer.from('\r\n');

/** Throws RangeError for what would change the meaning of a line. */
export function checkSubject(subject: string): void {
  if (NO_SUBJECT.test(subject)) throw new RangeError(`no subject: ${JSON.stringify(subject)}`);
}

/** Hands chunks to the socket; `onWritten` when they are free again. */
export type Send = (chunks: readonly Buffer[], onWritten: () => void) => void;

export class NatsWriter {
  readonly #send: Send;
  /** Being filled, up to `#at`. */
  #chunk: Buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  #at = 0;
  /** Filled ones that wait; each as far as it is filled. */
  #filled: Buffer[] = [];
  #filledBytes = 0;
  #underWay: readonly Buffer[] = [];
  #bytesUnderWay = 0;
  readonly #free: Buffer[] = [];
  #planned = false;
  #ended = false;
  /** The last subject that was looked at: runs of one subject are the rule. */
  #goodSubject: string | undefined;
  readonly #onTurnEnd = (): void => {
    this.#planned = false;
    this.#write();
  };
  readonly #onWritten = (): void => {
    for (const chunk of this.#underWay) {
      if (this.#free.length < CHUNKS_KEPT) this.#free.push(whole(chunk));
    }
    this.#underWay = [];
    this.#bytesUnderWay = 0;
    this.#write();
  };

  constructor(send: Send) {
    this.#send = send;
  }

  /** Bytes that the operating system has not taken yet. */
  get pendingBytes(): number {
    return this.#at + this.#filledBytes + this.#bytesUnderWay;
  }

  /**
   * False: too much is waiting, nothing was taken. Throws RangeError for no subject; `reply` is an
   * inbox of ours, or was looked at by `checkSubject`.
   */
  publish(
    subject: string,
    payload: Uint8Array,
    reply?: string,
    header: Uint8Array = NO_BYTES,
  ): boolean {
    this.#check(subject);
    const bytes = header.length + payload.length;
    if (this.pendingBytes + bytes > PENDING_BYTES_MAX) return false;
    const back = reply === undefined ? '' : `${reply} `;
    this.#line(
      header.length === 0
        ? `PUB ${subject} ${back}${bytes}\r\n`
        : `HPUB ${subject} ${back}${header.length} ${bytes}\r\n`,
    );
    if (header.length > 0) this.#append(header);
    if (payload.length > 0) this.#append(payload);
    this.#append(LINE_END);
    return true;
  }

  subscribe(subject: string, sid: number): void {
    this.#check(subject);
    this.#line(`SUB ${subject} ${sid}\r\n`);
  }

  unsubscribe(sid: number): void {
    this.#line(`UNSUB ${sid}\r\n`);
  }

  ping(): void {
    this.#line('PING\r\n');
  }

  pong(): void {
    this.#line('PONG\r\n');
  }

  connect(options: object): void {
    this.#line(`CONNECT ${JSON.stringify(options)}\r\n`);
  }

  /** Nothing is written any more. */
  end(): void {
    this.#ended = true;
    this.#at = 0;
    this.#filled = [];
    this.#filledBytes = 0;
    this.#bytesUnderWay = 0;
  }

  #check(subject: string): void {
    if (subject === this.#goodSubject) return;
    checkSubject(subject);
    this.#goodSubject = subject;
  }

  #line(text: string): void {
    // A UTF-16 unit takes at most three bytes.
    if (this.#at + 3 * text.length <= CHUNK_BYTES) {
      this.#at += this.#chunk.write(text, this.#at, 'utf8');
    } else this.#append(Buffer.from(text));
    if (this.#planned) return;
    this.#planned = true;
    process.nextTick(this.#onTurnEnd);
  }

  #append(bytes: Uint8Array): void {
    const end = this.#at + bytes.length;
    if (end <= CHUNK_BYTES) {
      this.#chunk.set(bytes, this.#at);
      this.#at = end;
      return;
    }
    for (let from = 0; from < bytes.length;) {
      if (this.#at === CHUNK_BYTES) this.#nextChunk();
      const part = bytes.subarray(from, from + CHUNK_BYTES - this.#at);
      this.#chunk.set(part, this.#at);
      this.#at += part.length;
      from += part.length;
    }
    this.#write();
  }

  #nextChunk(): void {
    this.#filled.push(this.#at === CHUNK_BYTES ? this.#chunk : this.#chunk.subarray(0, this.#at));
    this.#filledBytes += this.#at;
    this.#chunk = this.#free.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
    this.#at = 0;
  }

  #write(): void {
    if (this.#bytesUnderWay > 0 || this.#ended) return;
    if (this.#at > 0) this.#nextChunk();
    if (this.#filledBytes === 0) return;
    this.#underWay = this.#filled;
    this.#bytesUnderWay = this.#filledBytes;
    this.#filled = [];
    this.#filledBytes = 0;
    this.#send(this.#underWay, this.#onWritten);
  }
}

/** The chunk that `part` is the beginning of. */
function whole(part: Buffer): Buffer {
  return part.length === CHUNK_BYTES ? part : Buffer.from(part.buffer, 0, CHUNK_BYTES);
}
