/**
 * Shared group — one shared subscription's members here, and what they hold of each partition
 * (docs/adr/0013).
 *
 * Shape: a message is *at* a member until it is acknowledged, or waits as a copy because nobody may
 *        take it. A topic with messages at a member goes there or waits.
 * Share: the member that is least busy, for its window, takes the next one; a topic that had to
 *        wait goes to who has most room.
 * Full:  the windows told to the owners bound what is here.
 */
import type { Position } from '#log';
import type { Delivery, LocalClient, Subscription } from './port.ts';

/** Messages that one member may have of all its groups at once. Range 1 – 65,535. */
const MEMBER_WINDOW = 256;

/** A client with shared subscriptions. */
export class SharedClient {
  readonly client: LocalClient;
  readonly window: number;
  /** By ticket. */
  readonly held = new Map<number, HeldMessage>();

  constructor(client: LocalClient) {
    this.client = client;
    this.window = Math.max(1, Math.min(client.deliveryCountMax, MEMBER_WINDOW));
  }

  /** Number of its last delivery: of equals the one that waits longest is next. */
  turn = 0;

  get room(): number {
    return this.window - this.held.size;
  }
  /** 0 = idle, 1 = nothing more may go there. */
  get load(): number {
    return this.held.size / this.window;
  }
  get mayTake(): boolean {
    return this.held.size < this.window && this.client.hasCapacity;
  }
}

export interface HeldMessage {
  readonly part: GroupPart;
  readonly position: Position;
  /** Hash of its topic. */
  readonly topic: number;
  /** Who has it; undefined: it waits. */
  at: SharedClient | undefined;
  /** While it waits. */
  message: Buffer | undefined;
}

export interface GroupMember {
  readonly shared: SharedClient;
  readonly terms: Subscription;
  readonly delivery: Delivery;
}

interface TopicHolder {
  readonly at: SharedClient;
  count: number;
}

/** What is here of one partition. */
export class GroupPart {
  readonly group: SharedGroup;
  readonly partition: number;
  readonly held = new Map<Position, HeldMessage>();
  readonly #topics = new Map<number, TopicHolder>();
  /** In the order of their coming. */
  waiting: HeldMessage[] = [];

  constructor(group: SharedGroup, partition: number) {
    this.group = group;
    this.partition = partition;
  }

  /**
   * Who is to get a message of this topic; undefined: it has to wait. One that has waited does not
   * go on to a slow member while another has twice its room: that one gets it when nothing is open.
   */
  choose(topic: number, hasWaited: boolean): GroupMember | undefined {
    const holder = this.#topics.get(topic);
    if (holder === undefined) return this.group.best(hasWaited ? hasMoreRoom : isIdler);
    const member = this.group.members.get(holder.at.client);
    if (member?.shared.mayTake !== true) return undefined;
    if (!hasWaited) return member;
    const roomiest = this.group.best(hasMoreRoom);
    return (roomiest?.shared.room ?? 0) > 2 * member.shared.room ? undefined : member;
  }

  give(held: HeldMessage, to: SharedClient, ticket: number): void {
    held.at = to;
    held.message = undefined;
    to.held.set(ticket, held);
    to.turn = ticket;
    const holder = this.#topics.get(held.topic);
    // Somebody else has it only if that one is no member any more.
    if (holder?.at === to) holder.count++;
    else if (holder === undefined) this.#topics.set(held.topic, { at: to, count: 1 });
  }

  /** It is not here any more. */
  drop({ position, topic, at }: HeldMessage): void {
    this.held.delete(position);
    if (at === undefined) return;
    const holder = this.#topics.get(topic);
    if (holder?.at === at && --holder.count === 0) this.#topics.delete(topic);
  }
}

export class SharedGroup {
  /** `$share/NAME/FILTER`. */
  readonly text: string;
  readonly members = new Map<LocalClient, GroupMember>();
  readonly parts: readonly GroupPart[];
  #turn = 0;

  constructor(text: string, partitions: number) {
    this.text = text;
    this.parts = Array.from(
      { length: partitions },
      (_, partition) => new GroupPart(this, partition),
    );
  }

  /** Messages of one partition that may be here at once. */
  get window(): number {
    let window = 0;
    for (const { shared } of this.members.values()) {
      window += Math.ceil(shared.window / this.parts.length);
    }
    return window;
  }
  /** Nothing is here of it. */
  get isEmpty(): boolean {
    return this.members.size === 0 && this.parts.every(({ held }) => held.size === 0);
  }

  /** The best member; undefined: nobody takes anything. */
  best(isBetter: (a: SharedClient, b: SharedClient) => boolean): GroupMember | undefined {
    let best: GroupMember | undefined;
    for (const member of this.members.values()) {
      const { shared } = member;
      if (best !== undefined && !isBetter(shared, best.shared)) continue;
      if (shared.mayTake) best = member;
    }
    return best;
  }

  /** A member for a message of QoS 0, one after the other; undefined: nobody takes anything. */
  nextForQos0(): GroupMember | undefined {
    const members = [...this.members.values()];
    for (let i = 0; i < members.length; i++) {
      const member = members[this.#turn++ % members.length];
      if (member?.shared.client.hasCapacity === true) return member;
    }
    return undefined;
  }
}

/** For a busy topic: who can take most of it. */
function hasMoreRoom(a: SharedClient, b: SharedClient): boolean {
  return a.room > b.room;
}

/** For a topic that nobody has: everybody works. */
function isIdler(a: SharedClient, b: SharedClient): boolean {
  return a.load === b.load ? a.turn < b.turn : a.load < b.load;
}
