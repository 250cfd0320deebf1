/**
 * NATS message — what one delivery brought, read from the bytes of its control line when asked.
 *
 * Owner: the parser keeps one for all deliveries: it is valid only during the callback that it is
 *        handed to, since the line stands in a buffer that the next read overwrites. `header` and
 *        `payload` were copied out and belong to the receiver, who may keep them.
 * Cost:  no object and no string a message; the hot paths read a number out of the bytes of a
 *        subject (1 ns a byte) and never decode it.
 */
const DIGIT_0 = 48;
const DIGIT_9 = 57;
const DOT = 46;
const EMPTY = Buffer.alloc(0);

export class NatsMessage {
  sid = 0;
  /** Raw header block with its status line; empty when there is none. */
  header: Buffer = EMPTY;
  payload: Buffer = EMPTY;
  /** Holds the control line; subject and reply are ranges in it, the reply's empty when none. */
  line: Buffer = EMPTY;
  subjectStart = 0;
  subjectEnd = 0;
  replyStart = 0;
  replyEnd = 0;

  get subject(): string {
    return this.line.toString('utf8', this.subjectStart, this.subjectEnd);
  }

  get reply(): string | undefined {
    if (this.replyEnd === this.replyStart) return undefined;
    return this.line.toString('utf8', this.replyStart, this.replyEnd);
  }

  /** The subject; `known` itself where it is the same: no new string for a run of one subject. */
  subjectLike(known: string): string {
    const { line, subjectStart } = this;
    if (known.length !== this.subjectEnd - subjectStart) return this.subject;
    for (let i = 0; i < known.length; i++) {
      const byte = line[subjectStart + i] as number;
      if (byte !== known.charCodeAt(i) || byte > 127) return this.subject;
    }
    return known;
  }

  /** Number that ends the subject, -1 when the last token is none. */
  lastNumberOfSubject(): number {
    const { line, subjectStart } = this;
    let value = 0;
    let scale = 1;
    let i = this.subjectEnd - 1;
    for (; i >= subjectStart; i--) {
      const byte = line[i] as number;
      if (byte < DIGIT_0 || byte > DIGIT_9) break;
      value += (byte - DIGIT_0) * scale;
      scale *= 10;
    }
    return scale === 1 || i < subjectStart || line[i] !== DOT ? -1 : value;
  }
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
  read(message: NatsMessage): boolean {
    const { line, replyStart, replyEnd } = message;
    const dots = this.#dots;
    dots.length = 0;
    for (let i = replyStart; i < replyEnd; i++) if (line[i] === DOT) dots.push(i);
    // Index of the dot before the stream sequence.
    const first = dots.length === 8 ? 4 : dots.length >= 10 ? 6 : -1;
    if (first < 0) return false;
    dots.push(replyEnd);
    this.streamSequence = this.#number(line, first, 0);
    this.consumerSequence = this.#number(line, first + 1, 0);
    // Nanoseconds do not fit a double: the last six digits are left out.
    this.storedAtMs = this.#number(line, first + 2, 6);
    this.pending = this.#number(line, first + 3, 0);
    return true;
  }

  #number(bytes: Uint8Array, dotIndex: number, cutDigits: number): number {
    const start = (this.#dots[dotIndex] as number) + 1;
    const end = (this.#dots[dotIndex + 1] as number) - cutDigits;
    let value = 0;
    for (let i = start; i < end; i++) value = value * 10 + (bytes[i] as number) - DIGIT_0;
    return value;
  }
}
