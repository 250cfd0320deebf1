/**
 * A history of one stored session: connection after connection, between a small model of the client
 * and one of the core.
 *
 * What is lost with a connection: packets under way in both directions, and of what was asked of
 * the core (stores, appends, releases) everything behind a random point, for it keeps their order.
 */
import assert from 'node:assert/strict';
import type { SessionGrant } from '#session';
import {
  ack,
  connect,
  disconnect,
  properties,
  property,
  publish,
  u16,
} from '../../fixtures/mqtt-client-encoder.ts';
import { Driver } from './session-driver.ts';

interface Owed {
  readonly payload: string;
  readonly qos: 1 | 2;
  /** Of this connection; 0 = not handed out. */
  ticket: number;
  /** Under which it may have been sent. */
  identifier: number;
}

const HANDED_MAX = 6;

/** The core's side: what is owed, the table of QoS 2 out, open keys of QoS 2 in. */
class Core {
  owed: Owed[] = [];
  /** Identifier → whether PUBREC came; the message may be acknowledged already. */
  readonly table = new Map<number, 'out' | 'received'>();
  readonly open = new Set<number>();
  readonly accepted: string[] = [];
  /** Asked of the core and not yet durable, in order. */
  asked: { readonly apply: () => void; readonly tell: () => void }[] = [];
  tickets = 0;
  readonly settled = new Set<number>();

  finish(identifier: number): void {
    this.table.delete(identifier);
    // A message that was settled has gone; one of an earlier connection goes with its end.
    this.owed = this.owed.filter((o) => o.identifier !== identifier || o.ticket > 0);
  }
}

/** The client's side. */
class Client {
  /** QoS 2 between PUBLISH and PUBREL. */
  readonly received = new Set<number>();
  readonly accepted: string[] = [];
  /** Payloads in the order in which they came first, taken or refused. */
  readonly seen = new Set<string>();
  readonly refused = new Set<string>();
  /** Own publishes by identifier: awaiting PUBREC (payload), or PUBCOMP (undefined). */
  readonly own = new Map<number, string | undefined>();
  published = 0;
}

export class LossyHistory {
  readonly core = new Core();
  readonly client = new Client();
  driver: Driver | undefined;
  readonly #version: 4 | 5;
  readonly #window: number;
  #toServer: Buffer[] = [];
  #sentSeen = 0;
  #deliveriesSeen = 0;
  #unfinished = new Set<number>();
  /** Deliveries that count against the client's receive maximum. */
  #counted = new Set<number>();
  #countedSeen = 0;
  #messages = 0;

  constructor(version: 4 | 5, window: number) {
    this.#version = version;
    this.#window = window;
  }

  connect(): void {
    if (this.driver !== undefined) return;
    const { core, client } = this;
    const driver = new Driver({ deliveryCountMax: this.#window, receiveMaximum: 100 });
    const { recorder } = driver;
    this.driver = driver;
    this.#wire(driver);
    const list = properties(property(0x21, u16(this.#window)));
    const fields = this.#version === 5 ? { properties: list } : {};
    driver.send(connect(this.#version, { cleanStart: false, ...fields }));
    const known = core.owed.filter((o) => o.identifier > 0);
    const isKnown = (id: number) => known.some((o) => o.identifier === id);
    const table = [...core.table];
    const grant: SessionGrant = {
      sessionPresent: true,
      isStored: true,
      subscriptions: [],
      // What cannot come again is closed.
      received: table.filter(([id, s]) => s === 'received' || !isKnown(id)).map(([id]) => id),
      inFlight: known.map((o) => o.identifier).filter((id) => core.table.get(id) !== 'received'),
    };
    driver.session.granted(grant);
    assert.ok(recorder.sessionPresent);
    for (const [id, payload] of client.own) {
      if (payload === undefined) this.#toServer.push(ack('pubrel', id));
      else this.#toServer.push(this.#ownPublish(id, payload, true));
    }
    this.pump();
  }

  #wire(driver: Driver): void {
    const { recorder, session } = driver;
    recorder.onSettled = (ticket) => {
      assert.ok(!this.core.settled.has(ticket), 'settled once');
      this.core.settled.add(ticket);
      const at = this.core.owed.findIndex((o) => o.ticket === ticket);
      assert.ok(at >= 0, 'a ticket of this connection');
      this.core.owed.splice(at, 1);
      this.pump();
    };
    recorder.onAsked = (what, id, ticket) => {
      const { core } = this;
      const ask = (apply: () => void, tell: () => void): void => {
        core.asked.push({ apply, tell });
      };
      if (what === 'out') {
        const owed = core.owed.find((o) => o.ticket === ticket);
        const apply = (): void => {
          core.table.set(id, 'out');
          if (owed !== undefined) owed.identifier = id;
        };
        ask(apply, () => session.outStored(id));
      } else if (what === 'received') {
        ask(
          () => core.table.set(id, 'received'),
          () => session.receivedStored(id),
        );
      } else if (what === 'finished') {
        ask(
          () => core.finish(id),
          () => undefined,
        );
      } else {
        ask(
          () => core.open.delete(id),
          () => session.released(id),
        );
      }
    };
  }

  /** Hands out in log order, under the identifier where there is one. */
  pump(): void {
    const { driver, core } = this;
    if (driver === undefined || driver.session.phase !== 'open') return;
    for (const owed of core.owed) {
      if (core.owed.filter((o) => o.ticket > 0).length >= HANDED_MAX) return;
      if (owed.ticket > 0 || core.table.get(owed.identifier) === 'received') continue;
      owed.ticket = ++core.tickets;
      driver.deliver(owed.payload, owed.qos, owed.ticket, owed.identifier);
    }
  }

  message(qos: 1 | 2): void {
    const payload = `q${qos} ${++this.#messages}`;
    this.core.owed.push({ payload, qos, ticket: 0, identifier: 0 });
    this.pump();
  }

  #ownPublish(packetIdentifier: number, text: string, dup: boolean): Buffer {
    const payload = Buffer.from(text);
    return publish(this.#version, { qos: 2, packetIdentifier, payload, dup });
  }

  /** The client publishes at QoS 2, under the lowest free identifier. */
  publish(): void {
    if (this.driver === undefined || this.client.own.size >= 5) return;
    let id = 1;
    while (this.client.own.has(id)) id++;
    const payload = `p${++this.client.published}`;
    this.client.own.set(id, payload);
    this.#toServer.push(this.#ownPublish(id, payload, false));
  }

  /** The server reads one packet. */
  serverReads(): void {
    const { driver, core, client } = this;
    const bytes = this.#toServer.shift();
    if (driver === undefined || bytes === undefined) return;
    const { recorder, session } = driver;
    const before = recorder.tokens.length;
    const isFailure = bytes[0] === 0x50 && (bytes[4] ?? 0) >= 0x80;
    if (bytes[0] === 0x40 || bytes[0] === 0x70 || isFailure) {
      this.#counted.delete(bytes.readUInt16BE(2));
    }
    driver.send(bytes);
    assert.equal(recorder.ended, undefined);
    for (const token of recorder.tokens.slice(before)) {
      // The packet was a PUBLISH: identifier and payload behind the topic.
      const at = 2 + 2 + 3;
      const id = bytes.readUInt16BE(at);
      const payload = bytes.toString('latin1', at + 2 + (this.#version === 5 ? 1 : 0));
      const apply = (): void => {
        if (!core.open.has(id)) core.accepted.push(payload);
        core.open.add(id);
      };
      core.asked.push({ apply, tell: () => session.appended(token, 'stored') });
    }
    assert.ok(client.own.size <= 5);
  }

  /** The core makes one thing durable. */
  coreStores(): void {
    const done = this.core.asked.shift();
    done?.apply();
    if (this.driver !== undefined) done?.tell();
  }

  /** The client reads one packet. */
  clientReads(refuses: boolean): void {
    const { driver, client } = this;
    if (driver === undefined) return;
    const { recorder } = driver;
    const kind = recorder.sent[this.#sentSeen];
    if (kind === undefined) return;
    this.#sentSeen++;
    const [name, identifier = '0', code = '0'] = kind.split(' ');
    const id = Number(identifier);
    if (name === 'publish') this.#clientTakes(refuses);
    else if (name === 'pubrel') {
      client.received.delete(id);
      this.#unfinished.delete(id);
      this.#toServer.push(ack('pubcomp', id));
    } else if (name === 'pubrec') {
      assert.equal(code, '0');
      if (!client.own.has(id)) return;
      client.own.set(id, undefined);
      this.#toServer.push(ack('pubrel', id));
    } else if (name === 'pubcomp') client.own.delete(id);
  }

  #clientTakes(refuses: boolean): void {
    const { client } = this;
    const delivery = this.driver?.recorder.deliveries[this.#deliveriesSeen++];
    assert.ok(delivery !== undefined);
    const { identifier, payload, qos, dup } = delivery;
    const isNew = !this.#unfinished.has(identifier);
    assert.ok(isNew, 'not in use by another unfinished delivery');
    client.seen.add(payload);
    if (qos === 1) {
      client.accepted.push(payload);
      this.#toServer.push(ack('puback', identifier));
      return;
    }
    const isRepeat = client.received.has(identifier);
    assert.ok(!isRepeat || dup, 'an identifier that the client holds comes with DUP only');
    if (!isRepeat && refuses && this.#version === 5) {
      client.refused.add(payload);
      this.#toServer.push(ack('pubrec', identifier, Buffer.from([0x80])));
      return;
    }
    this.#unfinished.add(identifier);
    if (!isRepeat) client.accepted.push(payload);
    client.received.add(identifier);
    this.#toServer.push(ack('pubrec', identifier));
  }

  /** Of what was asked, `kept` are durable all the same. */
  disconnect(kept: number, isOrderly: boolean): void {
    const { driver, core } = this;
    if (driver === undefined) return;
    if (isOrderly) driver.send(disconnect());
    else driver.session.end('connection_lost');
    const { departure } = driver.recorder.ended ?? {};
    for (const { apply } of core.asked.splice(0, kept)) apply();
    core.asked = [];
    for (const [identifier, ticket] of departure?.inFlight ?? []) {
      const owed = core.owed.find((o) => o.ticket === ticket);
      assert.ok(owed !== undefined, 'in flight is what is owed');
      // As `OutTable.replaced`: what had the identifier before is finished, heard of or not.
      if (owed.identifier !== identifier) core.finish(identifier);
      owed.identifier = identifier;
    }
    for (const owed of core.owed) owed.ticket = 0;
    this.driver = undefined;
    this.#toServer = [];
    this.#sentSeen = 0;
    this.#deliveriesSeen = 0;
    this.#unfinished = new Set();
    this.#counted = new Set();
    this.#countedSeen = 0;
  }

  /** [MQTT-4.9.0-2] */
  checkQuota(): void {
    const deliveries = this.driver?.recorder.deliveries ?? [];
    for (const { identifier } of deliveries.slice(this.#countedSeen)) this.#counted.add(identifier);
    this.#countedSeen = deliveries.length;
    assert.ok(this.#counted.size <= this.#window, 'more than the receive maximum');
  }

  /** Everybody works until nobody has anything to do. */
  drain(): void {
    this.connect();
    for (let i = 0; i < 5_000; i++) {
      const { driver, core } = this;
      const isIdle =
        this.#toServer.length === 0 &&
        core.asked.length === 0 &&
        driver?.recorder.sent.length === this.#sentSeen;
      if (isIdle) return;
      this.serverReads();
      this.coreStores();
      this.clientReads(false);
    }
    assert.fail('it never comes to rest');
  }

  check(): void {
    const { core, client } = this;
    assert.deepEqual(core.owed, [], 'everything owed is acknowledged');
    assert.deepEqual([...core.table], [], 'every identifier is finished');
    assert.deepEqual([...client.received], []);
    assert.equal(client.own.size, 0);
    const own = Array.from({ length: client.published }, (_, i) => `p${i + 1}`);
    assert.deepEqual(core.accepted.toSorted(), own.toSorted(), 'each publish once in the log');
    for (let i = 1; i <= this.#messages; i++) {
      const count = (payload: string) => client.accepted.filter((p) => p === payload).length;
      const isTaken = count(`q2 ${i}`) === 1 || client.refused.has(`q2 ${i}`);
      assert.ok(count(`q2 ${i}`) <= 1, `message ${i} was taken twice`);
      assert.ok(isTaken || count(`q1 ${i}`) >= 1, `message ${i} is lost`);
    }
    const numbers = [...client.seen].map((payload) => Number(payload.slice(3)));
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
      'first receptions are in order',
    );
  }
}
