/**
 * Session queues — what each session that is not live waits for in one partition (S3, S9, S11).
 *
 * Shape: per slot of the board a queue of positions, the generation, and `last`: at or below it
 *        nothing is filed any more (cursor, consumed, last queued). Messages are in the store.
 * Cost:  12 bytes per entry, 40 per session; about 0.1 µs to file a message for a session.
 * Full:  QUEUE_MESSAGES_MAX or QUEUE_BYTES_MAX per session and partition: by policy the oldest or
 *        the newest is dropped by name (`queue_full`), or the session is ended as Event Grid does.
 */
import { type Position, recordClosedAtMs, type RecordReader } from '#log';
import type { StateTables } from '#state';
import { FiledStore } from './filed-store.ts';
import { PositionQueues } from './position-queues.ts';
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

export class SessionQueues {
  readonly store: FiledStore;
  readonly #counters: QueueCounters;
  readonly #limits: QueueLimits;
  readonly #onPut: (bytes: number) => void;
  readonly #onOverflow: (slot: number) => void;
  readonly #queues = new PositionQueues();
  #last = new Float64Array(64);
  /** By slot. */
  #generations = new Float64Array(64);
  /** Of the message that is being filed. */
  #filedFor = new Float64Array(64);

  /**
   * `onPut`: so many bytes were put into the state log. `onOverflow`: by policy the session of
   * this slot is to be ended; said with each message that finds no room.
   */
  constructor(
    state: StateTables,
    counters: QueueCounters,
    onPut: (bytes: number) => void,
    onOverflow: (slot: number) => void,
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
    return this.#queues.count;
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
    return this.#queues.depth(slot);
  }
  bytes(slot: number): number {
    return this.#queues.bytes(slot);
  }
  /** Position of the oldest entry; undefined: nothing waits. */
  oldest(slot: number): Position | undefined {
    return this.#queues.first(slot);
  }
  /** When the oldest entry was published, seconds since 1970; undefined: nothing waits. */
  oldestAtSeconds(slot: number): number | undefined {
    const oldest = this.oldest(slot);
    return oldest === undefined ? undefined : this.store.message(oldest)?.publishedAtSeconds;
  }

  /** A session that is new to this partition, or to its owner. */
  begin({ slot, generation }: BoardSession, last: Position): void {
    this.#reserve(slot);
    while (this.#queues.depth(slot) > 0) this.#queues.shift(slot, 0);
    this.#last[slot] = last;
    this.#generations[slot] = generation;
  }

  /** Files the message that `reader` stands on for the first `count` of these slots. */
  file(
    position: Position,
    record: TailRecord,
    reader: RecordReader,
    slots: ArrayLike<number>,
    count: number,
  ): void {
    if (this.#filedFor.length < count) this.#filedFor = new Float64Array(count * 2);
    const filedFor = this.#filedFor;
    const { messageStart, messageEnd, view } = reader;
    const bytes = messageEnd - messageStart;
    let filed = 0;
    for (let i = 0; i < count; i++) {
      const slot = slots[i] as number;
      if (!this.#makeRoom(slot, bytes)) continue;
      this.#queues.push(slot, position, bytes);
      filedFor[filed++] = this.#generations[slot] as number;
    }
    if (filed === 0) return;
    this.#counters.entriesFiled += filed;
    const message = record.payload.subarray(messageStart, messageEnd);
    const publishedAtSeconds = Math.floor(recordClosedAtMs(record.payload) / 1_000);
    const generations = filedFor.subarray(0, filed);
    this.store.file(position, message, view.expiresAtSeconds, publishedAtSeconds, generations);
    this.#onPut(bytes + filed * BYTES_PER_GENERATION);
  }

  /** False: the new one is dropped. */
  #makeRoom(slot: number, bytes: number): boolean {
    const { messagesMax, bytesMax, policy } = this.#limits;
    for (;;) {
      const depth = this.depth(slot);
      if (depth === 0 || (depth < messagesMax && this.bytes(slot) + bytes <= bytesMax)) return true;
      this.#counters.queueFull++;
      if (policy === 'end_session') this.#onOverflow(slot);
      if (policy !== 'drop_oldest') return false;
      const oldest = this.#shift(slot) as Position;
      this.store.consumed(this.#generations[slot] as number, oldest);
    }
  }

  #shift(slot: number): Position | undefined {
    const position = this.#queues.first(slot);
    if (position === undefined) return undefined;
    this.#queues.shift(slot, this.store.message(position)?.bytes ?? 0);
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
  end(session: BoardSession): void {
    while (this.#shift(session.slot) !== undefined);
    this.begin(session, 0);
    this.store.forget(session.generation);
  }

  /** Up to `count` positions above `after`, ascending. */
  above(slot: number, after: Position, count: number): number[] {
    return this.#queues.above(slot, after, count);
  }

  /** Rebuilds the queues from what earlier owners filed. Every session has begun before. */
  recover(partition: number, sessionOf: (generation: number) => BoardSession | undefined): void {
    this.store.recover((generation, position, bytes) => {
      const session = sessionOf(generation);
      if (session === undefined) return false;
      const consumed = this.store.consumedUpTo(generation);
      if (position <= Math.max(consumed, session.record.cursor[partition] ?? 0)) return false;
      this.#queues.push(session.slot, position, bytes);
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
    const size = Math.max(slot + 1, this.#last.length * 2);
    const last = new Float64Array(size);
    last.set(this.#last);
    this.#last = last;
    const generations = new Float64Array(size);
    generations.set(this.#generations);
    this.#generations = generations;
  }
}
