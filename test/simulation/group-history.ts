/**
 * A history of shared subscriptions: members come, go and are slow; processes fail as the setting
 * says; every message that was acknowledged to its publisher is acknowledged by some member.
 */
import { RecordReader } from '#log';
import { payloadTextOf } from '../fixtures/publish-view.ts';
import { Chaos } from './chaos.ts';
import { GroupClient, type GroupDelivery } from './group-member.ts';
import type { HistorySetting } from './history-setting.ts';
import { SimCluster, type SimGateway, type Tamper } from './sim-cluster.ts';
import type { SimClient } from './sim-client.ts';

const STEP_MS = 20;
const GROUPS = ['$share/work/job/#', '$share/work/job/1/+', '$share/other/job/#'];
const FILTERS = [/^job\//, /^job\/1\//, /^job\//];
const TOPICS = ['job/1/a', 'job/1/b', 'job/2', 'job/3', 'else'];

export interface GroupSetting extends HistorySetting {
  /** Members that come, a second; default 1. */
  readonly join?: number;
  /** Chance that a member breaks off, a second. */
  readonly breaks?: number;
  readonly slownessMs?: number;
  /** Nobody gets a message that another has acknowledged. */
  readonly isExact?: true;
  /** First deliveries of a topic come in the order of the log. */
  readonly isOrdered?: true;
}

export class GroupHistory {
  readonly cluster: SimCluster;
  readonly problems: string[] = [];
  readonly deliveries = GROUPS.map((): GroupDelivery[] => []);
  readonly #setting: GroupSetting;
  readonly #chaos: Chaos;
  readonly #members: { client: GroupClient; group: number }[] = [];
  readonly #publishers: { client: SimClient; gateway: SimGateway }[] = [];
  /** Per group: messages from this number on are for it. */
  readonly #since: (number | undefined)[] = GROUPS.map(() => undefined);
  #published = 0;
  #connections = 1_000_000;

  constructor(setting: GroupSetting, seed: number, tamper?: Tamper) {
    this.#setting = setting;
    this.cluster = new SimCluster({
      seed,
      ...setting,
      dispatchers: setting.dispatchers ?? 2,
      gateways: setting.gateways ?? 3,
      ...(tamper === undefined ? {} : { tamper }),
    });
    this.#chaos = new Chaos(this.cluster, setting);
    this.#followGateways();
  }

  /** Members end with their gateway: told, or without a word. */
  #followGateways(): void {
    const { cluster } = this;
    const { leaveGateway, killGateway } = cluster;
    const membersOf = (gateway: SimGateway): GroupClient[] =>
      this.#members.map(({ client }) => client).filter((client) => client.gateway === gateway);
    cluster.leaveGateway = (gateway) => {
      for (const client of membersOf(gateway)) client.leave();
      leaveGateway.call(cluster, gateway);
    };
    cluster.killGateway = (gateway) => {
      for (const client of membersOf(gateway)) client.closed = true;
      killGateway.call(cluster, gateway);
    };
  }

  run(): readonly string[] {
    const { cluster } = this;
    if (!cluster.runUntilReady(20_000)) this.#fail('the cluster never became ready');
    GROUPS.forEach((_, group) => this.#join(group));
    this.#chaos.set(true);
    const endMs = cluster.clock.nowMs() + (this.#setting.seconds ?? 15) * 1_000;
    while (cluster.clock.nowMs() < endMs) {
      this.#chaos.strike(this.#chance);
      this.#act();
      cluster.runFor(STEP_MS);
    }
    this.#chaos.heal();
    cluster.runFor(20_000);
    if (!cluster.runUntil(() => this.#isReady(), 30_000)) this.#fail('a gateway is not ready');
    // Whoever is slow or gone: at last somebody quick takes what is left.
    GROUPS.forEach((_, group) => this.#join(group, 100, 1_000));
    if (!cluster.runUntil(() => this.#isDrained(), 60_000)) {
      this.#fail(`${this.#left()} messages stay in the queues`);
    }
    cluster.runFor(2_000);
    const atHead = cluster.runUntil(() => cluster.checkpointLags.every((lag) => lag === 0), 20_000);
    if (!atHead) this.#fail('checkpoints stay behind');
    this.#check();
    return this.problems;
  }

  #isReady(): boolean {
    return this.cluster.alive.every(({ core }) => core.acceptsConnect);
  }

  #isDrained(): boolean {
    return this.cluster.owners.length === this.cluster.partitions && this.#left() === 0;
  }

  #left(): number {
    let left = 0;
    for (const { sessions } of this.cluster.owners) {
      left += sessions.groups.waiting + sessions.groups.inFlight;
    }
    return left;
  }

  readonly #chance = (perSecond: number | undefined): boolean => {
    if (perSecond === undefined || perSecond === 0) return false;
    return this.cluster.random() < (perSecond * STEP_MS) / 1_000;
  };

  #act(): void {
    const { cluster } = this;
    const setting = this.#setting;
    for (const { client, group } of this.#members) {
      if (client.subscribed) this.#since[group] ??= this.#published;
    }
    if (this.#chance(setting.join ?? 1)) this.#join(Math.floor(cluster.random() * GROUPS.length));
    const member = cluster.pick(this.#members.filter(({ client }) => isThere(client)));
    if (this.#chance(setting.breaks)) member?.client.leave();
    const usable = this.#publishers.filter(
      ({ client, gateway }) => client.open && !gateway.killed && !gateway.ended,
    );
    if (usable.length < 3) this.#addPublisher();
    const publisher = cluster.pick(usable);
    if (publisher === undefined || publisher.gateway.paused) return;
    for (let i = 0; i < (setting.publishes ?? 3); i++) {
      const topic = cluster.pick(TOPICS) ?? '';
      publisher.client.publish({ topic, id: `m${this.#published++}`, qos: 1 });
    }
  }

  #addPublisher(): void {
    const gateway = this.cluster.pick(this.cluster.alive.filter(({ core }) => core.acceptsConnect));
    if (gateway === undefined) return;
    const client = this.cluster.client(gateway, `publisher-${this.#publishers.length}`);
    client.connect();
    this.#publishers.push({ client, gateway });
  }

  #join(
    group: number,
    slownessMs = this.#setting.slownessMs ?? 300,
    deliveryCountMax = this.cluster.pick([1, 2, 5, 20, 1_000]) ?? 1,
  ): void {
    const { cluster } = this;
    const gateway = cluster.pick(cluster.alive.filter(({ core }) => core.acceptsConnect));
    if (gateway === undefined) return;
    const client = new GroupClient({
      gateway,
      clock: gateway.bus.control.clock,
      random: cluster.random,
      connectionNumber: ++this.#connections,
      slownessMs: cluster.random() * slownessMs,
      deliveryCountMax,
      onDelivery: (delivery) => this.#onDelivery(group, delivery),
    });
    this.#members.push({ client, group });
    client.join(GROUPS[group] ?? '', 1);
  }

  #onDelivery(group: number, delivery: GroupDelivery): void {
    if (FILTERS[group]?.test(delivery.topic) !== true) {
      this.#fail(`${delivery.id} on ${delivery.topic} came to group ${group}`);
    }
    this.deliveries[group]?.push(delivery);
  }

  #check(): void {
    for (const { client } of this.#members) this.problems.push(...client.problems);
    const stored = new Set(this.#publishers.flatMap(({ client }) => client.acknowledged));
    const places = this.#places();
    this.deliveries.forEach((deliveries, group) => {
      const since = this.#since[group] ?? Infinity;
      const acknowledged = new Set<string>();
      for (const { id, acknowledged: is } of deliveries) if (is) acknowledged.add(id);
      for (const [id, { topic }] of places) {
        const isOwed = FILTERS[group]?.test(topic) === true && Number(id.slice(1)) >= since;
        if (isOwed && stored.has(id) && !acknowledged.has(id)) {
          this.#fail(`${id} was lost to group ${group}`);
        }
      }
      if (this.#setting.isExact === true) this.#checkExact(deliveries, group);
      if (this.#setting.isOrdered === true) this.#checkOrder(deliveries, group, places);
    });
  }

  #checkExact(deliveries: readonly GroupDelivery[], group: number): void {
    const last = new Map<string, GroupDelivery>();
    for (const delivery of deliveries) {
      const before = last.get(delivery.id);
      if (before !== undefined && (before.acknowledged || !before.member.closed)) {
        this.#fail(`${delivery.id} came twice to group ${group}`);
      }
      last.set(delivery.id, delivery);
    }
  }

  #checkOrder(
    deliveries: readonly GroupDelivery[],
    group: number,
    places: ReadonlyMap<string, { place: number }>,
  ): void {
    const seen = new Set<string>();
    const last = new Map<string, number>();
    for (const { id, topic } of deliveries) {
      if (seen.has(id)) continue;
      seen.add(id);
      const place = places.get(id)?.place ?? 0;
      if (place < (last.get(topic) ?? 0)) this.#fail(`${id} came late to group ${group}`);
      last.set(topic, place);
    }
  }

  /** Where each message stands in the log. */
  #places(): Map<string, { topic: string; place: number }> {
    const places = new Map<string, { topic: string; place: number }>();
    for (const [place, { payload }] of this.cluster.stored) {
      const reader = new RecordReader(payload);
      for (let i = reader.next(); i >= 0; i = reader.next()) {
        const { view } = reader;
        const [id = ''] = payloadTextOf(view).split(' ', 1);
        const topic = view.buffer.toString('utf8', view.topicStart + 2, view.topicEnd);
        if (!places.has(id)) places.set(id, { topic, place: place * 2_048 + i });
      }
    }
    return places;
  }

  #fail(problem: string): void {
    this.problems.push(problem);
  }
}

function isThere(client: GroupClient): boolean {
  return client.subscribed && !client.closed && !client.gateway.killed;
}
