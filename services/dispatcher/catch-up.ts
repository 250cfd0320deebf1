/**
 * Catch-up — sends a gateway what it missed, by matching again (protocol 26).
 *
 * Shape: one per link that is behind: a piece of the tail per turn of the loop; what is older than
 *        the tail is read from the log by a follower of its own. Ends when it reaches the head.
 * Pace:  STEP_BYTES per turn, and never more than the gateway's window: live gateways do not wait.
 * Ends:  what is needed is trimmed already → the gateway cannot be served: it is ended by name.
 */
import type { Bus, Follower, StreamMessage } from '#bus';
import { logStream, positionAfterRecord, sequenceOf, writerOfSubject } from '#log';
import type { PartitionLink } from './partition-link.ts';
import type { RecordTail, TailRecord } from './record-tail.ts';

/** Record bytes matched again per turn and gateway: about a millisecond. */
const STEP_BYTES = 256 * 1024;
/** Bytes read ahead from the log before its follower pauses; FOLLOW_WINDOW_BYTES more may come. */
const WAITING_BYTES = 1024 * 1024;

export interface CatchUpOptions {
  readonly bus: Bus;
  readonly partition: number;
  readonly tail: RecordTail;
  readonly link: PartitionLink;
  /** Sequence of the last record dispatched. */
  readonly headSequence: () => number;
  /** Puts the link's messages of a record, those above its `sentTo`, into its channel. */
  readonly send: (record: TailRecord) => void;
  readonly nextTurn: (task: () => void) => void;
  readonly onDone: () => void;
  readonly onTrimmed: () => void;
}

export class CatchUp {
  readonly #o: CatchUpOptions;
  #follower: Follower | undefined;
  /** Records read from the log while the window was full. */
  #waiting: TailRecord[] = [];
  #waitingBytes = 0;
  #blocked = false;
  #planned = false;
  #closed = false;

  constructor(options: CatchUpOptions) {
    this.#o = options;
    this.#plan();
  }

  /** The gateway has taken something: go on if the window lets. */
  poke(): void {
    if (this.#blocked && this.#o.link.window.open) {
      this.#blocked = false;
      this.#plan();
    }
  }

  close(): void {
    this.#closed = true;
    this.#follower?.close();
    this.#follower = undefined;
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #plan(): void {
    if (this.#planned || this.#closed) return;
    this.#planned = true;
    this.#o.nextTurn(() => {
      this.#planned = false;
      if (!this.#closed) this.#step();
    });
  }

  #step(): void {
    const { link } = this.#o;
    let bytes = 0;
    while (bytes < STEP_BYTES) {
      if (link.window.full) {
        this.#blocked = true;
        this.#follower?.pause();
        return;
      }
      const next = this.#next();
      if (next === 'head') return this.#finish();
      if (next === 'log') return;
      this.#o.send(next);
      bytes += next.payload.length;
    }
    this.#plan();
  }

  /** The record to send next, or where to wait for it. */
  #next(): TailRecord | 'head' | 'log' {
    const sequence = this.#nextSequence();
    if (sequence > this.#o.headSequence()) return 'head';
    if (this.#o.tail.firstSequence <= sequence) {
      this.#follower?.close();
      this.#follower = undefined;
      this.#waiting = [];
      this.#waitingBytes = 0;
      return this.#o.tail.from(sequence) ?? 'head';
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

  #nextSequence(): number {
    const { sentTo } = this.#o.link;
    const sequence = sequenceOf(sentTo);
    return sentTo === positionAfterRecord(sequence) ? sequence + 1 : sequence;
  }

  #readLog(fromSequence: number): void {
    const { bus, partition } = this.#o;
    this.#follower = bus.follow({
      stream: logStream(partition),
      fromSequence,
      onMessage: (message) => this.#onLogRecord(message),
      onGap: () => {
        if (!this.#closed) this.#o.onTrimmed();
      },
    });
  }

  #onLogRecord(message: StreamMessage): void {
    if (this.#closed || this.#follower === undefined) return;
    const [incarnation = ''] = writerOfSubject(message.subject).split('.');
    this.#waiting.push({ sequence: message.sequence, payload: message.payload, incarnation });
    this.#waitingBytes += message.payload.length;
    if (this.#waitingBytes >= WAITING_BYTES) this.#follower.pause();
    if (!this.#blocked) this.#plan();
  }

  #finish(): void {
    this.close();
    this.#o.onDone();
  }
}
