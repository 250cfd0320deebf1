/**
 * Shared groups — the shared subscriptions that clients of this gateway are members of
 * (docs/adr/0013).
 *
 * Shape: messages come from the owners in numbered sections; each is given to one member, and the
 *        owner is told when it is done, or given back because its client has gone.
 * Ticket: a delivery is named by TICKET_START and a counter; smaller ones are of stored sessions.
 * Cost:  one look-up per message and acknowledgement; copies only of what has to wait.
 */
import { type Clock, hashBytes } from '#base';
import type { GatewayMessage, GroupReader, HeldOfGroup } from '#frames';
import { messageLength, type Position, readMessage, writeMessage } from '#log';
import { PublishView } from '#mqtt';
import { deliveryOf } from './filter-entry.ts';
import type { OwnerLink } from './owner-link.ts';
import type { LocalClient, Subscription } from './port.ts';
import {
  type GroupMember,
  type GroupPart,
  type HeldMessage,
  SharedClient,
  SharedGroup,
} from './shared-group.ts';
import { helloPieces, SharedReports } from './shared-reports.ts';

/** Tickets of shared subscriptions begin here; a stay counts from 1. */
const TICKET_START = 2 ** 51;

export interface SharedGroupsOptions {
  readonly clock: Clock;
  readonly incarnation: string;
  readonly links: readonly OwnerLink[];
  readonly send: (partition: number, message: GatewayMessage) => void;
}

export class SharedGroups {
  delivered = 0;
  /** Dropped as `message_expired`. */
  expired = 0;
  /** Given back to the owners. */
  returned = 0;

  readonly #o: SharedGroupsOptions;
  readonly #reports: readonly SharedReports[];
  readonly #groups = new Map<string, SharedGroup>();
  readonly #clients = new Map<LocalClient, SharedClient>();
  readonly #view = new PublishView();
  /** Parts whose waiting messages may find room. */
  readonly #stirred = new Set<GroupPart>();
  #tickets = TICKET_START;
  #planned = false;

  constructor(options: SharedGroupsOptions) {
    this.#o = options;
    const { incarnation, links, send } = options;
    const plan = (): void => this.#plan();
    this.#reports = links.map(
      (link, p) => new SharedReports({ incarnation, link, send: (m) => send(p, m), plan }),
    );
  }

  get size(): number {
    return this.#groups.size;
  }
  get memberCount(): number {
    let count = 0;
    for (const { members } of this.#groups.values()) count += members.size;
    return count;
  }
  /** Messages here that are not acknowledged. */
  get heldCount(): number {
    let count = 0;
    for (const { parts } of this.#groups.values()) for (const { held } of parts) count += held.size;
    return count;
  }

  /** The owners know what is done and given back. */
  get isTold(): boolean {
    return this.#reports.every((reports) => reports.isTold);
  }

  group(text: string): SharedGroup | undefined {
    return this.#groups.get(text);
  }

  // ---- members

  /** The client subscribes, or changes its terms. */
  join(client: LocalClient, terms: Subscription): void {
    const { topicFilter: text } = terms;
    let shared = this.#clients.get(client);
    if (shared === undefined) this.#clients.set(client, (shared = new SharedClient(client)));
    let group = this.#groups.get(text);
    if (group === undefined) {
      group = new SharedGroup(text, this.#o.links.length);
      this.#groups.set(text, group);
    }
    group.members.set(client, { shared, terms, delivery: deliveryOf(terms) });
    this.#tellWindow(group);
    this.#stir(group);
  }

  /** The client unsubscribes; what it has it may still acknowledge. */
  quit(client: LocalClient, text: string): void {
    const group = this.#groups.get(text);
    if (group === undefined || !group.members.delete(client)) return;
    this.#tellWindow(group);
    const { window } = group;
    // What only the lost window had room for: it would wait for a slow member that is left.
    for (const part of group.parts) if (part.held.size > window) this.#giveBackWaiting(part);
    this.#forgetIfEmpty(group);
  }

  /** The connection is over; the client has quit all groups. What it has others are to get. */
  leave(client: LocalClient): void {
    const shared = this.#clients.get(client);
    if (shared === undefined) return;
    this.#clients.delete(client);
    const parts = new Set<GroupPart>();
    for (const held of shared.held.values()) {
      parts.add(held.part);
      this.#giveBack(held);
    }
    shared.held.clear();
    for (const part of parts) {
      // What waits may be of a topic that has gone back.
      this.#giveBackWaiting(part);
      this.#forgetIfEmpty(part.group);
    }
  }

  #tellWindow(group: SharedGroup): void {
    const { text, window } = group;
    for (const reports of this.#reports) reports.setWindow(text, window);
  }

  #giveBack(held: HeldMessage): void {
    const { part, position } = held;
    part.drop(held);
    this.returned++;
    this.#reports[part.partition]?.back(part.group.text, position);
  }

  #giveBackWaiting(part: GroupPart): void {
    const { waiting } = part;
    part.waiting = [];
    for (const held of waiting) this.#giveBack(held);
  }

  #forgetIfEmpty(group: SharedGroup): void {
    if (group.isEmpty) this.#groups.delete(group.text);
  }

  // ---- messages

  /** Messages of an owner that counts. */
  onSection(section: GroupReader): void {
    const reports = this.#reports[section.partition];
    if (reports === undefined || !reports.takes(section.number)) return;
    const group = this.#groups.get(section.group);
    const part = group?.parts[section.partition];
    while (section.next()) {
      const { position, view } = section;
      if (group === undefined || part === undefined || group.members.size === 0) {
        this.returned++;
        reports.back(section.group, position);
      } else if (!part.held.has(position)) this.#onMessage(part, position, view);
    }
  }

  #onMessage(part: GroupPart, position: Position, view: PublishView): void {
    if (view.hasExpired(this.#o.clock)) {
      this.expired++;
      this.#reports[part.partition]?.done(part.group.text, position);
      return;
    }
    const topic = hashBytes(view.buffer, view.topicStart + 2, view.topicEnd);
    const held: HeldMessage = { part, position, topic, at: undefined, message: undefined };
    part.held.set(position, held);
    const mayGo = part.waiting.length === 0 || !part.waiting.some((other) => other.topic === topic);
    const member = mayGo ? part.choose(topic, false) : undefined;
    if (member !== undefined) return this.#give(held, member, view);
    const length = messageLength(view);
    held.message = Buffer.allocUnsafe(length);
    writeMessage(held.message, 0, view, length, view.expiresAtSeconds, 0, false);
    part.waiting.push(held);
  }

  #give(held: HeldMessage, { shared, terms, delivery }: GroupMember, view: PublishView): void {
    const ticket = ++this.#tickets;
    held.part.give(held, shared, ticket);
    this.delivered++;
    const qos = view.qos < terms.qos ? view.qos : terms.qos;
    shared.client.deliver(view, qos, delivery, ticket, 0);
  }

  /** True: the ticket is of a shared subscription. */
  settled(client: LocalClient, ticket: number): boolean {
    if (ticket < TICKET_START) return false;
    const shared = this.#clients.get(client);
    const held = shared?.held.get(ticket);
    if (shared === undefined || held === undefined) return true;
    shared.held.delete(ticket);
    const { part, position } = held;
    part.drop(held);
    this.#reports[part.partition]?.done(part.group.text, position);
    if (part.waiting.length > 0) this.#stirred.add(part);
    if (part.group.members.size === 0) this.#forgetIfEmpty(part.group);
    return true;
  }

  #stir(group: SharedGroup): void {
    for (const part of group.parts) if (part.waiting.length > 0) this.#stirred.add(part);
    if (this.#stirred.size > 0) this.#plan();
  }

  /** Gives members what waits and may go; in order, others of the topic before it. */
  #drain(part: GroupPart): void {
    const { waiting } = part;
    part.waiting = [];
    const blocked = new Set<number>();
    for (const held of waiting) {
      const { topic, message, position } = held;
      const member = blocked.has(topic) ? undefined : part.choose(topic, true);
      if (member === undefined || message === undefined) {
        blocked.add(topic);
        part.waiting.push(held);
        continue;
      }
      readMessage(message, 0, this.#view);
      if (this.#view.hasExpired(this.#o.clock)) {
        this.expired++;
        part.drop(held);
        this.#reports[part.partition]?.done(part.group.text, position);
      } else this.#give(held, member, this.#view);
    }
    // Its last member may have gone while it was given something.
    if (part.group.members.size === 0) this.#giveBackWaiting(part);
  }

  // ---- QoS 0

  /** Gives a message of QoS 0 to one member here. False: nobody takes it. */
  deliverQos0(group: SharedGroup, view: PublishView): boolean {
    const member = group.nextForQos0();
    if (member === undefined) return false;
    this.delivered++;
    member.shared.client.deliver(view, 0, member.delivery, 0, 0);
    return true;
  }

  // ---- owners

  heard(partition: number, number: number): void {
    this.#reports[partition]?.heard(number, this.#o.clock.nowMs());
  }

  /** A hello of another owner. */
  ownerChanged(partition: number): void {
    const windows = [...this.#groups.values()]
      .filter(({ members }) => members.size > 0)
      .map(({ text, window }) => [text, window] as const);
    this.#reports[partition]?.ownerChanged(windows);
  }

  /** It dispatches, and takes reports. */
  ownerBegan(partition: number): void {
    this.#reports[partition]?.flush(this.#o.clock.nowMs());
  }

  /** What the answer to a hello says, in pieces that fit a message each. */
  forHello(partition: number): readonly (readonly HeldOfGroup[])[] {
    const held = new Map<string, Position[]>();
    for (const { text, parts } of this.#groups.values()) {
      const part = parts[partition];
      if (part !== undefined && part.held.size > 0) held.set(text, [...part.held.keys()]);
    }
    const finished = this.#reports[partition]?.finished() ?? new Map<string, Position[]>();
    return helloPieces(held, finished);
  }

  // ---- by the clock

  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    this.#o.clock.whenIdle(() => {
      this.#planned = false;
      this.#flush();
    });
  }

  #flush(): void {
    for (const part of this.#stirred) this.#drain(part);
    this.#stirred.clear();
    const nowMs = this.#o.clock.nowMs();
    for (const reports of this.#reports) reports.flush(nowMs);
  }

  tick(nowMs: number): void {
    // A client's buffer may have room again.
    for (const group of this.#groups.values()) this.#stir(group);
    for (const reports of this.#reports) reports.tick(nowMs);
  }
}
