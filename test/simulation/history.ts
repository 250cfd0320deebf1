/**
 * A history: a seeded run of a cluster under faults, and the check of what everybody saw
 * (protocol, Invariants).
 *
 * Shape: clients publish, subscribe, come and go all the time; faults of the setting strike
 *        between; then all faults end, the cluster drains, and the checker looks at every client.
 */
import { topicMatchesFilter } from '#topics';
import { RecordReader } from '#log';
import { SimCluster, type SimGateway, type Tamper } from './sim-cluster.ts';
import type { SimClient } from './sim-client.ts';

/** What goes wrong in a history, as chances per virtual second or per message. */
export interface HistorySetting {
  readonly name: string;
  readonly coreLoss?: number;
  readonly appendAnswerLost?: number;
  readonly appendLost?: number;
  readonly appendStalled?: number;
  readonly killGateway?: number;
  readonly killDispatcher?: number;
  readonly pauseDispatcher?: number;
  readonly pauseGateway?: number;
  readonly outage?: number;
  readonly partitions?: number;
  readonly gateways?: number;
  readonly seconds?: number;
}

interface Subscribed {
  readonly client: SimClient;
  readonly topicFilter: string;
  /** Number of the first publish made after SUBACK; Infinity = not answered. */
  fromPublish: number;
  readonly gateway: SimGateway;
}

interface Published {
  readonly number: number;
  readonly topic: string;
  readonly payload: string;
  readonly client: SimClient;
}

const TOPICS = ['a/1', 'a/2', 'a/3', 'b/1', 'b/2', 'c', 'd/e/f', 'd/e/g'];
const FILTERS = ['a/+', 'a/1', 'b/#', '#', '+/1', 'd/e/+', 'c', 'd/#'];
const STEP_MS = 20;
const SPARES = 3;

export class History {
  readonly cluster: SimCluster;
  readonly #setting: HistorySetting;
  readonly #subscribed: Subscribed[] = [];
  readonly #published: Published[] = [];
  readonly #publishers: { client: SimClient; gateway: SimGateway }[] = [];
  readonly problems: string[] = [];
  #clientNumber = 0;
  #outageUntilMs = 0;
  #killed = false;

  constructor(setting: HistorySetting, seed: number, tamper?: Tamper) {
    this.#setting = setting;
    this.cluster = new SimCluster({
      seed,
      partitions: setting.partitions ?? 2,
      gateways: setting.gateways ?? 3,
      dispatchers: 2,
      ...(tamper === undefined ? {} : { tamper }),
    });
  }

  /** The whole history; what is wrong stands in `problems`. */
  run(): readonly string[] {
    const { cluster } = this;
    if (!cluster.runUntilReady(20_000)) return this.#fail('the cluster never became ready');
    this.#setFaults(true);
    const endMs = cluster.clock.nowMs() + (this.#setting.seconds ?? 20) * 1_000;
    while (cluster.clock.nowMs() < endMs) {
      this.#faults();
      this.#act();
      cluster.runFor(STEP_MS);
    }
    this.#heal();
    this.#drain();
    this.#check();
    return this.problems;
  }

  /** How much happened: a history in which nothing happens proves nothing. */
  stats(): {
    published: number;
    stored: number;
    received: number;
    subscribers: number;
    atEnd: number;
  } {
    const received = this.#subscribed.reduce((sum, { client }) => sum + client.received.length, 0);
    return {
      published: this.#published.length,
      stored: this.cluster.stored.length,
      received,
      subscribers: this.#subscribed.length,
      atEnd: this.#subscribed.filter(({ client }) => client.open).length,
    };
  }

  #fail(problem: string): readonly string[] {
    this.problems.push(problem);
    return this.problems;
  }

  #chance(perSecond: number | undefined): boolean {
    if (perSecond === undefined || perSecond === 0) return false;
    return this.cluster.random() < (perSecond * STEP_MS) / 1_000;
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.cluster.random() * items.length)];
  }

  // ---- what clients do

  #act(): void {
    const { cluster } = this;
    const gateway = this.#pick(cluster.alive);
    if (gateway === undefined) return;
    if (this.#chance(2) && gateway.core.acceptsConnect) this.#newSubscriber(gateway);
    const has = this.#publishers.some((p) => p.gateway === gateway && p.client.open);
    if (!has && gateway.core.acceptsConnect) {
      const client = cluster.client(gateway, `p${++this.#clientNumber}`);
      client.connect();
      this.#publishers.push({ client, gateway });
    }
    for (let i = 0; i < 3; i++) this.#publish();
    if (this.#chance(0.3)) this.#leave();
  }

  #newSubscriber(gateway: SimGateway): void {
    // Some identifiers are used again, so that connections take each other over.
    const reuse = this.cluster.random() < 0.3;
    const identifier = reuse
      ? `s${Math.floor(this.cluster.random() * 5)}`
      : `s${++this.#clientNumber}x`;
    const client = this.cluster.client(gateway, identifier);
    const topicFilter = this.#pick(FILTERS) ?? '#';
    client.connect(() => {
      if (client.granted !== 'granted') return;
      const entry: Subscribed = { client, topicFilter, fromPublish: Infinity, gateway };
      this.#subscribed.push(entry);
      client.subscribe(topicFilter, () => {
        entry.fromPublish = this.#published.length;
      });
    });
  }

  #publish(): void {
    const { client, gateway } = this.#pick(this.#publishers) ?? {};
    if (client === undefined || !client.open || gateway?.core.standsStill === true) return;
    if (gateway?.bus.control.state !== 'running' || client.unacknowledged > 50) return;
    const number = this.#published.length;
    const topic = this.#pick(TOPICS) ?? 'c';
    const payload = `m${number}`;
    this.#published.push({ number, topic, payload, client });
    client.publish(topic, payload);
  }

  #leave(): void {
    const entry = this.#pick(this.#subscribed);
    if (entry?.client.open === true && entry.gateway.bus.control.state === 'running') {
      entry.client.disconnect();
    }
  }

  // ---- what goes wrong

  #setFaults(on: boolean): void {
    const { faults } = this.cluster.nats;
    const s = this.#setting;
    const probability = on ? (s.coreLoss ?? 0) : 0;
    faults.coreLoss = ['frame.', 'owner.', 'interest.', 'ask.', 'heard.', '_INBOX.'].map(
      (subjectPrefix) => ({ subjectPrefix, probability }),
    );
    faults.appendAnswerLost = on ? (s.appendAnswerLost ?? 0) : 0;
    faults.appendLost = on ? (s.appendLost ?? 0) : 0;
    faults.appendStalled = on ? (s.appendStalled ?? 0) : 0;
  }

  #faults(): void {
    const { cluster } = this;
    const s = this.#setting;
    const nowMs = cluster.clock.nowMs();
    if (this.#outageUntilMs > 0) {
      if (nowMs < this.#outageUntilMs) return;
      this.#outageUntilMs = 0;
      cluster.nats.recover();
    }
    if (this.#chance(s.killGateway) && cluster.alive.length > 1) {
      const victim = this.#pick(cluster.alive);
      if (victim !== undefined) cluster.killGateway(victim);
      this.#killed = true;
      cluster.addGateway();
    }
    const dispatchers = cluster.dispatchers.filter((d) => !d.killed);
    const dispatcher = this.#pick(dispatchers);
    if (this.#chance(s.killDispatcher) && dispatcher !== undefined) {
      cluster.killDispatcher(dispatcher);
      if (dispatchers.length < SPARES) cluster.addDispatcher();
    }
    if (this.#chance(s.pauseDispatcher)) this.#pause(dispatcher);
    if (this.#chance(s.pauseGateway)) {
      this.#killed = true;
      this.#pause(this.#pick(cluster.alive));
    }
    if (this.#chance(s.outage)) {
      if (cluster.random() < 0.5) cluster.nats.crash();
      else cluster.nats.stop();
      this.#outageUntilMs = nowMs + 500 + cluster.random() * 15_000;
    }
  }

  #pause(
    process: { bus: { control: { pause(): void; resume(): void; state: string } } } | undefined,
  ) {
    if (process === undefined || process.bus.control.state !== 'running') return;
    const { control } = process.bus;
    control.pause();
    this.cluster.clock.after(500 + this.cluster.random() * 6_000, () => {
      if (control.state === 'paused') control.resume();
    });
  }

  #heal(): void {
    this.#setFaults(false);
    this.cluster.nats.recover();
    for (const { bus } of [...this.cluster.gateways, ...this.cluster.dispatchers]) {
      if (bus.control.state === 'paused') bus.control.resume();
    }
  }

  #drain(): void {
    const { cluster } = this;
    cluster.runFor(20_000);
    const ready = cluster.runUntil(
      () => cluster.alive.every(({ core }) => core.acceptsConnect),
      30_000,
    );
    if (!ready) this.#fail('not every gateway accepts CONNECTs again');
    const settled = cluster.runUntil(
      () => this.#publishers.every(({ client }) => !client.open || client.unacknowledged === 0),
      20_000,
    );
    if (!settled) this.#fail('publishes of open clients stay unacknowledged');
    // The last effort: what is published now must arrive, so nothing stands for ever.
    const gateway = cluster.alive[0];
    if (gateway === undefined) return;
    const client = cluster.client(gateway, 'last');
    client.connect();
    cluster.runUntil(() => client.granted !== undefined, 10_000);
    if (!client.open) this.#fail(`the last client was not let in: ${String(client.granted)}`);
    for (const topic of TOPICS) {
      const number = this.#published.length;
      this.#published.push({ number, topic, payload: `m${number}`, client });
      client.publish(topic, `m${number}`);
    }
    cluster.runFor(6_000);
    for (const { dispatcher, killed } of cluster.dispatchers) {
      if (killed) continue;
      for (const owner of dispatcher.owners) {
        if (owner.lagRecords > 0) this.#fail(`partition ${owner.partition} lags at the end`);
      }
    }
  }

  // ---- what must hold

  #check(): void {
    const log = this.#readLog();
    this.#checkAcknowledged(log);
    for (const entry of this.#subscribed) this.#checkSubscriber(entry, log);
    this.#checkIdentifiers();
    if (!this.#killed && this.cluster.gateways.some(({ ended }) => ended)) {
      this.#fail('a gateway was ended though none was killed or stopped');
    }
  }

  /** Payload → its place in the log; copies of a record (same writer and number) count once. */
  #readLog(): Map<string, number> {
    const places = new Map<string, number>();
    const last = new Map<string, number>();
    for (const { subject, payload, place } of this.#records()) {
      const number = payload.readUIntBE(4, 6);
      if (number <= (last.get(subject) ?? 0)) continue;
      last.set(subject, number);
      const reader = new RecordReader(payload);
      for (let i = reader.next(); i >= 0; i = reader.next()) {
        const { view } = reader;
        const text = view.buffer.toString('utf8', view.payloadStart, view.end);
        if (places.has(text)) this.#fail(`I1: ${text} stands in the log twice`);
        places.set(text, place + i / 1_024);
      }
    }
    return places;
  }

  *#records(): Generator<{ subject: string; payload: Buffer; place: number }> {
    for (const [key, message] of this.cluster.stored) {
      yield { subject: message.subject, payload: message.payload, place: key };
    }
  }

  #checkAcknowledged(log: ReadonlyMap<string, number>): void {
    for (const { client } of this.#publishers) {
      for (const payload of client.acknowledged) {
        if (!log.has(payload)) this.#fail(`I1: ${payload} acknowledged, but not in the log`);
      }
    }
    const lastOf = new Map<string, number>();
    for (const { client, topic, payload } of this.#published) {
      const place = log.get(payload);
      if (place === undefined) continue;
      const key = `${client.connectionNumber} ${topic}`;
      if (place < (lastOf.get(key) ?? -1))
        this.#fail(`I1: ${payload} stands before an earlier one`);
      lastOf.set(key, place);
    }
  }

  #checkSubscriber(entry: Subscribed, log: ReadonlyMap<string, number>): void {
    const { client, topicFilter, fromPublish } = entry;
    const seen = new Set<string>();
    const lastPlace = new Map<string, number>();
    for (const { topic, payload } of client.received) {
      if (seen.has(payload)) this.#fail(`I4: ${payload} twice at ${client.clientIdentifier}`);
      seen.add(payload);
      const place = log.get(payload) ?? -1;
      if (place < 0) this.#fail(`I2: ${payload} delivered, but not in the log`);
      if (place < (lastPlace.get(topic) ?? -1))
        this.#fail(`I5: ${payload} out of order on ${topic}`);
      lastPlace.set(topic, place);
    }
    if (!client.open || entry.gateway.ended || entry.gateway.killed) return;
    if (fromPublish === Infinity) this.#fail(`SUBACK of ${client.clientIdentifier} never came`);
    for (const { number, topic, payload } of this.#published) {
      if (number < fromPublish || !log.has(payload) || seen.has(payload)) continue;
      if (!topicMatchesFilter(topic, topicFilter)) continue;
      this.#fail(`I3: ${payload} on ${topic} missing at ${client.clientIdentifier} ${topicFilter}`);
    }
  }

  #checkIdentifiers(): void {
    const open = new Map<string, number>();
    for (const gateway of this.cluster.alive) {
      for (const client of gateway.clients) {
        if (!client.open) continue;
        const { clientIdentifier } = client;
        if (open.has(clientIdentifier)) this.#fail(`two connections of ${clientIdentifier}`);
        open.set(clientIdentifier, client.connectionNumber);
      }
    }
  }
}
