/**
 * Subscription table — who on this gateway gets a message.
 *
 * Shape: one entry per distinct topic filter with its subscribers; an index from topic to entries.
 *        An entry is *pending* until every partition's owner has said from which position on it
 *        counts (protocol 20, 21); a message is delivered to it only above that position.
 *        QoS ≥ 1 of a stored session goes by the starts of its own filters, and by its stay, which
 *        decides what it may have live (docs/adr/0012, S4).
 * Owner: one per gateway. Cost: an entry per filter, a map entry per subscription.
 * Keys:  topics and filters are compared as latin1 text of their UTF-8 bytes (see topicKey).
 */
import { type Position } from '#log';
import { qosAt } from '#session-store';
import { FilterIndex, isSharedFilter, topicKey, topicMatchesFilter } from '#topics';
import { FilterEntry, startOf, type TableSubscription, targetOf } from './filter-entry.ts';
import type { LocalClient, Subscription } from './port.ts';
import { mergePerClient, mergeTwo, Route, type Target } from './route.ts';

/** Shared subscriptions: counted as others, but what matches is not theirs (ADR 0013). */
export interface SharedMembers {
  join(client: LocalClient, s: Subscription): void;
  quit(client: LocalClient, topicFilter: string): void;
}

export class SubscriptionTable {
  /** Rises with every change; a route of another generation is made anew. */
  generation = 1;

  readonly #partitions: number;
  readonly #shared: SharedMembers | undefined;
  readonly #index: FilterIndex;
  readonly #byFilter = new Map<string, FilterEntry>();
  readonly #byNumber: (FilterEntry | undefined)[] = [];
  readonly #freeNumbers: number[] = [];
  readonly #ofClient = new Map<LocalClient, Set<FilterEntry>>();
  readonly #matched: number[] = [];
  /** Per partition the entries whose start is not known, by version. */
  readonly #unknown: EntryQueue[];
  /** Entries whose starts are all known, but not all passed. */
  readonly #ahead = new Set<FilterEntry>();
  #subscriptions = 0;

  /** `seed`: see FilterIndex; clients choose the filters. */
  constructor(partitions: number, seed = 0, shared?: SharedMembers) {
    this.#shared = shared;
    this.#partitions = partitions;
    this.#index = new FilterIndex({ seed });
    this.#unknown = Array.from({ length: partitions }, () => new EntryQueue());
  }

  get filterCount(): number {
    return this.#byFilter.size;
  }
  get subscriptionCount(): number {
    return this.#subscriptions;
  }

  entry(topicFilter: string): FilterEntry | undefined {
    return this.#byFilter.get(topicFilter);
  }

  /**
   * Adds or replaces; `versionOfNew` is asked for the version of a filter not there yet. `isAhead`:
   * some of its own starts has not been reached here.
   */
  add(
    client: LocalClient,
    s: TableSubscription,
    versionOfNew: () => number,
    isAhead = false,
  ): FilterEntry {
    let entry = this.#byFilter.get(s.topicFilter);
    if (entry === undefined) {
      const number = this.#freeNumbers.pop() ?? this.#byNumber.length;
      entry = new FilterEntry(number, s.topicFilter, versionOfNew(), this.#partitions);
      this.#byNumber[number] = entry;
      this.#byFilter.set(s.topicFilter, entry);
      if (!isSharedFilter(s.topicFilter)) this.#index.add(topicKey(s.topicFilter), number);
      for (const queue of this.#unknown) queue.push(entry);
    }
    if (!entry.subscribers.has(client)) this.#subscriptions++;
    entry.subscribers.set(client, s);
    entry.changed();
    if (isSharedFilter(s.topicFilter)) this.#shared?.join(client, s);
    if (isAhead && s.starts !== undefined) {
      entry.waitFor(s.starts);
      entry.pending = true;
      if (entry.startsUnknown === 0) this.#ahead.add(entry);
    }
    let entries = this.#ofClient.get(client);
    if (entries === undefined) this.#ofClient.set(client, (entries = new Set()));
    entries.add(entry);
    this.generation++;
    return entry;
  }

  /** Removes one subscription. `onGone` is told when it was the filter's last. */
  remove(client: LocalClient, topicFilter: string, onGone: (filter: string) => void): boolean {
    const entry = this.#byFilter.get(topicFilter);
    if (entry === undefined || !entry.subscribers.delete(client)) return false;
    this.#ofClient.get(client)?.delete(entry);
    this.#subscriptions--;
    this.#afterRemoval(client, entry, onGone);
    return true;
  }

  /**
   * What a stored session's subscriptions ask now of a message of its queue; undefined: none
   * matches. `key`: see topicKey.
   */
  match(
    client: LocalClient,
    key: string,
    partition: number,
    position: Position,
  ): Target | undefined {
    const numbers = this.#matched;
    const count = this.#index.matchInto(key, numbers);
    let found: Target | undefined;
    for (let i = 0; i < count; i++) {
      const entry = this.#byNumber[numbers[i] as number];
      const s = entry?.subscribers.get(client);
      if (entry === undefined || s === undefined) continue;
      if (position <= startOf(s, entry, partition)) continue;
      const qos = qosAt(s, partition, position);
      const target = targetOf(client, qos === s.qos ? s : { ...s, qos }, entry);
      found = found === undefined ? target : mergeTwo(found, target);
    }
    return found;
  }

  /** Whether some subscription of the client matches. Walks them: not for hot paths. */
  isSubscribed(client: LocalClient, topic: string): boolean {
    for (const { topicFilter } of this.#ofClient.get(client) ?? []) {
      if (topicMatchesFilter(topic, topicFilter)) return true;
    }
    return false;
  }

  /** Removes all subscriptions of a client that is gone. */
  removeClient(client: LocalClient, onGone: (filter: string) => void): void {
    const entries = this.#ofClient.get(client);
    this.#ofClient.delete(client);
    for (const entry of entries ?? []) {
      entry.subscribers.delete(client);
      this.#subscriptions--;
      this.#afterRemoval(client, entry, onGone);
    }
  }

  #afterRemoval(client: LocalClient, entry: FilterEntry, onGone: (filter: string) => void): void {
    const isShared = isSharedFilter(entry.topicFilter);
    if (isShared) this.#shared?.quit(client, entry.topicFilter);
    entry.changed();
    this.generation++;
    if (entry.subscribers.size > 0) return;
    this.#byFilter.delete(entry.topicFilter);
    this.#byNumber[entry.number] = undefined;
    this.#freeNumbers.push(entry.number);
    if (!isShared) this.#index.remove(topicKey(entry.topicFilter), entry.number);
    this.#ahead.delete(entry);
    entry.startsUnknown = -1;
    onGone(entry.topicFilter);
  }

  /** The owner said: filter versions up to `to`, not answered before, count above `position`. */
  effective(partition: number, to: number, position: Position): void {
    const queue = this.#unknown[partition];
    for (let entry = queue?.shiftUpTo(to); entry !== undefined; entry = queue?.shiftUpTo(to)) {
      if (entry.startsUnknown < 0) continue;
      entry.starts[partition] = position;
      entry.startsUnknown--;
      if (entry.startsUnknown === 0) this.#ahead.add(entry);
    }
  }

  /** Entries of which everything that they must not see has passed are pending no more. */
  settle(links: readonly { readonly done: Position | undefined }[]): void {
    for (const entry of this.#ahead) {
      if (!links.every(({ done }, p) => entry.isPassed(p, done ?? -1))) continue;
      entry.pending = false;
      entry.ahead = undefined;
      this.#ahead.delete(entry);
      this.generation++;
    }
  }

  /** The receivers of a topic. Fast when one settled filter matches, or none. */
  route(key: string): Route {
    const numbers = this.#matched;
    const count = this.#index.matchInto(key, numbers);
    const entries: FilterEntry[] = [];
    for (let i = 0; i < count; i++) {
      const entry = this.#byNumber[numbers[i] as number];
      if (entry !== undefined) entries.push(entry);
    }
    const restricted = entries.some((entry) => entry.pending);
    const first = entries[0];
    if (entries.length === 1 && first !== undefined) {
      return new Route(this.generation, first.targets, restricted);
    }
    const all = entries.flatMap((entry) => entry.targets);
    return new Route(this.generation, restricted ? all : mergePerClient(all), restricted);
  }
}

/** Entries in the order of their versions; taken from the front. */
class EntryQueue {
  #entries: FilterEntry[] = [];
  #head = 0;

  push(entry: FilterEntry): void {
    this.#entries.push(entry);
  }

  /** The first one, if its version is not above `version`. */
  shiftUpTo(version: number): FilterEntry | undefined {
    const entry = this.#entries[this.#head];
    if (entry === undefined || entry.version > version) return undefined;
    this.#head++;
    if (this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }
}
