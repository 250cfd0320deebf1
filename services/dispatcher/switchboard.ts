/**
 * Switchboard — this dispatcher process's lines to all gateways, shared by its partitions.
 *
 * Shape: per live gateway one frame channel and a small number; one index from topic to the
 *        numbers of gateways that have a subscriber (docs/adr/0005). Routes are cached per topic
 *        and valid for one generation of the index.
 * Flush: everything said in a turn of the loop leaves when it is idle, or at FRAME_BYTES_MAX.
 * Full:  the route cache is emptied at ROUTES_MAX topics.
 */
import type { Clock } from '#base';
import type { Bus } from '#bus';
import { FrameChannel } from '#frames';
import { InterestTable } from '#interest';
import { FilterIndex, isSharedFilter, topicKey } from '#topics';
import { GroupBoard } from './group-board.ts';

/** Topics with a cached route, about 15 MB when full. Range 1,024 – 1 M. */
const ROUTES_MAX = 65_536;
/** Longer topics keep no route: at 64 KiB each they would be 4 GiB. */
const CACHED_TOPIC_BYTES_MAX = 512;

/** A gateway as this process reaches it. */
export class GatewayLine {
  readonly incarnation: string;
  /** Index in arrays of the partitions' owners; reused after the gateway has gone. */
  readonly number: number;
  readonly channel: FrameChannel;

  constructor(incarnation: string, number: number, channel: FrameChannel) {
    this.incarnation = incarnation;
    this.number = number;
    this.channel = channel;
  }
}

/** What the switchboard asks of the owner of a partition. */
export interface LineUser {
  /** Close the range that stands open for this partition in the gateway's channel. */
  closeRange(line: GatewayLine): void;
  /** Say what waits for the gateways, before the channels are flushed. */
  beforeFlush(): void;
  onJoin(line: GatewayLine): void;
  onLeave(line: GatewayLine): void;
  /** Filters of this gateway changed; they are in the index already. */
  onInterest(line: GatewayLine): void;
}

interface CachedRoute {
  generation: number;
  numbers: readonly number[];
}

export class Switchboard {
  readonly interest: InterestTable;
  /** Shared subscriptions: their filters are in no plain index. */
  readonly groups: GroupBoard;
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #lines = new Map<string, GatewayLine>();
  readonly #byNumber: (GatewayLine | undefined)[] = [];
  readonly #users = new Map<number, LineUser>();
  readonly #index: FilterIndex;
  readonly #routes = new Map<string, CachedRoute>();
  readonly #matched: number[] = [];
  #lastKey = '';
  #lastRoute: CachedRoute | undefined;
  #generation = 1;
  #flushPlanned = false;

  /** `seed`: see FilterIndex; clients choose the filters. */
  constructor(bus: Bus, clock: Clock, seed = 0, groups = new GroupBoard(clock, seed)) {
    this.groups = groups;
    this.#index = new FilterIndex({ seed });
    this.#bus = bus;
    this.#clock = clock;
    this.interest = new InterestTable(bus, clock, this);
  }

  get lines(): Iterable<GatewayLine> {
    return this.#lines.values();
  }
  get filterCount(): number {
    return this.#index.filterCount;
  }
  get framesSent(): number {
    return this.#sum((channel) => channel.framesSent);
  }
  get frameBytesSent(): number {
    return this.#sum((channel) => channel.bytesSent);
  }

  line(incarnation: string): GatewayLine | undefined {
    return this.#lines.get(incarnation);
  }

  join(incarnation: string): void {
    if (this.#lines.has(incarnation)) return;
    let number = this.#byNumber.indexOf(undefined);
    if (number < 0) number = this.#byNumber.length;
    const line = new GatewayLine(incarnation, number, new FrameChannel(this.#bus, incarnation));
    this.#byNumber[number] = line;
    this.#lines.set(incarnation, line);
    this.interest.track(incarnation);
    for (const user of this.#users.values()) user.onJoin(line);
  }

  leave(incarnation: string): void {
    const line = this.#lines.get(incarnation);
    if (line === undefined) return;
    this.interest.forget(incarnation);
    for (const user of this.#users.values()) user.onLeave(line);
    this.#lines.delete(incarnation);
    this.#byNumber[line.number] = undefined;
    this.#generation++;
  }

  addUser(partition: number, user: LineUser): void {
    this.#users.set(partition, user);
  }
  removeUser(partition: number, user: LineUser): void {
    if (this.#users.get(partition) === user) this.#users.delete(partition);
  }

  /** Numbers of the gateways with a subscriber for the topic; do not keep. */
  route(key: string): readonly number[] {
    const cached = key === this.#lastKey ? this.#lastRoute : this.#routes.get(key);
    if (cached !== undefined && cached.generation === this.#generation) {
      this.#lastKey = key;
      this.#lastRoute = cached;
      return cached.numbers;
    }
    const count = this.#index.matchInto(key, this.#matched);
    const numbers = count < 2 ? this.#matched.slice(0, count) : distinct(this.#matched, count);
    if (cached !== undefined) {
      cached.generation = this.#generation;
      cached.numbers = numbers;
    } else if (key.length <= CACHED_TOPIC_BYTES_MAX) {
      if (this.#routes.size >= ROUTES_MAX) this.#routes.clear();
      this.#routes.set(key, { generation: this.#generation, numbers });
    }
    return numbers;
  }

  /** A channel of this line for a range of `partition`: another partition's range is closed. */
  channelFor(line: GatewayLine, partition: number): FrameChannel {
    const { channel } = line;
    const { openPartition } = channel;
    if (openPartition >= 0 && openPartition !== partition) {
      this.#users.get(openPartition)?.closeRange(line);
    }
    return channel;
  }

  /** A channel of this line for an answer: no range is open. */
  channelForAnswer(line: GatewayLine): FrameChannel {
    const { openPartition } = line.channel;
    if (openPartition >= 0) this.#users.get(openPartition)?.closeRange(line);
    return line.channel;
  }

  /** Something was said: it leaves when the loop is idle, or now when it is much. */
  said(line: GatewayLine): void {
    if (line.channel.full) this.flushLine(line);
    this.planFlush();
  }

  planFlush(): void {
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    this.#clock.whenIdle(() => this.flush());
  }

  flush(): void {
    this.#flushPlanned = false;
    for (const user of this.#users.values()) user.beforeFlush();
    for (const line of this.#lines.values()) this.flushLine(line);
  }

  /** Sends what stands in this line's channel. */
  flushLine(line: GatewayLine): void {
    const { openPartition } = line.channel;
    if (openPartition >= 0) this.#users.get(openPartition)?.closeRange(line);
    line.channel.flush();
  }

  /** InterestTable tells what a gateway wants. */
  onInterest(incarnation: string, add: Iterable<string>, remove: Iterable<string>): void {
    const line = this.#lines.get(incarnation);
    if (line === undefined) return;
    for (const topicFilter of remove) {
      if (isSharedFilter(topicFilter)) this.groups.gatewayDrops(incarnation, topicFilter);
      else this.#index.remove(topicKey(topicFilter), line.number);
    }
    for (const topicFilter of add) {
      if (isSharedFilter(topicFilter)) this.groups.gatewayNames(incarnation, topicFilter);
      else this.#index.add(topicKey(topicFilter), line.number);
    }
    this.#generation++;
    for (const user of this.#users.values()) user.onInterest(line);
  }

  close(): void {
    this.interest.close();
  }

  #sum(read: (channel: FrameChannel) => number): number {
    let sum = 0;
    for (const { channel } of this.#lines.values()) sum += read(channel);
    return sum;
  }
}

function distinct(matched: readonly number[], count: number): readonly number[] {
  const numbers: number[] = [];
  for (let i = 0; i < count; i++) {
    const number = matched[i] as number;
    if (!numbers.includes(number)) numbers.push(number);
  }
  return numbers;
}
