/**
 * Retained store — the last retained message of each topic of one partition (protocol 11, 24).
 *
 * Shape: a table of the state log, topic → position and message; a topic tree beside it for
 *        wildcard subscriptions. Both sides know topics as latin1 text of their UTF-8 bytes.
 * Again: what an earlier owner decided is in the table already; it is not applied twice.
 * Cost:  a put per retained publish (packed with all others of a turn), ~130 bytes of memory per
 *        topic for the tree beside the state log's index.
 * Full:  RETAINED_TOPICS_MAX topics; one more is dropped by name (`retained_quota`), and so is a
 *        topic that is too long or too deep for a record and the tree.
 */
import type { Position } from '#log';
import type { PublishView } from '#mqtt';
import type { StateTables } from '#state';
import { TopicTree } from '#topics';

/** Number of the table in the dispatchers' state logs (0 holds the writers' numbers). */
export const RETAINED_TABLE = 1;
/** Topics with a retained message per partition: about 300 MB of memory. Range 1 – 10 M. */
export const RETAINED_TOPICS_MAX = 1_000_000;
/**
 * Longest topic, UTF-8 bytes. It stands in a state record as key (up to twice as long) and in the
 * message again: with this the largest packet still fits one message of NATS.
 */
export const RETAINED_TOPIC_BYTES_MAX = 2_048;
/** Levels of a topic: the tree is walked by recursion. */
export const RETAINED_TOPIC_LEVELS_MAX = 128;
/** Topics put into the order of their records at once: some milliseconds. */
const ORDERED_TOPICS = 16_384;
const POSITION_BYTES = 8;
/** Where in an entry the expiry of its message stands (record.md: length, flags, expiry). */
const EXPIRY_OFFSET = POSITION_BYTES + 5;

/** What became of retained messages, counted over all partitions of a process. */
export interface RetainedCounters {
  retainedStored: number;
  /** Dropped as `message_expired`. */
  retainedExpired: number;
  /** Dropped as `retained_quota`. */
  retainedRefused: number;
}

export class RetainedStore {
  readonly #state: StateTables;
  readonly #counters: RetainedCounters;
  readonly #topicsMax: number;
  readonly #tree = new TopicTree();
  /** Topics being read that were not changed since. */
  readonly #unchanged = new Set<string>();

  constructor(
    state: StateTables,
    counters: RetainedCounters,
    topicsMax: number = RETAINED_TOPICS_MAX,
  ) {
    this.#state = state;
    this.#counters = counters;
    this.#topicsMax = topicsMax;
    for (const topic of state.keys(RETAINED_TABLE)) this.#tree.add(topic);
  }

  get count(): number {
    return this.#tree.count;
  }

  /** A message with RETAIN, at [start, end) of its record. An empty payload deletes. */
  apply(topic: string, view: PublishView, position: Position, start: number, end: number): void {
    this.#unchanged.delete(topic);
    if (view.payloadStart === view.end) {
      if (this.#tree.remove(topic)) this.#state.delete(RETAINED_TABLE, topic);
      return;
    }
    const isNew = !this.#state.has(RETAINED_TABLE, topic);
    if (isNew && (this.count >= this.#topicsMax || !isKeepable(topic))) {
      this.#counters.retainedRefused++;
      return;
    }
    const entry = Buffer.allocUnsafe(POSITION_BYTES + end - start);
    entry.writeDoubleBE(position, 0);
    view.buffer.copy(entry, POSITION_BYTES, start, end);
    this.#state.put(RETAINED_TABLE, topic, entry);
    if (isNew) this.#tree.add(topic);
    this.#counters.retainedStored++;
  }

  /** The topics that match, in an order in which they are read well; walk it lazily. */
  match(topicFilter: string): Iterator<string> {
    const isExact = !topicFilter.includes('+') && !topicFilter.includes('#');
    if (!isExact) return this.#inReadingOrder(this.#tree.match(topicFilter));
    const found = this.#state.has(RETAINED_TABLE, topicFilter) ? [topicFilter] : [];
    return found[Symbol.iterator]();
  }

  /**
   * Neighbours in the tree stand anywhere in the state log, and a record is read whole: for each
   * topic alone that would be 256 KiB per message.
   */
  *#inReadingOrder(topics: Iterator<string>): Generator<string, void> {
    for (;;) {
      const byRecord = new Map<number, string[]>();
      let count = 0;
      for (; count < ORDERED_TOPICS; count++) {
        const next = topics.next();
        if (next.done === true) break;
        const place = this.#state.placeOf(RETAINED_TABLE, next.value);
        const together = byRecord.get(place);
        if (together === undefined) byRecord.set(place, [next.value]);
        else together.push(next.value);
      }
      for (const place of [...byRecord.keys()].sort((a, b) => a - b))
        yield* byRecord.get(place) ?? [];
      if (count < ORDERED_TOPICS) return;
    }
  }

  /**
   * The entry (position f64, message) as it stands at `upTo`; undefined when there is none, when it
   * changed since (the newer one comes live), or when it has expired. Never synchronous.
   */
  read(
    topic: string,
    upTo: Position,
    wallMs: number,
    onEntry: (entry: Buffer | undefined) => void,
  ): void {
    this.#unchanged.add(topic);
    this.#state.get(RETAINED_TABLE, topic, (entry) => {
      const isUnchanged = this.#unchanged.delete(topic);
      if (entry === undefined || entry.readDoubleBE(0) > upTo) return onEntry(undefined);
      const expiresAtSeconds = entry.readUInt32BE(EXPIRY_OFFSET);
      if (expiresAtSeconds === 0 || expiresAtSeconds * 1_000 > wallMs) return onEntry(entry);
      if (isUnchanged) this.#expire(topic);
      onEntry(undefined);
    });
  }

  #expire(topic: string): void {
    if (!this.#tree.remove(topic)) return;
    this.#state.delete(RETAINED_TABLE, topic);
    this.#counters.retainedExpired++;
  }
}

function isKeepable(topic: string): boolean {
  if (topic.length > RETAINED_TOPIC_BYTES_MAX) return false;
  let levels = 1;
  for (let at = topic.indexOf('/'); at >= 0; at = topic.indexOf('/', at + 1)) levels++;
  return levels <= RETAINED_TOPIC_LEVELS_MAX;
}
