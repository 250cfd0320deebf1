/**
 * Memory consumer — the server's side of a follower: sends what is stored, in order, within a
 * window of bytes, and says in band when a trim overtook it and when it has caught up.
 */
import { FOLLOW_WINDOW_BYTES, type StreamMessage } from '../port.ts';
import type { MemoryStream } from './memory-stream.ts';
import { subjectMatches } from './subject-match.ts';

/** What the follower's side receives; each call is one thing on its way down the link. */
export interface ConsumerSink {
  message(message: StreamMessage): void;
  caughtUp(lastSequence: number): void;
  gap(firstSequence: number): void;
}

export class MemoryConsumer {
  readonly #stream: MemoryStream;
  readonly #subject: string | undefined;
  readonly #sink: ConsumerSink;
  #next: number;
  #windowBytes = FOLLOW_WINDOW_BYTES;
  #catchUpTo: number | undefined;
  #started = false;

  constructor(
    stream: MemoryStream,
    fromSequence: number,
    subject: string | undefined,
    sink: ConsumerSink,
  ) {
    this.#stream = stream;
    this.#subject = subject;
    this.#sink = sink;
    this.#next = fromSequence;
    this.#catchUpTo = stream.lastSequence;
  }

  /** The follower has processed so much: the server may send as much again. */
  grant(bytes: number): void {
    this.#windowBytes += bytes;
    this.pump();
  }

  pump(): void {
    const stream = this.#stream;
    this.#skipTrimmed();
    while (this.#next <= stream.lastSequence && this.#windowBytes > 0) {
      const message = stream.get(this.#next++);
      if (message === undefined) continue;
      if (this.#subject !== undefined && !subjectMatches(this.#subject, message.subject)) continue;
      this.#windowBytes -= message.payload.length;
      this.#sink.message(message);
    }
    if (this.#catchUpTo === undefined || this.#next <= this.#catchUpTo) return;
    const lastSequence = this.#catchUpTo;
    this.#catchUpTo = undefined;
    this.#sink.caughtUp(lastSequence);
  }

  /** Told at every start; later only where sequences without holes make it a trim for certain. */
  #skipTrimmed(): void {
    const first = this.#stream.firstSequence;
    const contiguous =
      this.#subject === undefined && (this.#stream.config.messagesPerSubjectMax ?? 0) === 0;
    if (first > this.#next) {
      this.#next = first;
      if (contiguous || !this.#started) this.#sink.gap(first);
    }
    this.#started = true;
  }
}
