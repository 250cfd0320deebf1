/**
 * Owner groups — the shared subscriptions of one partition (docs/adr/0013).
 *
 * Shape: per group a queue; per gateway a channel. Messages come in log order, are assigned before
 *        each flush, and are over by the gateways' reports.
 * Held:  the checkpoint stays below every message that is not over and not filed.
 * Full:  a queue by its limits (`queue_full`); what is not durable stops the reading of the log.
 */
import { hashBytes } from '#base';
import { decodePositions, type GatewayMessage } from '#frames';
import type { Position, RecordReader } from '#log';
import type { PartitionContext } from '#reader';
import type { BoardGroup, GroupBoard, GroupUser } from './group-board.ts';
import { GroupChannel } from './group-channel.ts';
import type { GroupEntry, GroupQueue } from './group-queue.ts';
import { GroupStore } from './group-store.ts';
import { OwnerGroup } from './owner-group.ts';
import type { OwnerVoice } from './owner-voice.ts';
import type { PartitionLink } from './partition-link.ts';
import type { TailRecord } from './record-tail.ts';
import { DEFAULT_QUEUE_LIMITS, type QueueLimits } from './session-queues.ts';
import type { UndurableLimit } from './undurable-limit.ts';
import { UnfiledMessages } from './unfiled-messages.ts';

/** Where in a message its expiry stands (record.md: length, flags, expiry). */
const EXPIRY_OFFSET = 5;

type Report = Extract<GatewayMessage, { t: 'groups' }>;

/** Plain counters, summed over all partitions of a process. */
export interface GroupCounters {
  /** Messages, one per group. */
  groupMessages: number;
  groupFiled: number;
  groupRedelivered: number;
  /** Dropped as `queue_full`, and as `message_expired`. */
  groupQueueFull: number;
  groupExpired: number;
  /** Dropped as `message_exceeds_bus_maximum`. */
  oversized: number;
}

export interface OwnerGroupsOptions {
  readonly context: PartitionContext;
  readonly board: GroupBoard;
  readonly counters: GroupCounters;
  readonly links: ReadonlyMap<string, PartitionLink>;
  readonly voice: Pick<OwnerVoice, 'tell' | 'tellGroup'>;
  readonly limit: UndurableLimit;
  /** Everything up to here has been dispatched. */
  readonly position: () => Position;
  readonly planFlush: () => void;
  readonly queueLimits?: QueueLimits | undefined;
}

export class OwnerGroups implements GroupUser {
  readonly #o: OwnerGroupsOptions;
  readonly #store: GroupStore;
  readonly #limits: QueueLimits;
  readonly #groups = new Map<string, OwnerGroup>();
  readonly #channels = new Map<string, GroupChannel>();
  /** Groups of which something may be assigned. */
  readonly #dirty = new Set<OwnerGroup>();
  readonly #loading = new Set<GroupEntry>();
  readonly #unfiled: UnfiledMessages;
  #numbers = 0;
  #begun = false;

  constructor(options: OwnerGroupsOptions) {
    this.#o = options;
    this.#store = new GroupStore(options.context.state);
    this.#limits = options.queueLimits ?? DEFAULT_QUEUE_LIMITS;
    this.#unfiled = new UnfiledMessages((...message) => this.#file(...message));
  }

  get waiting(): number {
    return this.#sum(({ waiting }) => waiting);
  }
  get inFlight(): number {
    return this.#sum(({ inFlight }) => inFlight);
  }
  #sum(read: (queue: GroupQueue) => number): number {
    let sum = 0;
    for (const { queue } of this.#groups.values()) sum += read(queue);
    return sum;
  }

  /** Everything up to here is over or filed. */
  get position(): Position {
    return this.#unfiled.position;
  }

  /** All gateways have answered; interest and session records are known. */
  begin(): void {
    const { board, context, links } = this.#o;
    const byNumber = new Map<number, OwnerGroup>();
    for (const stored of this.#store.groups()) {
      this.#numbers = Math.max(this.#numbers, stored.number);
      if (board.revive(stored.text) === undefined) this.#store.remove(stored.number);
      else {
        const group = this.#add(stored.text, stored.number, stored.start);
        group.recover(this.#store.over(stored.number), context.checkpoint);
        byNumber.set(stored.number, group);
      }
    }
    for (const { text } of board.groups) {
      if (!this.#groups.has(text)) this.#begin(text, context.checkpoint);
    }
    for (const link of links.values()) if (link.phase === 'ready') this.#learn(link);
    for (const [number, message] of this.#store.messages()) {
      const group = byNumber.get(number);
      const { position } = message;
      // Again below, if it is to be dispatched again.
      const isOver = group?.finished.has(position) ?? true;
      if (group === undefined || isOver) this.#store.delete(number, message);
      else {
        const state = { isFiled: true, at: undefined, isOver: false };
        const entry = { ...message, expiresAtSeconds: 0, message: undefined, ...state };
        group.queue.add(entry, group.held.get(position));
        group.held.delete(position);
      }
    }
    board.addUser(this);
    this.#begun = true;
  }

  /** What the gateway's answer to hello named. */
  #learn(link: PartitionLink): void {
    const { groupsNamed, incarnation } = link;
    link.groupsNamed = [];
    for (const [text, held, finished] of groupsNamed) {
      const group = this.#groups.get(text);
      if (group === undefined) continue;
      for (const position of decodePositions(held)) group.held.set(position, incarnation);
      for (const position of decodePositions(finished)) group.learnDone(position);
    }
  }

  end(): void {
    this.#begun = false;
    this.#o.board.removeUser(this);
  }

  onGroup({ text }: BoardGroup): void {
    this.#begin(text, this.#o.position());
  }

  onGroupEnd({ text }: BoardGroup): void {
    const group = this.#groups.get(text);
    if (group === undefined) return;
    for (const entry of group.queue.entries) {
      entry.isOver = true;
      this.#forget(group, entry);
    }
    this.#store.remove(group.number);
    this.#groups.delete(text);
    this.#dirty.delete(group);
    for (const channel of this.#channels.values()) channel.forget(text);
  }

  #begin(text: string, start: Position): void {
    const number = ++this.#numbers;
    this.#add(text, number, start);
    this.#store.put({ number, start, text });
  }

  #add(text: string, number: number, start: Position): OwnerGroup {
    const group = new OwnerGroup(text, number, start);
    this.#groups.set(text, group);
    for (const { incarnation, windows } of this.#channels.values()) {
      const window = windows.get(text);
      if (window !== undefined) group.queue.setWindow(incarnation, window);
    }
    return group;
  }

  // ---- the log

  /** The message with QoS ≥ 1 that `reader` stands on; in log order. */
  dispatch(topic: string, position: Position, record: TailRecord, reader: RecordReader): void {
    const groups = this.#o.board.route(topic);
    if (groups.length === 0) return;
    let message: Buffer | undefined;
    for (let i = 0; i < groups.length; i++) {
      const group = this.#groups.get((groups[i] as BoardGroup).text);
      if (group === undefined || group.knows(position)) continue;
      const { messageStart, messageEnd, view } = reader;
      if (!group.fits(messageEnd - messageStart, this.#o.context.bus.payloadBytesMax)) {
        this.#o.counters.oversized++;
        continue;
      }
      message ??= Buffer.from(record.payload.subarray(messageStart, messageEnd));
      const hash = hashBytes(view.buffer, view.topicStart + 2, view.topicEnd);
      this.#take(group, position, hash, view.expiresAtSeconds, message);
    }
  }

  #take(
    group: OwnerGroup,
    position: Position,
    topic: number,
    expiresAtSeconds: number,
    message: Buffer,
  ): void {
    const { counters, context } = this.#o;
    const bytes = message.length;
    const holder = group.takeHolder(position);
    if (holder === undefined && !this.#makeRoom(group, bytes)) return;
    const state = { isFiled: false, at: undefined, isOver: false };
    const entry: GroupEntry = { position, topic, bytes, expiresAtSeconds, message, ...state };
    group.queue.add(entry, holder);
    this.#unfiled.push(entry, group.number, context.clock.nowMs());
    counters.groupMessages++;
    this.#dirty.add(group);
  }

  /** False: the new one is dropped. */
  #makeRoom(group: OwnerGroup, bytes: number): boolean {
    return group.makeRoom(bytes, this.#limits, (dropped) => {
      this.#o.counters.groupQueueFull++;
      if (dropped !== undefined) this.#forget(group, dropped);
    });
  }

  /** The entry is over. */
  #forget(group: OwnerGroup, entry: GroupEntry): void {
    entry.message = undefined;
    if (entry.isFiled) this.#store.delete(group.number, entry);
    else this.#unfiled.over(entry);
    // It may stand above where an earlier owner's checkpoint makes us dispatch again.
    if (entry.position > this.#o.position()) group.finished.add(entry.position);
  }

  #file(group: number, entry: GroupEntry, message: Buffer): void {
    this.#store.file(group, entry, message);
    this.#o.limit.put(entry.bytes);
    this.#o.counters.groupFiled++;
  }

  // ---- to the gateways

  /** Assigns what may be assigned, and sends it. */
  beforeFlush(): void {
    if (!this.#begun || this.#groups.size === 0) return;
    for (const group of this.#dirty) this.#assign(group);
    this.#dirty.clear();
    const nowMs = this.#o.context.clock.nowMs();
    for (const channel of this.#channels.values()) channel.flush(nowMs);
  }

  readonly #mayTake = (incarnation: string): boolean =>
    this.#channels.get(incarnation)?.isFull === false &&
    this.#o.links.get(incarnation)?.phase === 'ready';

  #assign(group: OwnerGroup): void {
    const { queue, text } = group;
    for (
      let entry = queue.next(this.#mayTake);
      entry !== undefined;
      entry = queue.next(this.#mayTake)
    ) {
      if (this.#isExpired(entry)) this.#expire(group, entry);
      else this.#channels.get(entry.at?.incarnation ?? '')?.push(text, entry);
    }
  }

  #isExpired({ expiresAtSeconds }: GroupEntry): boolean {
    return expiresAtSeconds !== 0 && expiresAtSeconds * 1_000 <= this.#o.context.clock.wallMs();
  }

  #expire(group: OwnerGroup, entry: GroupEntry): void {
    group.queue.done(entry.position);
    this.#forget(group, entry);
    this.#o.counters.groupExpired++;
    this.#dirty.add(group);
  }

  /** Reads a filed message that is to be sent. */
  #load(text: string, entry: GroupEntry): void {
    const group = this.#groups.get(text);
    if (group === undefined || this.#loading.has(entry)) return;
    this.#loading.add(entry);
    this.#store.read(group.number, entry, (bytes) => {
      this.#loading.delete(entry);
      if (!this.#begun || entry.isOver) return;
      if (bytes === undefined) {
        // The state log has counted it as lost.
        group.queue.done(entry.position);
        this.#forget(group, entry);
      } else {
        entry.message = Buffer.from(bytes);
        entry.expiresAtSeconds = bytes.readUInt32BE(EXPIRY_OFFSET);
        if (this.#isExpired(entry)) this.#expire(group, entry);
      }
      this.#o.planFlush();
    });
  }

  // ---- from the gateways

  onReport(link: PartitionLink, report: Report): void {
    const { context, planFlush } = this.#o;
    const channel = this.#channel(link.incarnation);
    const wasFull = channel.isFull;
    channel.taken(report.taken, context.clock.nowMs());
    if (wasFull && !channel.isFull) this.#stir();
    if (report.number === channel.reports + 1) {
      channel.reports = report.number;
      this.#apply(channel, report);
      context.state.whenDurable(() => {
        channel.heard = report.number;
        this.#tellHeard(channel);
      });
    } else if (report.number <= channel.heard) this.#tellHeard(channel);
    planFlush();
  }

  /** Somebody may take something who could not. */
  #stir(): void {
    for (const group of this.#groups.values()) if (group.queue.waiting > 0) this.#dirty.add(group);
  }

  #tellHeard({ incarnation, heard }: GroupChannel): void {
    const { partition: p, epoch } = this.#o.context;
    this.#o.voice.tell(incarnation, { t: 'groups', p, epoch, heard });
  }

  #apply({ incarnation, windows }: GroupChannel, report: Report): void {
    for (const [text, count] of report.windows) {
      if (count === 0) windows.delete(text);
      else windows.set(text, count);
      const group = this.#groups.get(text);
      if (group === undefined) continue;
      group.queue.setWindow(incarnation, count);
      this.#dirty.add(group);
    }
    for (const [text, list] of report.done) {
      const group = this.#groups.get(text);
      if (group === undefined) continue;
      this.#dirty.add(group);
      for (const position of decodePositions(list)) this.#done(group, position);
    }
    for (const [text, list] of report.back) {
      const group = this.#groups.get(text);
      if (group === undefined) continue;
      this.#dirty.add(group);
      this.#o.counters.groupRedelivered += group.back(incarnation, decodePositions(list));
    }
  }

  #done(group: OwnerGroup, position: Position): void {
    const entry = group.queue.done(position);
    group.held.delete(position);
    group.done(position);
    if (entry !== undefined) this.#forget(group, entry);
    else if (position > this.#o.position()) group.finished.add(position);
  }

  gatewayEnded(incarnation: string): void {
    this.#channels.delete(incarnation);
    const { durableCheckpoint } = this.#o.context.state;
    for (const group of this.#groups.values()) {
      group.storeOver(this.#store, durableCheckpoint);
      const count = group.gone(incarnation);
      this.#o.counters.groupRedelivered += count;
      if (count > 0) this.#dirty.add(group);
    }
    if (this.#dirty.size > 0) this.#o.planFlush();
  }

  #channel(incarnation: string): GroupChannel {
    let channel = this.#channels.get(incarnation);
    if (channel === undefined) {
      channel = new GroupChannel({
        incarnation,
        send: (number, group, entries) =>
          this.#o.voice.tellGroup(incarnation, number, group, entries),
        load: (group, entry) => this.#load(group, entry),
      });
      this.#channels.set(incarnation, channel);
    }
    return channel;
  }

  /** Twice a second: files what is old, sends again what was not taken. */
  tick(): void {
    if (!this.#begun || this.#groups.size === 0) return;
    const nowMs = this.#o.context.clock.nowMs();
    this.#unfiled.tick(nowMs);
    for (const channel of this.#channels.values()) channel.tick(nowMs);
    this.#stir();
    // Below what was dispatched nothing comes again.
    const position = this.#o.position();
    const { durableCheckpoint } = this.#o.context.state;
    for (const group of this.#groups.values()) {
      group.passed(position);
      group.forgetOver(this.#store, durableCheckpoint);
    }
  }
}
