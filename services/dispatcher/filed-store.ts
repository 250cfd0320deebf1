/**
 * Filed store — messages kept for sessions that are not live, in the state log (S3).
 *
 * Shape: table 2: position → message, once however many sessions wait for it; table 4: position and
 *        number → list of generations (resident; a message filed in several goes has several);
 *        table 3: generation → position up to which it has consumed (resident).
 * Count: a message is deleted with its lists when the last session has let go of it.
 * Expiry: by the calendar, or when it is read: the bytes go, and for each session that waits one is
 *        counted; its place in the queues stays empty until they pass it.
 * Cost:  in memory one object per message, beside the lists' one or two bytes per session.
 */
import type { Position } from '#log';
import type { StateTables } from '#state';
import { ExpiryCalendar } from './expiry-calendar.ts';
import { decodeGenerations, encodeGenerations } from './generation-list.ts';

/** Tables of the dispatchers' state logs (0: writers' numbers, 1: retained). */
export const FILED_TABLE = 2;
export const CONSUMED_TABLE = 3;
export const FILED_FOR_TABLE = 4;

/** Generations in one list: it fits a state record several times. */
const LIST_LENGTH_MAX = 16_384;
/** bytes u32, expiry u32, publication u32, before the generations. */
const LIST_HEADER_BYTES = 12;

export interface FiledMessage {
  /** Sessions that still wait for it. */
  waiting: number;
  lists: number;
  readonly bytes: number;
  /** Seconds since 1970; 0 = never. */
  readonly expiresAtSeconds: number;
  /** When its record was closed, seconds since 1970. */
  readonly publishedAtSeconds: number;
  /** It has expired. */
  isGone: boolean;
}

export class FiledStore {
  readonly #state: StateTables;
  readonly #messages = new Map<Position, FiledMessage>();
  readonly #expiry = new ExpiryCalendar();
  #bytes = 0;
  /** Dropped as `message_expired`, one per session that waited. */
  expired = 0;

  constructor(state: StateTables) {
    this.#state = state;
  }

  get messageCount(): number {
    return this.#messages.size;
  }
  get messageBytes(): number {
    return this.#bytes;
  }

  /** When the oldest one was published, seconds since 1970. Messages are filed about in order. */
  get oldestAtSeconds(): number | undefined {
    for (const { publishedAtSeconds } of this.#messages.values()) return publishedAtSeconds;
    return undefined;
  }

  message(position: Position): FiledMessage | undefined {
    return this.#messages.get(position);
  }

  /** Files the message (borrowed bytes) for these sessions; sorts the list, keeps nothing of it. */
  file(
    position: Position,
    bytes: Buffer,
    expiresAtSeconds: number,
    publishedAtSeconds: number,
    generations: Float64Array,
  ): void {
    let message = this.#messages.get(position);
    if (message === undefined) {
      const times = { expiresAtSeconds, publishedAtSeconds };
      message = { waiting: 0, lists: 0, bytes: bytes.length, isGone: false, ...times };
      this.#add(position, message);
      this.#state.put(FILED_TABLE, keyOf(position), Buffer.from(bytes));
    }
    message.waiting += generations.length;
    if (!isAscending(generations)) generations.sort();
    for (let i = 0; i < generations.length; i += LIST_LENGTH_MAX) {
      this.#putList(position, message, generations.subarray(i, i + LIST_LENGTH_MAX));
    }
  }

  #putList(position: Position, message: FiledMessage, generations: Float64Array): void {
    const list = encodeGenerations(generations);
    const value = Buffer.allocUnsafe(LIST_HEADER_BYTES + list.length);
    value.writeUInt32BE(message.bytes, 0);
    value.writeUInt32BE(message.expiresAtSeconds, 4);
    value.writeUInt32BE(message.publishedAtSeconds, 8);
    list.copy(value, LIST_HEADER_BYTES);
    this.#state.put(FILED_FOR_TABLE, listKey(position, message.lists), value);
    message.lists++;
  }

  /** One session does not wait for it any more. */
  letGo(position: Position): void {
    const message = this.#messages.get(position);
    if (message === undefined || --message.waiting > 0) return;
    this.#delete(position, message);
  }

  #add(position: Position, message: FiledMessage): void {
    this.#messages.set(position, message);
    this.#bytes += message.bytes;
    const { expiresAtSeconds } = message;
    if (expiresAtSeconds > 0) this.#expiry.set(keyOf(position), expiresAtSeconds * 1_000);
  }

  /** Its time is over: nobody gets it any more. */
  expire(position: Position): void {
    const message = this.#messages.get(position);
    if (message === undefined || message.isGone) return;
    message.isGone = true;
    this.expired += message.waiting;
    this.#bytes -= message.bytes;
    this.#forgetBytes(position, message);
  }

  /** Drops up to `count` messages whose time is over. */
  expireDue(nowMs: number, count: number): void {
    for (const key of this.#expiry.due(nowMs, count)) this.expire(Number.parseInt(key, 36));
  }

  #delete(position: Position, message: FiledMessage): void {
    this.#messages.delete(position);
    if (message.isGone) return;
    this.#bytes -= message.bytes;
    this.#forgetBytes(position, message);
  }

  #forgetBytes(position: Position, message: FiledMessage): void {
    if (message.expiresAtSeconds > 0) this.#expiry.set(keyOf(position), Infinity);
    this.#state.delete(FILED_TABLE, keyOf(position));
    for (let i = 0; i < message.lists; i++) {
      this.#state.delete(FILED_FOR_TABLE, listKey(position, i));
    }
  }

  /** The message's bytes (record.md); undefined when it has gone meanwhile. */
  read(position: Position, onMessage: (bytes: Buffer | undefined) => void): void {
    this.#state.get(FILED_TABLE, keyOf(position), onMessage);
  }

  /** Rides with the next record: if it is lost, what it is about was not durable either. */
  consumed(generation: number, upTo: Position): void {
    const value = Buffer.allocUnsafe(8);
    value.writeDoubleBE(upTo, 0);
    this.#state.ride(CONSUMED_TABLE, keyOf(generation), value);
  }

  consumedUpTo(generation: number): Position {
    const value = this.#state.peek(CONSUMED_TABLE, keyOf(generation));
    return value === undefined ? 0 : doubleOf(value);
  }

  forget(generation: number): void {
    this.#state.delete(CONSUMED_TABLE, keyOf(generation));
  }

  /**
   * What an earlier owner filed, by position: calls `isWaiting` for each session of a message,
   * which says whether it still waits. Messages that nobody waits for are deleted.
   */
  recover(isWaiting: (generation: number, position: Position, bytes: number) => boolean): void {
    const keys = [...this.#state.keys(FILED_FOR_TABLE)].map(parseListKey);
    keys.sort((a, b) => a.position - b.position || a.number - b.number);
    for (const { position, number, key } of keys) {
      const value = this.#state.peek(FILED_FOR_TABLE, key);
      if (value === undefined) continue;
      const header = Buffer.from(value.buffer, value.byteOffset, LIST_HEADER_BYTES);
      let message = this.#messages.get(position);
      if (message === undefined) {
        message = {
          waiting: 0,
          lists: 0,
          bytes: header.readUInt32BE(0),
          expiresAtSeconds: header.readUInt32BE(4),
          publishedAtSeconds: header.readUInt32BE(8),
          isGone: false,
        };
        this.#add(position, message);
      }
      message.lists = Math.max(message.lists, number + 1);
      for (const generation of decodeGenerations(value.subarray(LIST_HEADER_BYTES))) {
        if (isWaiting(generation, position, message.bytes)) message.waiting++;
      }
    }
    for (const [position, message] of this.#messages) {
      if (message.waiting === 0) this.#delete(position, message);
    }
  }

  /** Generations with a remembered consumption. */
  *remembered(): Generator<number> {
    for (const key of this.#state.keys(CONSUMED_TABLE)) yield Number.parseInt(key, 36);
  }
}

function isAscending(numbers: Float64Array): boolean {
  for (let i = 1; i < numbers.length; i++) {
    if ((numbers[i] as number) < (numbers[i - 1] as number)) return false;
  }
  return true;
}

function keyOf(number: number): string {
  return number.toString(36);
}

function listKey(position: Position, number: number): string {
  return `${position.toString(36)}.${number}`;
}

function parseListKey(key: string): { position: Position; number: number; key: string } {
  const [position = '', number = ''] = key.split('.');
  return { position: Number.parseInt(position, 36), number: Number(number), key };
}

function doubleOf(value: Uint8Array): number {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).readDoubleBE(0);
}
