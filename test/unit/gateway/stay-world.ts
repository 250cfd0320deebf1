/**
 * A stored session at the real stay table, and a naive model of the owners that file for it: late
 * and lost messages, other owners that go on from what was durable, reconnects.
 */
import assert from 'node:assert/strict';
import { SimClock } from '#bus';
import { type GatewayMessage, QueuePageReader, RangeReader } from '#frames';
import type { PublishView } from '#mqtt';
import { OwnerLink } from '../../../services/gateway/owner-link.ts';
import { StayTable } from '../../../services/gateway/stay-table.ts';
import { SubscriptionTable } from '../../../services/gateway/subscription-table.ts';
import { publishView } from '../../fixtures/publish-view.ts';
import { seededRandom } from '../../fixtures/seeded-random.ts';
import type { Delivery } from '../../../services/gateway/port.ts';
import { RecordingClient, subscription } from './local-client.ts';
import { hasMessage, ModelOwner } from './model-owner.ts';

export const PARTITIONS = 2;
const GENERATION = 77;
const CAPACITY = 12;
const PAGE_ENTRIES = 4;
const DRAIN_ROUNDS = 300;

interface Sent {
  readonly epoch: number;
  readonly arrive: () => void;
}

interface Open {
  readonly ticket: number;
  readonly position: number;
  readonly partition: number;
  readonly identifier: number;
}

/** Takes and acknowledges; writes down what it got. */
class Device extends RecordingClient {
  readonly open: Open[] = [];
  readonly got: number[][] = [[], []];
  readonly #onMessage: (view: PublishView, ticket: number, identifier: number) => void;
  #isSlow = false;

  constructor(connection: number, onMessage: Device['onMessage']) {
    super(connection, 'd');
    this.#onMessage = onMessage;
  }

  get onMessage(): (view: PublishView, ticket: number, identifier: number) => void {
    return this.#onMessage;
  }
  get isSlow(): boolean {
    return this.#isSlow;
  }
  set isSlow(isSlow: boolean) {
    this.#isSlow = isSlow;
    this.#changed();
  }

  override deliver(
    view: PublishView,
    _qos: 0 | 1 | 2,
    _terms: Delivery,
    ticket = 0,
    identifier = 0,
  ): void {
    this.onMessage(view, ticket, identifier);
  }

  take(sent: Open): void {
    this.open.push(sent);
    this.#changed();
  }

  acknowledge(at: number): Open | undefined {
    const [sent] = this.open.splice(at, 1);
    this.#changed();
    return sent;
  }

  #changed(): void {
    this.hasCapacity = !this.#isSlow && this.open.length < CAPACITY;
    this.hasRoom = !this.#isSlow && this.open.length * 2 <= CAPACITY;
  }
}

export class StayWorld {
  readonly clock = new SimClock();
  readonly random: () => number;
  readonly links: OwnerLink[];
  readonly table = new SubscriptionTable(PARTITIONS);
  readonly stays: StayTable;
  readonly owners = Array.from({ length: PARTITIONS }, () => new ModelOwner());
  readonly acknowledged = Array.from({ length: PARTITIONS }, () => new Set<number>());
  device = this.#newDevice(1);
  loss = 0.1;
  #toOwner: GatewayMessage[][] = [[], []];
  #toGateway: Sent[][] = [[], []];
  #stay = 1;
  #connection = 1;
  #identifiers = 0;
  #inherited = new Map<string, number>();

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.links = this.owners.map(
      (_, p) => new OwnerLink(p, 'g', (message) => this.#toOwner[p]?.push(message)),
    );
    for (const link of this.links) link.welcome(1, 0);
    this.stays = new StayTable({
      clock: this.clock,
      incarnation: 'g',
      links: this.links,
      table: this.table,
      send: (partition, message) => this.#toOwner[partition]?.push(message),
      closeOut: () => undefined,
    });
    this.#attach([0, 0], false);
  }

  #newDevice(connection: number): Device {
    return new Device(connection, (...message) => this.#got(...message));
  }

  #attach(cursor: readonly number[], present: boolean): void {
    const inFlight = [...this.#inherited].map(([key, identifier]) => {
      const [partition = 0, position = 0] = key.split(' ').map(Number);
      return [identifier, partition, position] as const;
    });
    const session = { present, generation: GENERATION, stay: this.#stay, revision: this.#stay };
    const { device, stays, table } = this;
    const stay = stays.add(device, 0, { ...session, subscriptions: [], cursor, inFlight });
    table.add(device, { ...subscription('#'), stay }, () => 1);
    for (let p = 0; p < PARTITIONS; p++) table.effective(p, 1, 0);
    stay.begin(this.clock.nowMs());
  }

  #got(view: PublishView, ticket: number, identifier: number): void {
    const { device } = this;
    const [partition = 0, position = 0] = view.buffer
      .toString('utf8', view.payloadStart, view.end)
      .split(' ')
      .map(Number);
    assert.equal(ticket % PARTITIONS, partition);
    const got = device.got[partition] as number[];
    assert.ok(position > (got.at(-1) ?? 0), `${partition}: ${position} after ${got.at(-1)}`);
    got.push(position);
    assert.ok(device.hasCapacity, 'came though there was no room');
    const key = `${partition} ${position}`;
    assert.equal(identifier, this.#inherited.get(key) ?? 0, 'its identifier');
    this.#inherited.delete(key);
    const own = identifier > 0 ? identifier : ++this.#identifiers;
    device.take({ ticket, position, partition, identifier: own });
  }

  // —— steps

  step(): void {
    const draw = this.random();
    const p = Math.floor(this.random() * PARTITIONS);
    const owner = this.owners[p] as ModelOwner;
    if (draw < 0.2) owner.dispatch();
    else if (draw < 0.3) this.flush(p);
    else if (draw < 0.5) this.#acknowledge();
    else if (draw < 0.54) this.report();
    else if (draw < 0.55) this.device.isSlow = this.random() < 0.3;
    else if (draw < 0.553) this.changeOwner(p);
    else if (draw < 0.556) this.reconnect();
    else if (draw < 0.75) this.#deliver(p);
    else if (draw < 0.94) this.#request(p);
    else this.pass(draw < 0.942 ? 3_500 : 120);
    this.check();
  }

  pass(spanMs: number): void {
    this.clock.run(this.clock.nowMs() + spanMs);
    this.stays.tick(this.clock.nowMs());
  }

  /** The range of what was dispatched. */
  flush(p: number): void {
    const owner = this.owners[p] as ModelOwner;
    this.#range(p, owner.sentTo, owner.position);
    owner.sentTo = Math.max(owner.sentTo, owner.position);
  }

  #range(p: number, from: number, to: number): void {
    const { epoch, answers, durable } = this.owners[p] as ModelOwner;
    const link = this.links[p] as OwnerLink;
    const fields = { partition: p, epoch, from, to: Math.max(from, to), answers };
    const range = Object.assign(new RangeReader(), fields, { checkpoint: durable.checkpoint });
    this.#send(p, () => {
      const wasHeard = link.isHeard;
      const isTaken = link.judge(range, this.clock.nowMs()) === 'take';
      if (!wasHeard && link.isHeard) this.stays.ownerBegan(p);
      if (!isTaken) return;
      for (let at = (link.done ?? 0) + 1; at <= range.to; at++) {
        if (hasMessage(at)) this.table.route('t').deliver(viewOf(p, at), p, at);
      }
      link.took(range);
    });
  }

  #send(p: number, arrive: () => void): void {
    const { epoch } = this.owners[p] as ModelOwner;
    if (this.random() >= this.loss) this.#toGateway[p]?.push({ epoch, arrive });
  }

  #deliver(p: number): void {
    const sent = this.#toGateway[p]?.shift();
    if (sent !== undefined && this.links[p]?.trusts(sent.epoch) === true) sent.arrive();
  }

  #request(p: number): void {
    const message = this.#toOwner[p]?.shift();
    if (message === undefined || this.random() < this.loss) return;
    const owner = this.owners[p] as ModelOwner;
    if (!('epoch' in message) || message.epoch !== owner.epoch) return;
    switch (message.t) {
      case 'live':
        this.#onLive(p, owner, message);
        return;
      case 'file':
        if (message.stay !== this.#stay) return;
        if (message.turn > owner.turn) owner.refile(message.from);
        owner.turn = Math.max(owner.turn, message.turn);
        this.#send(p, () => this.stays.onFiled(p, GENERATION, message.turn));
        return;
      case 'queue':
        if (message.stay === this.#stay) this.#page(p, owner, message);
        return;
      case 'consumed':
        for (const [, upTo] of message.sessions) this.#onConsumed(p, upTo);
        return;
      case 'again':
        for (const grant of owner.granted) if (grant.number > message.answers) this.#x(p, grant);
        if (message.from < owner.sentTo) this.#range(p, message.from, owner.sentTo);
        return;
      default:
    }
  }

  #onLive(p: number, owner: ModelOwner, { stay, turn }: { stay: number; turn: number }): void {
    const isNew = stay === this.#stay && turn > owner.turn && owner.liveAfter === Infinity;
    if (!isNew || owner.position < owner.sentTo) return;
    this.flush(p);
    owner.turn = turn;
    owner.liveAfter = owner.position;
    owner.last = Math.max(owner.last, owner.position);
    const grant = { number: ++owner.answers, turn, x: owner.position };
    owner.granted.push(grant);
    this.#x(p, grant);
  }

  #x(p: number, { number, turn, x }: { number: number; turn: number; x: number }): void {
    this.#send(p, () => {
      const isNext = this.links[p]?.answer(number, this.clock.nowMs()) === true;
      if (isNext) this.stays.onLive(p, GENERATION, turn, x);
    });
  }

  #page(
    p: number,
    owner: ModelOwner,
    { request, after }: { request: number; after: number },
  ): void {
    const waiting = owner.queue.filter((position) => position > after);
    const entries = waiting.slice(0, PAGE_ENTRIES);
    const last = entries.length === waiting.length;
    const upTo = last ? Math.max(after, owner.position) : (entries.at(-1) as number);
    this.#send(p, () => {
      const page = Object.assign(new QueuePageReader(), { partition: p, request, upTo, last });
      let at = 0;
      page.next = () => {
        page.position = entries[at] ?? 0;
        Object.assign(page.view, viewOf(p, page.position));
        return at++ < entries.length;
      };
      this.stays.onQueuePage(page);
    });
  }

  /** S9: all of it is acknowledged. */
  #onConsumed(p: number, upTo: number): void {
    for (let at = 1; at <= upTo; at++) {
      if (hasMessage(at)) assert.ok(this.acknowledged[p]?.has(at), `consumed ${upTo}, not ${at}`);
    }
    this.owners[p]?.consume(upTo);
  }

  #acknowledge(): void {
    const { device } = this;
    if (device.isSlow || device.open.length === 0) return;
    // Mostly in order.
    const at = this.random() < 0.8 ? 0 : Math.floor(this.random() * device.open.length);
    const sent = device.acknowledge(at);
    if (sent === undefined) return;
    this.acknowledged[sent.partition]?.add(sent.position);
    this.stays.settled(device, sent.ticket);
  }

  report(): void {
    const floor = this.stays.floor();
    for (const [p, owner] of this.owners.entries()) {
      const lowest = Math.min(owner.position, floor[p] ?? 0, this.links[p]?.done ?? 0);
      owner.write(Math.max(owner.durable.checkpoint, lowest));
    }
  }

  changeOwner(p: number): void {
    const link = this.links[p] as OwnerLink;
    const owner = this.owners[p] as ModelOwner;
    link.hello(owner.epoch + 1);
    this.stays.ownerChanged(p);
    const { filed, fresh } = this.stays.forHello(p);
    const isLive = !filed.includes(GENERATION);
    const x = fresh.find(([generation]) => generation === GENERATION)?.[1] ?? 0;
    owner.succeed(link.done ?? 0, isLive ? x : Infinity);
  }

  /** The session leaves and comes again, with its cursor. */
  reconnect(): void {
    const { device, stays, table } = this;
    const inFlight = device.open.map(({ identifier, ticket }) => [identifier, ticket] as const);
    const departure = { sessionExpirySeconds: 9, publishesWill: false, inFlight };
    const leaving = stays.leave(device, departure);
    assert.ok(leaving !== undefined);
    table.removeClient(device, () => undefined);
    const named = leaving.inFlight.map(([id, p, position]) => `${id} ${p} ${position}`).toSorted();
    const open = [
      ...device.open.map((o) => `${o.identifier} ${o.partition} ${o.position}`),
      ...[...this.#inherited].map(([key, identifier]) => `${identifier} ${key}`),
    ].toSorted();
    assert.deepEqual(named, open, 'what is in flight');
    for (const { identifier, partition, position } of device.open) {
      this.#inherited.set(`${partition} ${position}`, identifier);
    }
    const cursor = leaving.cursor.map((position) => position ?? 0);
    for (const [p, owner] of this.owners.entries()) {
      owner.refile(0);
      owner.consume(cursor[p] ?? 0);
    }
    stays.released(this.#connection, 0, ++this.#stay);
    this.device = this.#newDevice(++this.#connection);
    for (const [p, got] of this.device.got.entries()) got.push(cursor[p] ?? 0);
    this.#attach(cursor, true);
  }

  // —— what must hold after each step

  check(): void {
    const floor = this.stays.floor();
    const cursor = this.stays.acknowledged(this.device);
    for (const [p, owner] of this.owners.entries()) {
      const known = this.acknowledged[p] as Set<number>;
      const top = Math.max(owner.position, owner.sentTo);
      for (let at = 1; at <= top; at++) {
        if (!hasMessage(at) || known.has(at)) continue;
        assert.ok((cursor[p] ?? 0) < at, `${p}: cursor ${cursor[p]}, ${at} is open`);
        if (at > owner.liveAfter) {
          assert.ok((floor[p] ?? 0) < at, `${p}: floor ${floor[p]}, ${at} is open and live`);
        }
      }
    }
  }

  /** Nothing is lost or late any more, and the client is quick: all must come. */
  drain(): void {
    this.loss = 0;
    this.device.isSlow = false;
    const isDone = (): boolean => this.missing.length + this.queued === 0;
    for (let i = 0; i < DRAIN_ROUNDS && !isDone(); i++) {
      for (let p = 0; p < PARTITIONS; p++) {
        this.flush(p);
        while ((this.#toOwner[p]?.length ?? 0) > 0) this.#request(p);
        while ((this.#toGateway[p]?.length ?? 0) > 0) this.#deliver(p);
      }
      while (this.device.open.length > 0) this.#acknowledge();
      this.pass(100);
      this.check();
    }
  }

  /** Entries in the owners' queues. */
  get queued(): number {
    return this.owners.reduce((sum, { queue }) => sum + queue.length, 0);
  }

  /** Messages that were dispatched and are not acknowledged. */
  get missing(): string[] {
    return this.owners.flatMap(({ position }, p) => {
      const positions = Array.from({ length: position }, (_, i) => i + 1);
      const open = positions.filter((at) => hasMessage(at) && !this.acknowledged[p]?.has(at));
      return open.map((at) => `${p} ${at}`);
    });
  }
}

function viewOf(partition: number, position: number): PublishView {
  return publishView({ topic: 't', payload: `${partition} ${position}` });
}
