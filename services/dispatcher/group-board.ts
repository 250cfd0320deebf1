/**
 * Group board — the shared subscriptions of the cluster as this process's partitions look them up
 * (docs/adr/0013).
 *
 * Shape: a group is known by its text `$share/NAME/FILTER` and named by gateways' interest and by
 *        records of stored sessions; one index from topic to groups, routes cached per topic.
 * Life:  what nobody names any more lingers for the expiry: members whose gateway died come back.
 * Cost:  without groups a comparison per QoS ≥ 1 message; with groups a look-up.
 * Full:  the route cache is emptied at ROUTES_MAX topics.
 */
import type { Clock } from '#base';
import { FilterIndex, parseShared, topicKey } from '#topics';

/** Seconds that a group and its queue outlive the last that named it. Range 0 – 7 days. */
export const GROUP_EXPIRY_SECONDS = 60;
/** Topics with a cached route. Range 1,024 – 1 M. */
const ROUTES_MAX = 65_536;
/** Longer topics keep no route: at 64 KiB each they would be 4 GiB. */
const CACHED_TOPIC_BYTES_MAX = 512;

export class BoardGroup {
  /** `$share/NAME/FILTER`. */
  readonly text: string;
  readonly topicFilter: string;
  /** Its value in the index. */
  readonly number: number;
  /** Gateways whose interest names it. */
  readonly gateways = new Set<string>();
  /** Stored sessions whose record names it. */
  sessions = 0;
  /** Nobody names it, and it ends then; Infinity: named. */
  endsAtMs = Infinity;

  constructor(text: string, topicFilter: string, number: number) {
    this.text = text;
    this.topicFilter = topicFilter;
    this.number = number;
  }
}

/** What the board tells a partition's owner. */
export interface GroupUser {
  onGroup(group: BoardGroup): void;
  onGroupEnd(group: BoardGroup): void;
}

interface CachedRoute {
  generation: number;
  groups: readonly BoardGroup[];
}

const NONE: readonly BoardGroup[] = [];

export class GroupBoard {
  readonly #clock: Clock;
  readonly #expiryMs: number;
  readonly #index: FilterIndex;
  readonly #byText = new Map<string, BoardGroup>();
  readonly #byNumber: (BoardGroup | undefined)[] = [];
  readonly #freeNumbers: number[] = [];
  readonly #lingering = new Set<BoardGroup>();
  readonly #users = new Set<GroupUser>();
  readonly #routes = new Map<string, CachedRoute>();
  readonly #matched: number[] = [];
  #lastKey = '';
  #lastRoute: CachedRoute | undefined;

  /** `seed`: see FilterIndex; clients choose the filters. */
  constructor(clock: Clock, seed = 0, expirySeconds: number = GROUP_EXPIRY_SECONDS) {
    this.#clock = clock;
    this.#expiryMs = expirySeconds * 1_000;
    this.#index = new FilterIndex({ seed });
  }

  get size(): number {
    return this.#byText.size;
  }
  get groups(): IterableIterator<BoardGroup> {
    return this.#byText.values();
  }

  group(text: string): BoardGroup | undefined {
    return this.#byText.get(text);
  }

  addUser(user: GroupUser): void {
    this.#users.add(user);
  }
  removeUser(user: GroupUser): void {
    this.#users.delete(user);
  }

  gatewayNames(incarnation: string, text: string): void {
    const group = this.#name(text);
    group?.gateways.add(incarnation);
  }
  gatewayDrops(incarnation: string, text: string): void {
    const group = this.#byText.get(text);
    if (group?.gateways.delete(incarnation) === true) this.#unnamed(group);
  }
  sessionNames(text: string): void {
    const group = this.#name(text);
    if (group !== undefined) group.sessions++;
  }
  sessionDrops(text: string): void {
    const group = this.#byText.get(text);
    if (group === undefined) return;
    group.sessions--;
    this.#unnamed(group);
  }

  /** One that an earlier owner had: if nobody names it, it lingers from now on. */
  revive(text: string): BoardGroup | undefined {
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    const group = this.#name(text);
    if (group !== undefined) this.#unnamed(group);
    return group;
  }

  /** Groups for the topic; do not keep. `key`: latin1 text of its UTF-8 bytes. */
  route(key: string): readonly BoardGroup[] {
    if (this.#index.filterCount === 0) return NONE;
    const { generation } = this.#index;
    const cached = key === this.#lastKey ? this.#lastRoute : this.#routes.get(key);
    if (cached !== undefined && cached.generation === generation) {
      this.#lastKey = key;
      this.#lastRoute = cached;
      return cached.groups;
    }
    const groups = this.#match(key);
    if (cached !== undefined) {
      cached.generation = generation;
      cached.groups = groups;
    } else if (key.length <= CACHED_TOPIC_BYTES_MAX) {
      if (this.#routes.size >= ROUTES_MAX) this.#routes.clear();
      this.#routes.set(key, { generation, groups });
    }
    return groups;
  }

  /** Ends groups that have lingered long enough. */
  tick(): void {
    if (this.#lingering.size === 0) return;
    const nowMs = this.#clock.nowMs();
    for (const group of this.#lingering) if (group.endsAtMs <= nowMs) this.#end(group);
  }

  #match(key: string): readonly BoardGroup[] {
    const count = this.#index.matchInto(key, this.#matched);
    if (count === 0) return NONE;
    const groups: BoardGroup[] = [];
    for (let i = 0; i < count; i++) {
      const group = this.#byNumber[this.#matched[i] as number];
      if (group !== undefined) groups.push(group);
    }
    return groups;
  }

  /** Undefined: no valid shared filter (of a foreign gateway). */
  #name(text: string): BoardGroup | undefined {
    const known = this.#byText.get(text);
    if (known !== undefined) {
      known.endsAtMs = Infinity;
      this.#lingering.delete(known);
      return known;
    }
    const shared = parseShared(text);
    if (shared === undefined) return undefined;
    const number = this.#freeNumbers.pop() ?? this.#byNumber.length;
    const group = new BoardGroup(text, shared.topicFilter, number);
    this.#byText.set(text, group);
    this.#byNumber[number] = group;
    this.#index.add(topicKey(shared.topicFilter), number);
    for (const user of this.#users) user.onGroup(group);
    return group;
  }

  #unnamed(group: BoardGroup): void {
    if (group.gateways.size > 0 || group.sessions > 0) return;
    group.endsAtMs = this.#clock.nowMs() + this.#expiryMs;
    this.#lingering.add(group);
  }

  #end(group: BoardGroup): void {
    this.#lingering.delete(group);
    this.#byText.delete(group.text);
    this.#byNumber[group.number] = undefined;
    this.#freeNumbers.push(group.number);
    this.#index.remove(topicKey(group.topicFilter), group.number);
    for (const user of this.#users) user.onGroupEnd(group);
  }
}
