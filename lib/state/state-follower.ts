/**
 * State follower — reads a state log that another process writes, from its first record on.
 *
 * Shape: batches take effect whole, in order; marks and other subjects of the stream are passed by.
 * Gap:   a record trimmed before it was read may have held a deletion, which is not copied forward:
 *        everything is read again from the first record (protocol 12), announced by `onRestart`.
 * Full:  records of an unfinished batch wait in memory, a few hundred KiB.
 */
import type { Bus, Follower, StreamMessage } from '#bus';
import { stateStream, stateSubject } from './names.ts';
import { decodeStateHeader, forEachEntry, KIND_DELETE } from './state-record.ts';

/** `value` undefined: deleted. Borrowed. */
export interface StateEntry {
  readonly table: number;
  readonly key: string;
  readonly value: Buffer | undefined;
}

export interface StateFollowerOptions {
  readonly bus: Bus;
  readonly group: string;
  readonly partition: number;
  /** Reading begins, or begins anew: what was read before may be out of date. */
  readonly onRestart: () => void;
  readonly onBatch: (entries: readonly StateEntry[]) => void;
  /** Once per start: everything that was there at some moment since has been handed over. */
  readonly onCaughtUp: () => void;
  /** Everything in the stream up to this sequence has been handed over. */
  readonly onRead: (sequence: number) => void;
}

export class StateFollower {
  readonly #o: StateFollowerOptions;
  readonly #subject: string;
  #follower: Follower | undefined;
  #lastRead = 0;
  #chain: Buffer[] = [];
  #closed = false;

  constructor(options: StateFollowerOptions) {
    this.#o = options;
    this.#subject = stateSubject(options.group, options.partition);
    this.#read();
  }

  close(): void {
    this.#closed = true;
    this.#follower?.close();
  }

  #read(): void {
    const { bus, group, partition } = this.#o;
    this.#lastRead = 0;
    this.#chain = [];
    this.#o.onRestart();
    let caughtUp = false;
    const follower = bus.follow({
      stream: stateStream(group, partition),
      fromSequence: 1,
      onMessage: (message) => {
        if (!this.#closed && this.#follower === follower) this.#take(message);
      },
      onCaughtUp: () => {
        if (this.#closed || this.#follower !== follower || caughtUp) return;
        caughtUp = true;
        this.#o.onCaughtUp();
      },
    });
    this.#follower = follower;
  }

  #take(message: StreamMessage): void {
    const { sequence, payload, subject } = message;
    if (this.#lastRead !== 0 && sequence !== this.#lastRead + 1) {
      this.#follower?.close();
      this.#read();
      return;
    }
    this.#lastRead = sequence;
    if (subject === this.#subject) this.#apply(payload);
    if (!this.#closed) this.#o.onRead(sequence);
  }

  #apply(payload: Buffer): void {
    const header = decodeStateHeader(payload);
    if (header.mark) {
      // What its predecessor had begun is never finished.
      this.#chain = [];
      return;
    }
    this.#chain.push(payload);
    if (header.continues) return;
    const entries: StateEntry[] = [];
    for (const record of this.#chain) {
      forEachEntry(record, decodeStateHeader(record), (table, kind, key, start, end) => {
        entries.push({
          table,
          key,
          value: kind === KIND_DELETE ? undefined : record.subarray(start, end),
        });
      });
    }
    this.#chain = [];
    if (entries.length > 0) this.#o.onBatch(entries);
  }
}
