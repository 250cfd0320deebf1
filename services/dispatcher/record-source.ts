/**
 * Record source — records of one partition that were dispatched already, read once more.
 *
 * Shape: from the tail where it reaches back far enough, else by a follower of the log; the caller
 *        asks for the next sequence and is told when waiting makes sense.
 * Full:  WAITING_BYTES read ahead, then the follower pauses; FOLLOW_WINDOW_BYTES more may come.
 */
import type { Bus, Follower, StreamMessage } from '#bus';
import { logStream, writerOfSubject } from '#log';
import type { RecordTail, TailRecord } from './record-tail.ts';

/** Bytes read ahead from the log before its follower pauses. */
const WAITING_BYTES = 1024 * 1024;

export interface RecordSourceOptions {
  readonly bus: Bus;
  readonly partition: number;
  readonly tail: RecordTail;
  /** Sequence of the last record dispatched. */
  readonly headSequence: () => number;
  /** A record has come from the log. */
  readonly onReady: () => void;
  /** What was asked for is trimmed; the log begins at `firstSequence`. */
  readonly onTrimmed: (firstSequence: number) => void;
}

export class RecordSource {
  readonly #o: RecordSourceOptions;
  #follower: Follower | undefined;
  #waiting: TailRecord[] = [];
  #waitingBytes = 0;
  #closed = false;

  constructor(options: RecordSourceOptions) {
    this.#o = options;
  }

  /** The first record at or above `sequence`, or where to wait for it. Valid for this turn. */
  next(sequence: number): TailRecord | 'head' | 'log' {
    if (sequence > this.#o.headSequence()) return 'head';
    const { tail } = this.#o;
    if (tail.firstSequence <= sequence) {
      this.#dropFollower();
      return tail.from(sequence) ?? 'head';
    }
    while (this.#waiting.length > 0) {
      const record = this.#waiting.shift() as TailRecord;
      this.#waitingBytes -= record.payload.length;
      if (record.sequence >= sequence) return record;
    }
    if (this.#follower === undefined) this.#readLog(sequence);
    else this.#follower.resume();
    return 'log';
  }

  /** Nothing will be asked for now. */
  pause(): void {
    this.#follower?.pause();
  }

  close(): void {
    this.#closed = true;
    this.#dropFollower();
  }

  #dropFollower(): void {
    this.#follower?.close();
    this.#follower = undefined;
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #readLog(fromSequence: number): void {
    const { bus, partition } = this.#o;
    const follower = bus.follow({
      stream: logStream(partition),
      fromSequence,
      onMessage: (message) => {
        if (this.#follower === follower) this.#onLogRecord(message);
      },
      onGap: (firstSequence) => {
        if (!this.#closed && this.#follower === follower) this.#o.onTrimmed(firstSequence);
      },
    });
    this.#follower = follower;
  }

  #onLogRecord(message: StreamMessage): void {
    const [incarnation = ''] = writerOfSubject(message.subject).split('.');
    this.#waiting.push({ sequence: message.sequence, payload: message.payload, incarnation });
    this.#waitingBytes += message.payload.length;
    if (this.#waitingBytes >= WAITING_BYTES) this.#follower?.pause();
    this.#o.onReady();
  }
}
