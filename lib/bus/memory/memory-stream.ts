/**
 * Memory stream — the storage rules of a JetStream stream as Weir configures it, without time.
 *
 * Order of checks: message id or expectations first — nats-server 2.15.1 looks at the id
 * first on three replicas, at the expectations first on one, so chance decides: a repeat of what
 * landed is answered as duplicate or as refused, and a caller must be right with both. Then the
 * room (`discard: new`).
 * Trimming beyond the end moves the next sequence, as the server's purge does.
 */
import type { Random } from '#base';
import type {
  AppendRequest,
  AppendResult,
  GetResult,
  StreamConfig,
  StreamMessage,
  StreamState,
} from '../port.ts';
import { subjectMatches } from './subject-match.ts';

/** What the server counts per message beside subject and payload; near enough for limits. */
const ENVELOPE_BYTES = 22;
const DUPLICATE_WINDOW_MS_DEFAULT = 120_000;

export class MemoryStream {
  config: StreamConfig;
  readonly #random: Random;
  readonly #messages = new Map<number, StreamMessage>();
  /** Sequences per subject, ascending; only of live messages. */
  readonly #bySubject = new Map<string, number[]>();
  readonly #ids = new Map<string, { sequence: number; atMs: number }>();
  #first = 1;
  #last = 0;
  #bytes = 0;

  constructor(config: StreamConfig, random: Random) {
    this.config = config;
    this.#random = random;
  }

  get firstSequence(): number {
    return this.#first;
  }

  get lastSequence(): number {
    return this.#last;
  }

  takes(subject: string): boolean {
    return this.config.subjects.some((filter) => subjectMatches(filter, subject));
  }

  /** `nowMs` measures the duplicate window, `wallMs` is stored. `payload` is kept. */
  append(request: AppendRequest, payload: Buffer, nowMs: number, wallMs: number): AppendResult {
    const { subject, messageId } = request;
    const expected = this.#expected(request);
    if (!expected && (messageId === undefined || this.#random() < 0.5)) return { kind: 'refused' };
    if (messageId !== undefined) {
      this.#forgetIds(nowMs);
      const known = this.#ids.get(messageId);
      if (known !== undefined) {
        return { kind: 'stored', sequence: known.sequence, duplicate: true };
      }
    }
    if (!expected) return { kind: 'refused' };
    const bytes = subject.length + payload.length + ENVELOPE_BYTES;
    const { bytesMax = 0, messagesPerSubjectMax = 0 } = this.config;
    if (bytesMax > 0 && this.#bytes + bytes > bytesMax) return { kind: 'full' };
    const sequence = ++this.#last;
    const deleted = request.deletes === true;
    this.#messages.set(sequence, { subject, sequence, payload, storedAtMs: wallMs, deleted });
    this.#bytes += bytes;
    const ofSubject = this.#bySubject.get(subject) ?? [];
    if (ofSubject.length === 0) this.#bySubject.set(subject, ofSubject);
    ofSubject.push(sequence);
    if (messageId !== undefined) this.#ids.set(messageId, { sequence, atMs: nowMs });
    if (messagesPerSubjectMax > 0 && ofSubject.length > messagesPerSubjectMax) {
      this.#remove(ofSubject[0] as number);
      this.#moveFirst();
    }
    return { kind: 'stored', sequence, duplicate: false };
  }

  get(sequence: number): StreamMessage | undefined {
    return this.#messages.get(sequence);
  }

  lastOnSubject(subject: string): GetResult {
    const sequence = this.#bySubject.get(subject)?.at(-1);
    const message = sequence === undefined ? undefined : this.#messages.get(sequence);
    return message === undefined ? { kind: 'absent' } : { kind: 'found', message };
  }

  state(): StreamState {
    return {
      firstSequence: this.#first,
      lastSequence: this.#last,
      messages: this.#messages.size,
      bytes: this.#bytes,
      bytesMax: this.config.bytesMax ?? 0,
    };
  }

  trim(sequence: number): void {
    for (let s = this.#first; s < sequence && s <= this.#last; s++) this.#remove(s);
    this.#last = Math.max(this.#last, sequence - 1);
    this.#first = Math.max(this.#first, sequence);
    this.#moveFirst();
  }

  /** Live messages in order. */
  messages(): StreamMessage[] {
    return [...this.#messages.values()];
  }

  #expected(request: AppendRequest): boolean {
    const { expectedLastSequence, expectedLastSubjectSequence } = request;
    if (expectedLastSequence !== undefined && expectedLastSequence !== this.#last) return false;
    if (expectedLastSubjectSequence === undefined) return true;
    const last = this.#bySubject.get(request.subject)?.at(-1) ?? 0;
    return last === expectedLastSubjectSequence;
  }

  #remove(sequence: number): void {
    const message = this.#messages.get(sequence);
    if (message === undefined) return;
    this.#messages.delete(sequence);
    this.#bytes -= message.subject.length + message.payload.length + ENVELOPE_BYTES;
    const ofSubject = this.#bySubject.get(message.subject);
    ofSubject?.shift();
    if (ofSubject?.length === 0) this.#bySubject.delete(message.subject);
  }

  #moveFirst(): void {
    while (this.#first <= this.#last && !this.#messages.has(this.#first)) this.#first++;
  }

  #forgetIds(nowMs: number): void {
    const windowMs = this.config.duplicateWindowMs ?? DUPLICATE_WINDOW_MS_DEFAULT;
    for (const [id, { atMs }] of this.#ids) {
      if (atMs + windowMs > nowMs) break;
      this.#ids.delete(id);
    }
  }
}
