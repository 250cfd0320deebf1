/**
 * Stay table — all stored sessions connected here (docs/adr/0012).
 *
 * Shape: stays by client and by generation; a list of the partition states that want attention,
 *        which is all that ticks and reports look at: a session that is live with nothing open
 *        costs nothing there.
 * Owner: one per gateway. Cost: a stay is some 300 bytes per partition, a ring where it gets much.
 * Known: per home the highest revision of its records that this gateway was told of (S7, S8).
 */
import type { Clock } from '#base';
import type { GatewayMessage, GrantedSession, LeavingSession, QueuePageReader } from '#frames';
import type { Position } from '#log';
import { LastTopic, PublishView } from '#mqtt';
import type { Departure } from '#session';
import { EndedStays } from './ended-stays.ts';
import type { OwnerLink } from './owner-link.ts';
import type { LocalClient } from './port.ts';
import { QueueDesk } from './queue-desk.ts';
import { Stay } from './stay.ts';
import type { Match, RefilingCause, StayHost, StayMode } from './stay-host.ts';
import type { StayPartition } from './stay-partition.ts';
import type { SubscriptionTable } from './subscription-table.ts';

/** How often consumed positions are told. */
const CONSUMED_MS = 250;
/** Sessions in one message about consumed positions: at most about 100 KiB. */
const CONSUMED_PER_MESSAGE = 2_000;

export interface StayTableOptions {
  readonly clock: Clock;
  readonly incarnation: string;
  readonly links: readonly OwnerLink[];
  readonly table: SubscriptionTable;
  readonly send: (partition: number, message: GatewayMessage) => void;
  readonly closeOut: (client: LocalClient, packetIdentifier: number) => void;
}

export class StayTable implements StayHost {
  readonly partitions: number;
  readonly desk: QueueDesk<StayPartition>;
  readonly heldView = new PublishView();
  readonly refilings: Record<RefilingCause, number> = { slow: 0, lag: 0, held: 0 };
  readonly ended = new EndedStays();
  /** Per home. */
  readonly known: number[];
  heldBytes = 0;
  delivered = 0;
  expired = 0;
  pages = 0;

  readonly #o: StayTableOptions;
  readonly #byClient = new Map<LocalClient, Stay>();
  readonly #byGeneration = new Map<number, Stay>();
  readonly #topic = new LastTopic();
  #attended: StayPartition[] = [];
  #turns = 0;
  #consumedToldAtMs = 0;

  constructor(options: StayTableOptions) {
    this.#o = options;
    this.partitions = options.links.length;
    this.known = options.links.map(() => 0);
    this.desk = new QueueDesk(this.partitions, (part) => this.#askPage(part));
  }

  get size(): number {
    return this.#byClient.size;
  }

  of(client: LocalClient): Stay | undefined {
    return this.#byClient.get(client);
  }

  /** A stored session comes; it is read from once `stay.begin` is called. */
  add(client: LocalClient, home: number, session: GrantedSession): Stay {
    const stay = new Stay(this, client, home, session);
    this.learn(home, session.revision);
    this.#byClient.set(client, stay);
    // An older connection of the session may still be here: only the newer one counts.
    this.#byGeneration.set(stay.generation, stay);
    return stay;
  }

  /** The connection is over; what its home has to be told. Undefined: no stored session. */
  leave(client: LocalClient, departure: Departure): LeavingSession | undefined {
    const stay = this.#byClient.get(client);
    if (stay === undefined) return undefined;
    this.#byClient.delete(client);
    if (this.#byGeneration.get(stay.generation) === stay) {
      this.#byGeneration.delete(stay.generation);
    }
    const done = this.#o.links.map((link) => link.done ?? 0);
    const leaving = stay.leave(departure, done, this.nowMs());
    this.ended.add(stay, leaving.cursor);
    return leaving;
  }

  /** The home's records stand at this revision, or above. */
  learn(home: number, revision: number): void {
    this.known[home] = Math.max(this.known[home] ?? 0, revision);
  }

  /** The home has written the end of a stay. */
  released(connection: number, home: number, revision: number): void {
    this.learn(home, revision);
    this.ended.released(connection);
  }

  /** Where a delivery stands; undefined: it is of no queue. */
  placeOf(
    client: LocalClient,
    ticket: number,
  ): { partition: number; position: Position } | undefined {
    return ticket === 0 ? undefined : this.#byClient.get(client)?.placeOf(ticket);
  }

  /** Per partition: everything up to here is acknowledged. */
  acknowledged(client: LocalClient): (Position | null)[] {
    const parts = this.#byClient.get(client)?.parts ?? [];
    return this.#o.links.map((link, p) => parts[p]?.cursor(link.done ?? 0) ?? null);
  }

  settled(client: LocalClient, ticket: number): void {
    this.#byClient.get(client)?.settled(ticket);
  }

  /** Retained messages no longer go first in this partition. */
  holdEnded(client: LocalClient, partition: number): void {
    this.#byClient.get(client)?.parts[partition]?.holdEnded(this.nowMs());
  }

  // —— what owners say

  onLive(partition: number, generation: number, turn: number, x: Position): void {
    this.#part(partition, generation)?.granted(turn, x, this.nowMs());
  }

  onFiled(partition: number, generation: number, turn: number): void {
    this.#part(partition, generation)?.filed(turn, this.nowMs());
  }

  onQueuePage(page: QueuePageReader): void {
    const part = this.desk.find(page.request);
    if (part === undefined || part.partition !== page.partition || part.stay.ended) return;
    this.pages++;
    part.onPage(page, this.nowMs());
  }

  #part(partition: number, generation: number): StayPartition | undefined {
    return this.#byGeneration.get(generation)?.parts[partition];
  }

  /** A hello of another owner. */
  ownerChanged(partition: number): void {
    for (const { parts } of this.#byClient.values()) parts[partition]?.ownerChanged();
  }

  /** It dispatches, and takes requests. */
  ownerBegan(partition: number): void {
    const nowMs = this.nowMs();
    for (const { parts } of this.#byClient.values()) parts[partition]?.ownerBegan(nowMs);
  }

  /** What the answer to a hello says about stays (S4, S8). */
  forHello(partition: number): { filed: number[]; fresh: [number, Position][] } {
    const filed: number[] = [];
    const fresh: [number, Position][] = [];
    const { checkpoint } = this.#o.links[partition] as OwnerLink;
    const name = (generation: number, liveFrom: Position | undefined): void => {
      if (liveFrom === undefined) filed.push(generation);
      else if (liveFrom > checkpoint) fresh.push([generation, liveFrom]);
    };
    for (const [generation, { parts }] of this.#byGeneration) {
      const part = parts[partition] as StayPartition;
      name(generation, part.isLive ? part.x : undefined);
    }
    for (const { generation, liveFrom } of this.ended.forHello(partition)) {
      // Where the session is here again, its older stay says nothing any more.
      if (!this.#byGeneration.has(generation)) name(generation, liveFrom);
    }
    return { filed, fresh };
  }

  // —— the report (S7)

  /** Per partition: nothing that a session was to get live up to here is open. */
  floor(): (Position | null)[] {
    const floor = this.#o.links.map((link) => link.done ?? null);
    for (const part of this.#attended) {
      if (part.stay.ended) continue;
      const known = floor[part.partition] ?? null;
      if (known !== null) floor[part.partition] = Math.min(known, part.floor);
    }
    this.ended.lower(floor);
    return floor;
  }

  // —— StayHost

  nowMs(): number {
    return this.#o.clock.nowMs();
  }
  closeOut(client: LocalClient, packetIdentifier: number): void {
    this.#o.closeOut(client, packetIdentifier);
  }
  newTurn(): number {
    return ++this.#turns;
  }
  attend(part: StayPartition): void {
    if (part.isAttended) return;
    part.isAttended = true;
    this.#attended.push(part);
  }

  hasExpired(view: PublishView): boolean {
    return view.hasExpired(this.#o.clock);
  }

  match(
    { stay, partition }: StayPartition,
    view: PublishView,
    position: Position,
  ): Match | undefined {
    const key = this.#topic.keyOf(view);
    return this.#o.table.match(stay.client, key, partition, position);
  }

  ask({
    mode,
    partition,
    stay: { generation, stay, filterVersion },
    turn,
    from,
  }: StayPartition): void {
    const terms = { ...this.#terms(partition), generation, stay, turn };
    if (mode === 'refiling') this.#o.send(partition, { t: 'file', ...terms, from });
    else this.#o.send(partition, { t: 'live', ...terms, filterVersion });
  }

  #askPage({ partition, stay: { generation, stay }, request, readTo: after }: StayPartition): void {
    const terms = this.#terms(partition);
    this.#o.send(partition, { t: 'queue', ...terms, generation, stay, request, after });
  }

  #terms(partition: number): { inc: string; epoch: number } {
    return { inc: this.#o.incarnation, epoch: this.#o.links[partition]?.epoch ?? 0 };
  }

  // —— by the clock

  tick(nowMs: number): void {
    const attended = this.#attended;
    this.#attended = [];
    for (const part of attended) {
      if (part.stay.ended) continue;
      part.tick(nowMs);
      if (part.isIdle) part.isAttended = false;
      else this.#attended.push(part);
    }
    if (nowMs - this.#consumedToldAtMs < CONSUMED_MS) return;
    this.#consumedToldAtMs = nowMs;
    this.#tellConsumed();
  }

  #tellConsumed(): void {
    const told: [number, Position][][] = Array.from({ length: this.partitions }, () => []);
    for (const { stay, partition, consumed, ring } of this.#attended) {
      const upTo = stay.ended ? undefined : consumed.take(ring.lowest);
      if (upTo !== undefined) told[partition]?.push([stay.generation, upTo]);
    }
    told.forEach((all, partition) => {
      for (let i = 0; i < all.length; i += CONSUMED_PER_MESSAGE) {
        const sessions = all.slice(i, i + CONSUMED_PER_MESSAGE);
        this.#o.send(partition, { t: 'consumed', ...this.#terms(partition), sessions });
      }
    });
  }

  /** How many partition states are in which mode; walks them all. */
  modes(): Record<StayMode, number> {
    const counts = { reading: 0, asking: 0, draining: 0, live: 0, refiling: 0 };
    for (const { parts } of this.#byClient.values()) for (const { mode } of parts) counts[mode]++;
    return counts;
  }
}
