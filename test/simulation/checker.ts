/** Checker of histories: what must hold for everybody, whatever happened (protocol, Invariants). */
import { RecordReader } from '#log';
import { topicMatchesFilter } from '#topics';
import { payloadTextOf, topicTextOf } from '../fixtures/publish-view.ts';
import { SessionChecker } from './session-checker.ts';
import type { SessionTraffic } from './session-traffic.ts';
import type { SimCluster } from './sim-cluster.ts';
import type { SimClient } from './sim-client.ts';
import type { Subscribed, Traffic } from './traffic.ts';

export class Checker {
  readonly problems: string[] = [];
  readonly #cluster: SimCluster;
  readonly #traffic: Traffic;
  /** Id → its place in the log. */
  readonly #places = new Map<string, number>();
  /** Topic → id of its retained message, as the log says at its end. */
  readonly #retained = new Map<string, string>();

  /** Records of the log looked at. */
  #read = -1;

  constructor(cluster: SimCluster, traffic: Traffic) {
    this.#cluster = cluster;
    this.#traffic = traffic;
  }

  fail(problem: string): void {
    this.problems.push(problem);
  }

  /** I8: who subscribes now gets exactly the last retained message of each topic. */
  checkRetained({ clientIdentifier, received }: SimClient): void {
    this.#readLog();
    const got = new Map<string, string>();
    for (const { topic, id, retained } of received) {
      if (!retained) continue;
      if (got.has(topic)) this.fail(`I8: two retained messages of ${topic}`);
      got.set(topic, id);
    }
    for (const [topic, id] of this.#retained) {
      const wanted = id === '' ? undefined : id;
      if (got.get(topic) === wanted) continue;
      const told = `${got.get(topic)} instead of ${wanted}`;
      this.fail(`I8: ${clientIdentifier} got ${told} as retained message of ${topic}`);
    }
  }

  /** `qos0From`: nothing went wrong from that publish on, so QoS 0 must arrive, too. */
  check(qos0From: number, sessions: SessionTraffic): void {
    this.#readLog();
    this.#checkAcknowledged();
    this.#checkOrderInLog();
    const clients = new Set(this.#cluster.gateways.flatMap((gateway) => gateway.clients));
    for (const client of clients) this.#checkReceived(client);
    for (const entry of this.#traffic.subscribed) this.#checkOwed(entry, qos0From);
    new SessionChecker({
      sessions,
      traffic: this.#traffic,
      placeOf: (id) => this.#places.get(id),
      fail: (problem) => this.fail(problem),
    }).check();
    this.#checkIdentifiers();
  }

  /** Copies of a record (same writer, number not above its last) count once. */
  #readLog(): void {
    if (this.#read === this.#cluster.stored.length) return;
    this.#read = this.#cluster.stored.length;
    this.#places.clear();
    this.#retained.clear();
    const last = new Map<string, number>();
    for (const [place, { subject, payload }] of this.#cluster.stored) {
      const number = payload.readUIntBE(4, 6);
      if (number <= (last.get(subject) ?? 0)) continue;
      last.set(subject, number);
      const reader = new RecordReader(payload);
      for (let i = reader.next(); i >= 0; i = reader.next()) {
        const [id = ''] = payloadTextOf(reader.view).split(' ', 1);
        if (reader.view.retain) this.#retained.set(topicTextOf(reader.view), id);
        if (id === '') continue;
        if (this.#places.has(id)) this.fail(`I1: ${id} stands in the log twice`);
        this.#places.set(id, place + i / 1_024);
      }
    }
  }

  #checkAcknowledged(): void {
    const clearing = new Set(this.#traffic.published.filter((p) => p.clears).map(({ id }) => id));
    for (const { client } of this.#traffic.publishers) {
      for (const id of client.acknowledged) {
        const isThere = this.#places.has(id) || clearing.has(id);
        if (!isThere) this.fail(`I1: ${id} acknowledged, but not in the log`);
      }
    }
  }

  #checkOrderInLog(): void {
    const lastOf = new Map<string, number>();
    for (const { client, topic, id } of this.#traffic.published) {
      const place = this.#places.get(id);
      if (place === undefined) continue;
      const key = `${client.connectionNumber} ${topic}`;
      if (place < (lastOf.get(key) ?? -1)) this.fail(`I1: ${id} stands before an earlier one`);
      lastOf.set(key, place);
    }
  }

  #checkReceived(client: SimClient): void {
    for (const problem of client.problems) this.fail(`${client.clientIdentifier}: ${problem}`);
    const seen = new Set<string>();
    const lastPlace = new Map<string, number>();
    for (const { topic, id, retained } of client.received) {
      // A retained message may be known already; a clearing one has no id.
      if (retained || id === '') continue;
      if (seen.has(id)) this.fail(`I4: ${id} twice at ${client.clientIdentifier}`);
      seen.add(id);
      const isLogged = id.startsWith('m');
      const place = isLogged ? (this.#places.get(id) ?? -1) : Number(id.slice(1));
      if (place < 0) this.fail(`I2: ${id} delivered, but not in the log`);
      const publisher = isLogged ? '' : this.#publisherOf(id);
      const key = `${topic} ${publisher}`;
      if (place < (lastPlace.get(key) ?? -1)) this.fail(`I5: ${id} out of order on ${topic}`);
      lastPlace.set(key, place);
    }
  }

  /** QoS 0 keeps the order of one publisher and topic. */
  #publisherOf(id: string): string {
    const published = this.#traffic.published[Number(id.slice(1))];
    return `of ${published?.client.connectionNumber ?? 'nobody'}`;
  }

  #checkOwed(entry: Subscribed, qos0From: number): void {
    const { client, topicFilter, fromPublish, gateway, over } = entry;
    if (over || !client.open || gateway.ended || gateway.killed) return;
    const who = `${client.clientIdentifier} ${topicFilter}`;
    if (fromPublish === Infinity) this.fail(`SUBACK of ${who} never came`);
    const seen = new Set(client.received.map(({ id }) => id));
    for (const { number, topic, id, qos, expires, clears } of this.#traffic.published) {
      if (number < fromPublish || expires || clears || seen.has(id)) continue;
      if (qos === 0 ? number < qos0From : !this.#places.has(id)) continue;
      if (!topicMatchesFilter(topic, topicFilter)) continue;
      this.fail(`I3: ${id} on ${topic} missing at ${who}`);
    }
  }

  #checkIdentifiers(): void {
    const open = new Map<string, number>();
    for (const gateway of this.#cluster.alive) {
      for (const client of [...gateway.clients, ...gateway.storedClients]) {
        if (!client.open) continue;
        const { clientIdentifier } = client;
        if (open.has(clientIdentifier)) this.fail(`two connections of ${clientIdentifier}`);
        open.set(clientIdentifier, client.connectionNumber);
      }
    }
    let held = 0;
    for (const { dispatcher, killed } of this.#cluster.dispatchers) {
      if (killed) continue;
      for (const owner of dispatcher.owners) held += owner.claimCount;
    }
    if (held !== open.size) this.fail(`${held} identifiers are held for ${open.size} clients`);
  }
}
