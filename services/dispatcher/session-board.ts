/**
 * Session board — the stored sessions of the cluster as this process's partitions look them up.
 *
 * Shape: fed by the session view; per generation one BoardSession with a small number, its slot, in
 *        arrays of the partitions; one index from topic to the subscriptions with QoS ≥ 1. Routes
 *        are cached per topic and valid until some subscription changes: coming and going of
 *        sessions leaves them alone.
 * Cost:  a look-up per QoS ≥ 1 message; nothing while no session is stored.
 * Full:  the route cache is emptied at ROUTES_MAX topics.
 */
import type { SessionChange, SessionRecord, SessionView, StoredSubscription } from '#session-store';
import type { Stay } from '#session-store';
import { FilterIndex, isSharedFilter, topicKey } from '#topics';
import type { GroupBoard } from './group-board.ts';

/** Topics with a cached route. Range 1,024 – 1 M. */
const ROUTES_MAX = 65_536;
/** Longer topics keep no route: at 64 KiB each they would be 4 GiB. */
const CACHED_TOPIC_BYTES_MAX = 512;

export interface BoardSubscription {
  readonly session: BoardSession;
  /** Its value in the index. */
  readonly number: number;
  stored: StoredSubscription;
}

export class BoardSession {
  readonly generation: number;
  /** Index in arrays of the partitions; reused after the session has ended. */
  readonly slot: number;
  record: SessionRecord;
  /** Where it is, or was last, connected: what came from there is its own (No Local). */
  lastStay: Stay | undefined;
  subscriptions: readonly BoardSubscription[] = [];

  constructor(record: SessionRecord, slot: number) {
    this.generation = record.generation;
    this.slot = slot;
    this.record = record;
    this.lastStay = record.at;
  }
}

/** What the board tells a partition's owner. */
export interface BoardUser {
  onSession(session: BoardSession): void;
  /** `before`: the record that it had; the session has the new one already. */
  onSessionChange(session: BoardSession, before: SessionRecord): void;
  /** Its slot is free afterwards. */
  onSessionEnd(session: BoardSession): void;
  /** The view has read on. */
  onRevision(): void;
}

interface CachedRoute {
  generation: number;
  numbers: readonly number[];
}

const NOBODY: readonly number[] = [];

export class SessionBoard {
  readonly view: SessionView;
  readonly #groups: GroupBoard | undefined;
  readonly #index: FilterIndex;
  readonly #byGeneration = new Map<number, BoardSession>();
  readonly #users = new Set<BoardUser>();
  readonly #subscriptions: (BoardSubscription | undefined)[] = [];
  readonly #freeNumbers: number[] = [];
  /** By number of a subscription: slot of its session, and whether it is not for everything. */
  #slotsOf = new Uint32Array(64);
  #conditional = new Uint8Array(64);
  readonly #bySlot: (BoardSession | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  readonly #routes = new Map<string, CachedRoute>();
  readonly #matched: number[] = [];
  #slots = 0;
  #lastKey = '';
  #lastRoute: CachedRoute | undefined;

  /** `seed`: see FilterIndex; clients choose the filters. */
  constructor(view: SessionView, seed = 0, groups?: GroupBoard) {
    this.#groups = groups;
    this.view = view;
    this.#index = new FilterIndex({ seed });
    view.onChange((change) => this.#onChange(change));
    view.onRevision(() => {
      for (const user of this.#users) user.onRevision();
    });
  }

  get sessions(): IterableIterator<BoardSession> {
    return this.#byGeneration.values();
  }
  get sessionCount(): number {
    return this.#byGeneration.size;
  }
  /** Slots are below this. */
  get slotCount(): number {
    return this.#slots;
  }

  session(generation: number): BoardSession | undefined {
    return this.#byGeneration.get(generation);
  }

  addUser(user: BoardUser): void {
    this.#users.add(user);
  }
  removeUser(user: BoardUser): void {
    this.#users.delete(user);
  }

  sessionAt(slot: number): BoardSession | undefined {
    return this.#bySlot[slot];
  }

  // ---- subscriptions by their number; what is asked for each of very many lies in arrays

  subscription(number: number): BoardSubscription {
    return this.#subscriptions[number] as BoardSubscription;
  }
  slotOf(number: number): number {
    return this.#slotsOf[number] as number;
  }
  /** It has starts, had another QoS, or No Local: some messages that match are not for it. */
  isConditional(number: number): boolean {
    return this.#conditional[number] === 1;
  }

  /** Numbers of the subscriptions that have or had QoS ≥ 1 for the topic; do not keep. */
  route(key: string): readonly number[] {
    if (this.#index.filterCount === 0) return NOBODY;
    const { generation } = this.#index;
    const cached = key === this.#lastKey ? this.#lastRoute : this.#routes.get(key);
    if (cached !== undefined && cached.generation === generation) {
      this.#lastKey = key;
      this.#lastRoute = cached;
      return cached.numbers;
    }
    const numbers = this.#match(key);
    if (cached !== undefined) {
      cached.generation = generation;
      cached.numbers = numbers;
    } else if (key.length <= CACHED_TOPIC_BYTES_MAX) {
      if (this.#routes.size >= ROUTES_MAX) this.#routes.clear();
      this.#routes.set(key, { generation, numbers });
    }
    return numbers;
  }

  #match(key: string): readonly number[] {
    const count = this.#index.matchInto(key, this.#matched);
    return count === 0 ? NOBODY : this.#matched.slice(0, count);
  }

  #onChange({ before, after }: SessionChange): void {
    const old = before === undefined ? undefined : this.#byGeneration.get(before.generation);
    if (old !== undefined && old.generation !== after?.generation) this.#end(old);
    if (after === undefined) return;
    const known = this.#byGeneration.get(after.generation);
    if (known === undefined) this.#begin(after);
    else {
      const record = known.record;
      known.record = after;
      known.lastStay = after.at ?? known.lastStay;
      this.#subscribe(known);
      for (const user of this.#users) user.onSessionChange(known, record);
    }
  }

  #begin(record: SessionRecord): void {
    const slot = this.#freeSlots.pop() ?? this.#slots++;
    const session = new BoardSession(record, slot);
    this.#bySlot[slot] = session;
    this.#byGeneration.set(record.generation, session);
    this.#subscribe(session);
    for (const user of this.#users) user.onSession(session);
  }

  #end(session: BoardSession): void {
    for (const user of this.#users) user.onSessionEnd(session);
    this.#byGeneration.delete(session.generation);
    for (const subscription of session.subscriptions) this.#drop(subscription);
    session.subscriptions = [];
    this.#bySlot[session.slot] = undefined;
    this.#freeSlots.push(session.slot);
  }

  /** Brings the index up to the session's record. */
  #subscribe(session: BoardSession): void {
    const old = new Map(session.subscriptions.map((s) => [s.stored.topicFilter, s]));
    const subscriptions: BoardSubscription[] = [];
    for (const stored of session.record.subscriptions) {
      if (stored.qos === 0 && stored.formerly === undefined) continue;
      const { topicFilter } = stored;
      const known = old.get(topicFilter);
      old.delete(topicFilter);
      if (known !== undefined) this.#note(known, stored);
      subscriptions.push(known ?? this.#add(session, stored));
    }
    for (const gone of old.values()) this.#drop(gone);
    session.subscriptions = subscriptions;
  }

  #add(session: BoardSession, stored: StoredSubscription): BoardSubscription {
    const number = this.#freeNumbers.pop() ?? this.#subscriptions.length;
    const subscription = { session, number, stored };
    this.#subscriptions[number] = subscription;
    this.#reserve(number);
    this.#slotsOf[number] = session.slot;
    this.#note(subscription, stored);
    const { topicFilter } = stored;
    // Its messages are the group's, not the session's (ADR 0013).
    if (isSharedFilter(topicFilter)) this.#groups?.sessionNames(topicFilter);
    else this.#index.add(topicKey(topicFilter), number);
    return subscription;
  }

  #note(subscription: BoardSubscription, stored: StoredSubscription): void {
    subscription.stored = stored;
    const { starts, formerly, noLocal } = stored;
    const isConditional = starts !== undefined || formerly !== undefined || noLocal;
    this.#conditional[subscription.number] = isConditional ? 1 : 0;
  }

  #reserve(number: number): void {
    const size = this.#slotsOf.length;
    if (number < size) return;
    const slotsOf = new Uint32Array(size * 2);
    slotsOf.set(this.#slotsOf);
    this.#slotsOf = slotsOf;
    const conditional = new Uint8Array(size * 2);
    conditional.set(this.#conditional);
    this.#conditional = conditional;
  }

  #drop({ number, stored }: BoardSubscription): void {
    this.#subscriptions[number] = undefined;
    this.#freeNumbers.push(number);
    const { topicFilter } = stored;
    if (isSharedFilter(topicFilter)) this.#groups?.sessionDrops(topicFilter);
    else this.#index.remove(topicKey(topicFilter), number);
  }
}
