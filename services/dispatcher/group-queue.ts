/**
 * Group queue — which gateway gets which message of one shared subscription in one partition
 * (docs/adr/0013). Pure: no clock, no wire, no store.
 *
 * Shape: an entry waits (in `ready`, or parked at its topic), is at one gateway, or is over.
 * Order: ready is in log order; a topic with entries at a gateway goes there or is parked, so that
 *        others pass; what comes back stands before what is younger.
 * Share: the gateway that is least busy takes the next one; a slow one is busier. A topic that
 *        had to wait leaves its gateway, once nothing of it is there, for one with twice the room.
 * Cost:  O(1) per entry and step, O(gateways) per choice; sorting only where entries come back.
 */
import type { Position } from '#log';

/** Entries taken from the head before an array is compacted. */
const COMPACT_AT = 1_024;

export interface GroupEntry {
  readonly position: Position;
  /** Hash of the topic: two topics of one hash are kept in order together. */
  readonly topic: number;
  readonly bytes: number;
  /** Seconds since 1970; 0 = never, or not known before it is read. */
  expiresAtSeconds: number;
  /** Undefined: in the store only. */
  message: Buffer | undefined;
  isFiled: boolean;
  /** Where it is; undefined: it waits. */
  at: GroupMember | undefined;
  isOver: boolean;
}

/** A gateway with members. */
export class GroupMember {
  readonly incarnation: string;
  /** Entries that may be there at once. */
  window = 0;
  /** Entries there now. */
  count = 0;
  /** Number of its last entry: of equals the one that waits longest is next. */
  turn = 0;
  /** Topics there with more entries that wait. */
  readonly parked = new Set<Topic>();

  constructor(incarnation: string) {
    this.incarnation = incarnation;
  }
  get room(): number {
    return this.window - this.count;
  }
  /** 0 = idle, 1 = nothing more may go there. */
  get load(): number {
    return this.count / this.window;
  }
}

/** A topic that has entries at a gateway, or has had and more of them wait. */
interface Topic {
  readonly hash: number;
  at: GroupMember | undefined;
  count: number;
  readonly waiting: EntryQueue;
}

export class GroupQueue {
  readonly #entries = new Map<Position, GroupEntry>();
  readonly #members = new Map<string, GroupMember>();
  readonly #topics = new Map<number, Topic>();
  readonly #ready = new EntryQueue();
  /** Parked topics with nothing at a gateway any more. */
  readonly #free = new Set<Topic>();
  #waitingBytes = 0;
  #inFlight = 0;
  #turns = 0;

  get size(): number {
    return this.#entries.size;
  }
  get inFlight(): number {
    return this.#inFlight;
  }
  get waiting(): number {
    return this.#entries.size - this.#inFlight;
  }
  get waitingBytes(): number {
    return this.#waitingBytes;
  }
  get entries(): IterableIterator<GroupEntry> {
    return this.#entries.values();
  }
  entry(position: Position): GroupEntry | undefined {
    return this.#entries.get(position);
  }

  /** A message that waits, above all before; or one that is at a gateway already (`holder`). */
  add(entry: GroupEntry, holder?: string): void {
    this.#entries.set(entry.position, entry);
    if (holder === undefined) {
      this.#waitingBytes += entry.bytes;
      this.#ready.push(entry);
      return;
    }
    const member = this.#member(holder);
    const topic = this.#topic(entry.topic, member);
    if (topic.at === undefined) {
      topic.at = member;
      this.#free.delete(topic);
      if (!topic.waiting.isEmpty) member.parked.add(topic);
    }
    this.#place(entry, topic, member);
  }

  setWindow(incarnation: string, window: number): void {
    this.#member(incarnation).window = window;
  }

  /**
   * Gives the next entry that may go to a gateway there. `mayTake`: false for gateways that cannot
   * be sent anything now. Undefined: nothing waits, or nobody has room.
   */
  next(mayTake: (incarnation: string) => boolean): GroupEntry | undefined {
    return this.#nextParked(mayTake) ?? this.#nextFree(mayTake) ?? this.#nextReady(mayTake);
  }

  #nextParked(mayTake: (incarnation: string) => boolean): GroupEntry | undefined {
    for (const member of this.#members.values()) {
      if (member.parked.size === 0 || member.room <= 0 || !mayTake(member.incarnation)) continue;
      // A slow gateway does not keep a busy topic: it goes elsewhere once all is acknowledged.
      if ((this.#best(mayTake, hasMoreRoom)?.room ?? 0) > 2 * member.room) continue;
      for (const topic of member.parked) {
        const entry = topic.waiting.shift();
        if (topic.waiting.isEmpty) member.parked.delete(topic);
        if (entry !== undefined) return this.#assign(entry, topic, member);
      }
    }
    return undefined;
  }

  #nextFree(mayTake: (incarnation: string) => boolean): GroupEntry | undefined {
    for (const topic of this.#free) {
      const member = this.#best(mayTake, hasMoreRoom);
      if (member === undefined) return undefined;
      this.#free.delete(topic);
      const entry = topic.waiting.shift();
      if (entry === undefined) continue;
      topic.at = member;
      if (!topic.waiting.isEmpty) member.parked.add(topic);
      return this.#assign(entry, topic, member);
    }
    return undefined;
  }

  #nextReady(mayTake: (incarnation: string) => boolean): GroupEntry | undefined {
    for (let entry = this.#ready.first; entry !== undefined; entry = this.#ready.first) {
      const topic = this.#topics.get(entry.topic);
      if (topic === undefined) {
        const member = this.#best(mayTake, isIdler);
        if (member === undefined) return undefined;
        this.#ready.shift();
        return this.#assign(entry, this.#topic(entry.topic, member), member);
      }
      this.#ready.shift();
      const { at } = topic;
      if (at !== undefined && topic.waiting.isEmpty && at.room > 0 && mayTake(at.incarnation)) {
        return this.#assign(entry, topic, at);
      }
      topic.waiting.push(entry);
      if (at === undefined) this.#free.add(topic);
      else at.parked.add(topic);
    }
    return undefined;
  }

  #best(
    mayTake: (incarnation: string) => boolean,
    isBetter: (a: GroupMember, b: GroupMember) => boolean,
  ): GroupMember | undefined {
    let best: GroupMember | undefined;
    for (const member of this.#members.values()) {
      if (member.room <= 0 || (best !== undefined && !isBetter(member, best))) continue;
      if (mayTake(member.incarnation)) best = member;
    }
    return best;
  }

  #assign(entry: GroupEntry, topic: Topic, member: GroupMember): GroupEntry {
    this.#waitingBytes -= entry.bytes;
    this.#place(entry, topic, member);
    return entry;
  }

  #place(entry: GroupEntry, topic: Topic, member: GroupMember): void {
    entry.at = member;
    topic.count++;
    member.count++;
    member.turn = ++this.#turns;
    this.#inFlight++;
  }

  /** The entry is over: acknowledged, or dropped by name. False: it is not known. */
  done(position: Position): GroupEntry | undefined {
    const entry = this.#entries.get(position);
    if (entry === undefined) return undefined;
    this.#entries.delete(position);
    entry.isOver = true;
    if (entry.at !== undefined) this.#takeAway(entry);
    else {
      this.#waitingBytes -= entry.bytes;
      this.#removeWaiting(entry);
    }
    return entry;
  }

  /** The gateway gives the entries back: others are to get them. Returns how many did come back. */
  back(incarnation: string, positions: readonly Position[]): number {
    const entries: GroupEntry[] = [];
    for (const position of positions) {
      const entry = this.#entries.get(position);
      if (entry?.at?.incarnation === incarnation) entries.push(entry);
    }
    this.#return(entries);
    return entries.length;
  }

  /** The gateway is no more. Returns how many entries wait again. */
  gone(incarnation: string): number {
    const member = this.#members.get(incarnation);
    if (member === undefined) return 0;
    const entries = member.count === 0 ? [] : [...this.#entries.values()].filter(isThere(member));
    this.#return(entries);
    this.#members.delete(incarnation);
    // Entries of one topic may be at two gateways, after a client has moved.
    for (const topic of this.#topics.values()) {
      if (topic.at !== member) continue;
      topic.at = undefined;
      if (!topic.waiting.isEmpty) this.#free.add(topic);
    }
    return entries.length;
  }

  /** The oldest that waits and whose topic is not parked; it is over. */
  dropOldest(): GroupEntry | undefined {
    const oldest = this.#ready.first;
    return oldest === undefined ? undefined : this.done(oldest.position);
  }

  #return(entries: readonly GroupEntry[]): void {
    const ready: GroupEntry[] = [];
    for (const entry of entries) {
      this.#takeAway(entry);
      entry.at = undefined;
      this.#waitingBytes += entry.bytes;
    }
    for (const entry of entries) {
      const topic = this.#topics.get(entry.topic);
      if (topic === undefined) ready.push(entry);
      else {
        topic.waiting.merge([entry]);
        if (topic.at === undefined) this.#free.add(topic);
        else topic.at.parked.add(topic);
      }
    }
    this.#ready.merge(ready);
  }

  /** It is at its gateway no more. */
  #takeAway(entry: GroupEntry): void {
    const member = entry.at as GroupMember;
    member.count--;
    this.#inFlight--;
    const topic = this.#topics.get(entry.topic);
    if (topic === undefined || --topic.count > 0) return;
    if (topic.at !== undefined) topic.at.parked.delete(topic);
    topic.at = undefined;
    if (topic.waiting.isEmpty) this.#topics.delete(entry.topic);
    else this.#free.add(topic);
  }

  #removeWaiting(entry: GroupEntry): void {
    if (this.#ready.first === entry) {
      this.#ready.shift();
      return;
    }
    if (this.#ready.remove(entry)) return;
    const topic = this.#topics.get(entry.topic);
    if (topic === undefined || !topic.waiting.remove(entry) || !topic.waiting.isEmpty) return;
    topic.at?.parked.delete(topic);
    this.#free.delete(topic);
    if (topic.count === 0) this.#topics.delete(topic.hash);
  }

  #member(incarnation: string): GroupMember {
    let member = this.#members.get(incarnation);
    if (member === undefined) {
      member = new GroupMember(incarnation);
      this.#members.set(incarnation, member);
    }
    return member;
  }

  #topic(hash: number, at: GroupMember): Topic {
    let topic = this.#topics.get(hash);
    if (topic === undefined) {
      topic = { hash, at, count: 0, waiting: new EntryQueue() };
      this.#topics.set(hash, topic);
    }
    return topic;
  }
}

/** For a busy topic: who can take most of it. */
function hasMoreRoom(a: GroupMember, b: GroupMember): boolean {
  return a.room > b.room;
}

/** For a topic that has nothing anywhere: everybody works. */
function isIdler(a: GroupMember, b: GroupMember): boolean {
  return a.load === b.load ? a.turn < b.turn : a.load < b.load;
}

function isThere(member: GroupMember): (entry: GroupEntry) => boolean {
  return ({ at }) => at === member;
}

/** Entries by position; taken from the front. */
class EntryQueue {
  #entries: GroupEntry[] = [];
  #head = 0;

  get isEmpty(): boolean {
    return this.#head === this.#entries.length;
  }
  get first(): GroupEntry | undefined {
    return this.#entries[this.#head];
  }

  push(entry: GroupEntry): void {
    this.#entries.push(entry);
  }

  shift(): GroupEntry | undefined {
    const entry = this.#entries[this.#head];
    if (entry === undefined) return undefined;
    this.#head++;
    if (this.isEmpty) {
      this.#entries = [];
      this.#head = 0;
    } else if (this.#head >= COMPACT_AT && this.#head * 2 > this.#entries.length) this.#compact();
    return entry;
  }

  /** Entries that come back, where they belong. */
  merge(entries: readonly GroupEntry[]): void {
    if (entries.length === 0) return;
    this.#compact();
    this.#entries = [...entries, ...this.#entries].toSorted((a, b) => a.position - b.position);
  }

  remove(entry: GroupEntry): boolean {
    const at = this.#entries.indexOf(entry, this.#head);
    if (at < 0) return false;
    this.#entries.splice(at, 1);
    return true;
  }

  #compact(): void {
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }
}
