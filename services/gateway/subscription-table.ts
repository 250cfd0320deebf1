/**
 * Subscription table — who on this gateway gets a message.
 *
 * Shape: one entry per distinct topic filter with its subscribers; an index from topic to entries.
 *        An entry is *pending* until every partition's owner has said from which position on it
 *        counts (protocol 20, 21); a message is delivered to it only above that position.
 * Owner: one per gateway. Cost: an entry per filter, a map entry per subscription.
 * Keys:  topics and filters are compared as latin1 text of their UTF-8 bytes (see topicKey).
 */
import { type Position } from '#log';
import type { PublishView } from '#mqtt';
import { FilterIndex, topicMatchesFilter } from '#topics';
import type { Delivery, LocalClient, Subscription } from './port.ts';

/** QoS 0 has no position: it comes after every known start and before every unknown one. */
export const NO_POSITION: Position = Number.MAX_VALUE;

const NO_IDENTIFIERS: readonly number[] = [];

/** One receiver of one message. */
export interface Target {
  readonly client: LocalClient;
  readonly qos: 0 | 1 | 2;
  /** What the client gets of its own messages, without subscriptions that have No Local. */
  readonly own: Target | undefined;
  readonly delivery: Delivery;
  readonly entry: FilterEntry;
}

export class FilterEntry {
  readonly number: number;
  readonly topicFilter: string;
  /** Filter version of this gateway in which it was told to the owners. */
  readonly version: number;
  readonly subscribers = new Map<LocalClient, Subscription>();
  /** Per partition the position above which it counts; Infinity = not known yet. */
  readonly starts: Float64Array;
  /** Some partition's start is unknown, or lies above what has been delivered. */
  pending = true;
  /** Partitions whose start is not known yet; -1 once the entry is gone. */
  startsUnknown: number;
  #targets: readonly Target[] | undefined;

  constructor(number: number, topicFilter: string, version: number, partitions: number) {
    this.number = number;
    this.topicFilter = topicFilter;
    this.version = version;
    this.starts = new Float64Array(partitions).fill(Infinity);
    this.startsUnknown = partitions;
  }

  /** Its subscribers as targets; made once per change. */
  get targets(): readonly Target[] {
    this.#targets ??= [...this.subscribers].map(([client, s]) => targetOf(client, s, this));
    return this.#targets;
  }

  changed(): void {
    this.#targets = undefined;
  }
}

/** What one subscription asks of a live delivery. */
export function deliveryOf(s: Subscription): Delivery {
  const subscriptionIdentifiers =
    s.subscriptionIdentifier === 0 ? NO_IDENTIFIERS : [s.subscriptionIdentifier];
  return { retainAsPublished: s.retainAsPublished, subscriptionIdentifiers, retained: false };
}

function targetOf(client: LocalClient, s: Subscription, entry: FilterEntry): Target {
  const target = {
    client,
    qos: s.qos,
    own: undefined as Target | undefined,
    delivery: deliveryOf(s),
    entry,
  };
  if (!s.noLocal) target.own = target;
  return target;
}

export class SubscriptionTable {
  /** Rises with every change; a route of another generation is made anew. */
  generation = 1;

  readonly #partitions: number;
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
  constructor(partitions: number, seed = 0) {
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

  /** Adds or replaces; `versionOfNew` is asked for the version of a filter not there yet. */
  add(client: LocalClient, s: Subscription, versionOfNew: () => number): FilterEntry {
    let entry = this.#byFilter.get(s.topicFilter);
    if (entry === undefined) {
      const number = this.#freeNumbers.pop() ?? this.#byNumber.length;
      entry = new FilterEntry(number, s.topicFilter, versionOfNew(), this.#partitions);
      this.#byNumber[number] = entry;
      this.#byFilter.set(s.topicFilter, entry);
      this.#index.add(topicKey(s.topicFilter), number);
      for (const queue of this.#unknown) queue.push(entry);
    }
    if (!entry.subscribers.has(client)) this.#subscriptions++;
    entry.subscribers.set(client, s);
    entry.changed();
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
    this.#afterRemoval(entry, onGone);
    return true;
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
      this.#afterRemoval(entry, onGone);
    }
  }

  #afterRemoval(entry: FilterEntry, onGone: (filter: string) => void): void {
    entry.changed();
    this.generation++;
    if (entry.subscribers.size > 0) return;
    this.#byFilter.delete(entry.topicFilter);
    this.#byNumber[entry.number] = undefined;
    this.#freeNumbers.push(entry.number);
    this.#index.remove(topicKey(entry.topicFilter), entry.number);
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
      if (!entry.starts.every((start, p) => start <= (links[p]?.done ?? -1))) continue;
      entry.pending = false;
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

/** Who gets the messages of one topic, valid for one generation of the table. */
export class Route {
  readonly generation: number;
  readonly #targets: readonly Target[];
  /** Some target counts only from a position on: they are not merged yet. */
  readonly #restricted: boolean;

  constructor(generation: number, targets: readonly Target[], restricted: boolean) {
    this.generation = generation;
    this.#targets = targets;
    this.#restricted = restricted;
  }

  get empty(): boolean {
    return this.#targets.length === 0;
  }

  /** Delivers `view`, which stands at `position`, to everybody who is to have it. */
  deliver(view: PublishView, partition: number, position: Position): number {
    const targets = this.#restricted
      ? mergePerClient(
          this.#targets.filter((t) => (t.entry.starts[partition] as number) < position),
        )
      : this.#targets;
    let delivered = 0;
    for (let i = 0; i < targets.length; i++) {
      const t = targets[i] as Target;
      const { client } = t;
      const target = view.publisherConnection === client.connectionNumber ? t.own : t;
      if (target === undefined) continue;
      const { delivery } = target;
      const qos = view.qos < target.qos ? view.qos : target.qos;
      delivered++;
      if (client.hold?.take(partition, position, view, qos, delivery, 0) === true) continue;
      client.deliver(view, qos, delivery, 0, 0);
    }
    return delivered;
  }
}

/** One target per client: highest QoS, all identifiers ([MQTT-3.3.5-1], MQTT 5 §3.3.4). */
function mergePerClient(targets: readonly Target[]): readonly Target[] {
  const merged = new Map<LocalClient, Target>();
  for (const t of targets) {
    const other = merged.get(t.client);
    merged.set(t.client, other === undefined ? t : mergeTwo(other, t));
  }
  return merged.size === targets.length ? targets : [...merged.values()];
}

function mergeTwo(a: Target, b: Target): Target {
  const merged = {
    client: a.client,
    qos: a.qos > b.qos ? a.qos : b.qos,
    own: undefined as Target | undefined,
    delivery: {
      retainAsPublished: a.delivery.retainAsPublished || b.delivery.retainAsPublished,
      subscriptionIdentifiers: [
        ...a.delivery.subscriptionIdentifiers,
        ...b.delivery.subscriptionIdentifiers,
      ],
      retained: false,
    },
    entry: a.entry,
  };
  if (a.own === undefined || b.own === undefined) merged.own = a.own ?? b.own;
  else if (a.own === a && b.own === b) merged.own = merged;
  else merged.own = mergeTwo(a.own, b.own);
  return merged;
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

/** Text whose UTF-16 units are the bytes of its UTF-8 form: the cheap key of a topic's bytes. */
export function topicKey(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
