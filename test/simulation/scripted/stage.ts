/**
 * The stage of a scripted history: a small cluster on which a script says who dies, who is late and
 * which message is lost, step by step.
 *
 * Shape: one partition unless asked otherwise; dispatcher 1 owns it first. What a script loses or
 *        holds up, it names by process and kind of message.
 */
import assert from 'node:assert/strict';
import type { Bus, MemoryBus } from '#bus';
import { SECTION_ANSWER, SECTION_QUEUE, SECTION_RANGE } from '#frames';
import { changed, type Fields, lyingToGateways, lyingToOwners } from '../changed-bus.ts';
import { SimCluster, type SimDispatcher, type SimGateway, type Tamper } from '../sim-cluster.ts';
import { SimSession } from '../sim-session.ts';
import type { Manner, StoredClient } from '../stored-client.ts';

export interface StageOptions {
  readonly partitions?: number;
  readonly gateways?: number;
  readonly dispatchers?: number;
  readonly tailBytes?: number;
  /** Plants a fault. */
  readonly tamper?: Tamper;
}

const MANNER: Manner = { acknowledgesAfterMs: [0.2, 1], receiveMaximum: 100, backlogMax: 100 };
const LONG_SECONDS = 3_600;
/** Longer than any lease, outage of an owner, or repeat. */
const LONG_MS = 20_000;

/** A message on its way: from which process, to owners or to gateways, of which kind. */
export interface OnTheWay {
  readonly from: string;
  /** `live`, `queue`, `release` …; for frames `range`, `queue page`, or the answer's kind. */
  readonly kind: string;
  readonly message: Fields;
}

export class Stage {
  readonly cluster: SimCluster;
  /** True: the message is lost. */
  loses: (message: OnTheWay) => boolean = () => false;
  /** True: the report of this gateway is held up and comes when it is false again. */
  holdsReport: (gateway: string) => boolean = () => false;
  #published = 0;
  #publisher: {
    publish: (topic: string, id: string, qos: 1 | 2) => void;
    acknowledged: () => number;
  };
  readonly #devices: SimSession[] = [];

  constructor({ tamper, ...options }: StageOptions = {}) {
    this.cluster = new SimCluster({
      seed: 1,
      partitions: 1,
      gateways: 2,
      dispatchers: 2,
      ...options,
      tamper: (bus, role, random) => {
        const staged = this.#stage(bus, role);
        return tamper?.(staged, role, random) ?? staged;
      },
    });
    assert.ok(this.cluster.runUntilReady(), 'the cluster never became ready');
    // Publishers have a gateway of their own, so that no script kills it.
    const gateway = this.cluster.addGateway();
    this.until(() => gateway.core.acceptsConnect, 'the publisher has a gateway');
    this.#publisher = this.#connectPublisher(gateway);
  }

  /** From 1. */
  gateway(number: number): SimGateway {
    const gateway = this.cluster.gateways[number - 1];
    assert.ok(gateway !== undefined);
    return gateway;
  }

  /** Who owns the partition now. */
  owner(partition = 0): SimDispatcher {
    const owner = this.cluster.dispatchers.find(
      ({ killed, bus, dispatcher }) =>
        !killed &&
        bus.control.state === 'running' &&
        dispatcher.owners.some((o) => o.partition === partition),
    );
    assert.ok(owner !== undefined, `nobody owns partition ${partition}`);
    return owner;
  }

  /** The process that owns the partition dies; another one has taken it when this returns. */
  killOwner(partition = 0): void {
    this.cluster.killDispatcher(this.owner(partition));
  }

  session(name: string): SimSession {
    const session = new SimSession(name, false);
    this.#devices.push(session);
    return session;
  }

  /** Asks to connect; `until` it is let in unless `waits` is false. */
  connect(
    session: SimSession,
    gateway: number,
    options: { cleanStart?: boolean; manner?: Manner; waits?: boolean; expiry?: number } = {},
  ): StoredClient {
    const { cleanStart = false, manner = MANNER, waits = true, expiry = LONG_SECONDS } = options;
    const connect = { cleanStart, sessionExpirySeconds: expiry, manner };
    const at = this.gateway(gateway);
    const client = this.cluster.storedClient(at, session, connect, () => this.#published);
    client.connect();
    if (waits) this.until(() => client.open, `${session.clientIdentifier} is let in`);
    return client;
  }

  /** SUBSCRIBE, and SUBACK. */
  subscribe(client: StoredClient, topicFilter: string, qos: 0 | 1 | 2 = 1): void {
    let answered = false;
    client.subscribe(topicFilter, qos, 1, () => {
      answered = true;
    });
    this.until(() => answered, `SUBACK of ${topicFilter}`);
  }

  /** Publishes messages one after another and waits for their PUBACKs; returns their ids. */
  publish(topic: string, count = 1, qos: 1 | 2 = 1): string[] {
    const ids: string[] = [];
    for (let i = 0; i < count; i++) {
      const id = `m${this.#published++}`;
      ids.push(id);
      this.#publisher.publish(topic, id, qos);
      const { length } = ids;
      this.until(() => this.#publisher.acknowledged() >= this.#published, `PUBACK ${length}`);
    }
    return ids;
  }

  run(spanMs: number): void {
    this.cluster.runFor(spanMs);
  }

  until(condition: () => boolean, what: string, withinMs = LONG_MS): void {
    assert.ok(this.cluster.runUntil(condition, withinMs), `never: ${what}`);
  }

  /** Ids that the session has got in this life, in order, each once. */
  received(session: SimSession): string[] {
    return [...new Set(session.life?.received.map(({ id }) => id) ?? [])];
  }

  /** Everything was received, in this order, and nothing is wrong in any ledger. */
  expect(session: SimSession, ids: readonly string[]): void {
    this.cluster.runUntil(() => this.received(session).length >= ids.length, LONG_MS);
    this.run(1_000);
    assert.deepEqual(this.received(session), ids);
    for (const { problems } of this.#devices) assert.deepEqual(problems, []);
  }

  #connectPublisher(gateway: SimGateway): {
    publish: (topic: string, id: string, qos: 1 | 2) => void;
    acknowledged: () => number;
  } {
    const client = this.cluster.client(gateway, 'publisher');
    client.connect();
    this.until(() => client.open, 'the publisher is let in');
    return {
      publish: (topic, id, qos) => client.publish({ topic, id, qos }),
      acknowledged: () => client.acknowledged.length,
    };
  }

  #stage(bus: Bus, role: 'gateway' | 'dispatcher'): Bus {
    const { name: from } = (bus as MemoryBus).control;
    if (role === 'gateway') {
      const own = lyingToOwners(bus, (message) =>
        this.loses({ from, kind: String(message['t']), message }) ? undefined : message,
      );
      return this.#holding(own, from, (bus as MemoryBus).control.clock);
    }
    return lyingToGateways(bus, (section) => {
      const { kind, message } = this.#describe(section.kind, section.body);
      return this.loses({ from, kind, message }) ? undefined : section;
    });
  }

  #describe(kind: number, body: Buffer): { kind: string; message: Fields } {
    if (kind === SECTION_RANGE) return { kind: 'range', message: {} };
    if (kind === SECTION_QUEUE) return { kind: 'queue page', message: {} };
    if (kind !== SECTION_ANSWER) return { kind: 'page', message: {} };
    const message = JSON.parse(body.toString('utf8')) as Fields;
    return { kind: String(message['t']), message };
  }

  #holding(bus: Bus, from: string, clock: MemoryBus['control']['clock']): Bus {
    const append: Bus['append'] = (request, onResult) => {
      if (!request.subject.startsWith('gw.gateway.')) return bus.append(request, onResult);
      const payload = Buffer.from(request.payload);
      const send = (): void => {
        if (this.holdsReport(from)) clock.after(20, send);
        else bus.append({ ...request, payload }, onResult);
      };
      send();
    };
    return changed(bus, { append });
  }
}
