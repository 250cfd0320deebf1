/**
 * Session queues — what each session that is not live waits for in one partition (S3, S9, S11).
 *
 * Shape: per slot of the board an ascending list of positions with a head, and `last`: at or below
 *        it nothing is filed any more (cursor, consumed, last queued). Messages are in the store.
 * Cost:  8 bytes per entry; 8 bytes per session without any.
 * Full:  QUEUE_MESSAGES_MAX or QUEUE_BYTES_MAX per session and partition: by policy the oldest or
 *        the newest is dropped by name (`queue_full`), or the session is ended as Event Grid does.
 */
import { type Position, recordClosedAtMs, type RecordReader } from '#log';
import type { StateTables } from '#state';
import { FiledStore } from './filed-store.ts';
import type { TailRecord } from './record-tail.ts';
import type { BoardSession } from './session-board.ts';

/** Messages that may wait for one session in one partition. Range 1 – 10 M. */
export const QUEUE_MESSAGES_MAX = 100_000;
/** Bytes of messages that may wait for one session in one partition. Range 1 KiB – 100 GiB. */
export const QUEUE_BYTES_MAX = 256 * 1024 * 1024;

export const QUEUE_POLICIES = ['drop_oldest', 'drop_newest', 'end_session'] as const;
export type QueuePolicy = (typeof QUEUE_POLICIES)[number];

export interface QueueLimits {
  readonly messagesMax: number;
  readonly bytesMax: number;
  readonly policy: QueuePolicy;
}

export const DEFAULT_QUEUE_LIMITS: QueueLimits = {
  messagesMax: QUEUE_MESSAGES_MAX,
  bytesMax: QUEUE_BYTES_MAX,
  policy: 'drop_oldest',
};

/** Plain counters, summed over all partitions of a process. */
export interface QueueCounters {
  /** Entries: one message for one session. */
  entriesFiled: number;
  entriesConsumed: number;
  /** Dropped as `queue_full`. */
  queueFull: number;
}

/** Of a generation in a list, about. */
const BYTES_PER_GENERATION = 2;
/** Entries taken from the head before an array is compacted. */
const COMPACT_AT = 1_024;

interface Queue {
  positions: number[];
  head: number;
  bytes: number;
}

export class SessionQueues {
  readonly store: FiledStore;
  readonly #counters: QueueCounters;
  readonly #limits: QueueLimits;
  readonly #onPut: (bytes: number) => void;
  readonly #onOverflow: (session: BoardSession) => void;
  readonly #queues: (Queue | undefined)[] = [];
  #last = new Float64Array(64);
  readonly #generations: number[] = [];
  #entries = 0;

  /**
   * `onPut`: so many bytes were put into the state log. `onOverflow`: by policy the session is to
   * be ended; said with each message that finds no room.
   */
  constructor(
    state: StateTables,
    counters: QueueCounters,
    onPut: (bytes: number) => void,
    onOverflow: (session: BoardSession) => void,
    limits: QueueLimits = DEFAULT_QUEUE_LIMITS,
  ) {
    this.store = new FiledStore(state);
    this.#counters = counters;
    this.#onPut = onPut;
    this.#onOverflow = onOverflow;
    this.#limits = limits;
  }

  /** Entries that wait now. */
  get entryCount(): number {
    return this.#entries;
  }

  /** At or below this position nothing is filed for the session any more. */
  last(slot: number): Position {
    return this.#last[slot] ?? 0;
  }
  raiseLast(slot: number, position: Position): void {
    this.#reserve(slot);
    if (position > (this.#last[slot] as number)) this.#last[slot] = position;
  }

  depth(slot: number): number {
    const queue = this.#queues[slot];
    return queue === undefined ? 0 : queue.positions.length - queue.head;
  }
  bytes(slot: number): number {
    return this.#queues[slot]?.bytes ?? 0;
  }
  /** Position of the oldest entry; undefined: nothing waits. */
  oldest(slot: number): Position | undefined {
    const queue = this.#queues[slot];
    return queue?.positions[queue.head];
  }
  /** When the oldest entry was published, seconds since 1970; undefined: nothing waits. */
  oldestAtSeconds(slot: number): number | undefined {
    const oldest = this.oldest(slot);
    return oldest === undefined ? undefined : this.store.message(oldest)?.publishedAtSeconds;
  }

  /** A session that is new to this partition, or to its owner. */
  begin(slot: number, last: Position): void {
    this.#reserve(slot);
    this.#last[slot] = last;
    this.#queues[slot] = undefined;
  }

  /** Files the message that `reader` stands on for all of these. */
  file(
    position: Position,
    record: TailRecord,
    reader: RecordReader,
    sessions: readonly BoardSession[],
  ): void {
    const generations = this.#generations;
    generations.length = 0;
    const { messageStart, messageEnd, view } = reader;
    const bytes = messageEnd - messageStart;
    for (let i = 0; i < sessions.length; i++) {
      const session = sessions[i] as BoardSession;
      const { slot, generation } = session;
      if (!this.#makeRoom(session, bytes)) continue;
      this.#push(slot, position, bytes);
      generations.push(generation);
    }
    if (generations.length === 0) return;
    this.#counters.entriesFiled += generations.length;
    const message = record.payload.subarray(messageStart, messageEnd);
    const publishedAtSeconds = Math.floor(recordClosedAtMs(record.payload) / 1_000);
    this.store.file(position, message, view.expiresAtSeconds, publishedAtSeconds, generations);
    this.#onPut(bytes + generations.length * BYTES_PER_GENERATION);
  }

  /** False: the new one is dropped. */
  #makeRoom(session: BoardSession, bytes: number): boolean {
    const { slot, generation } = session;
    const { messagesMax, bytesMax, policy } = this.#limits;
    for (;;) {
      const depth = this.depth(slot);
      if (depth === 0 || (depth < messagesMax && this.bytes(slot) + bytes <= bytesMax)) return true;
      this.#counters.queueFull++;
      if (policy === 'end_session') this.#onOverflow(session);
      if (policy !== 'drop_oldest') return false;
      const oldest = this.#shift(slot) as Position;
      this.store.consumed(generation, oldest);
    }
  }

  #push(slot: number, position: Position, bytes: number): void {
    const queue = (this.#queues[slot] ??= { positions: [], head: 0, bytes: 0 });
    queue.positions.push(position);
    queue.bytes += bytes;
    this.#entries++;
  }

  #shift(slot: number): Position | undefined {
    const queue = this.#queues[slot];
    const position = queue?.positions[queue.head];
    if (queue === undefined || position === undefined) return undefined;
    queue.bytes -= this.store.message(position)?.bytes ?? 0;
    queue.head++;
    this.#entries--;
    if (queue.head === queue.positions.length) this.#queues[slot] = undefined;
    else if (queue.head >= COMPACT_AT && queue.head * 2 > queue.positions.length) {
      queue.positions = queue.positions.slice(queue.head);
      queue.head = 0;
    }
    this.store.letGo(position);
    return position;
  }

  /** Everything up to here is acknowledged, or came before the session's cursor. */
  consume({ slot, generation }: BoardSession, upTo: Position): void {
    this.raiseLast(slot, upTo);
    let count = 0;
    for (let oldest = this.oldest(slot); oldest !== undefined && oldest <= upTo; count++) {
      this.#shift(slot);
      oldest = this.oldest(slot);
    }
    if (count === 0) return;
    this.#counters.entriesConsumed += count;
    this.store.consumed(generation, upTo);
  }

  /** The session has ended. */
  end({ slot, generation }: BoardSession): void {
    while (this.#shift(slot) !== undefined);
    this.begin(slot, 0);
    this.store.forget(generation);
  }

  /** Up to `count` positions above `after`, ascending. */
  above(slot: number, after: Position, count: number): number[] {
    const queue = this.#queues[slot];
    if (queue === undefined) return [];
    const { positions } = queue;
    let low = queue.head;
    let high = positions.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((positions[middle] as number) <= after) low = middle + 1;
      else high = middle;
    }
    return positions.slice(low, low + count);
  }

  /** Rebuilds the queues from what earlier owners filed. Every session has begun before. */
  recover(partition: number, sessionOf: (generation: number) => BoardSession | undefined): void {
    this.store.recover((generation, position, bytes) => {
      const session = sessionOf(generation);
      if (session === undefined) return false;
      const consumed = this.store.consumedUpTo(generation);
      if (position <= Math.max(consumed, session.record.cursor[partition] ?? 0)) return false;
      this.#push(session.slot, position, bytes);
      this.raiseLast(session.slot, position);
      return true;
    });
    for (const generation of [...this.store.remembered()]) {
      const session = sessionOf(generation);
      if (session === undefined) this.store.forget(generation);
      else this.raiseLast(session.slot, this.store.consumedUpTo(generation));
    }
  }

  #reserve(slot: number): void {
    if (slot < this.#last.length) return;
    const grown = new Float64Array(Math.max(slot + 1, this.#last.length * 2));
    grown.set(this.#last);
    this.#last = grown;
  }
}
