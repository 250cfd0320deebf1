/**
 * Clients of a broker under test, over its gateways in one of three ways.
 */
import assert from 'node:assert/strict';
import type { IConnackPacket, IPublishPacket } from 'mqtt-packet';
import {
  ack,
  connect,
  PINGREQ,
  properties,
  property,
  publish,
  subscribe,
  u32,
} from '../fixtures/mqtt-client-encoder.ts';
import type { ConnectFields, Version } from '../fixtures/mqtt-client-encoder.ts';
import { MqttProbe } from '../fixtures/mqtt-probe.ts';

export interface Broker {
  /** Of its gateways. */
  readonly ports: readonly number[];
}

/**
 * Where clients connect: all at `one` gateway; each at the next one and `apart` from the others;
 * or `moving` to the next one with every connect, too.
 */
export const SPREADS = ['one', 'apart', 'moving'] as const;
export type Spread = (typeof SPREADS)[number];

/** Clients of a broker over its gateways. */
export class Clients {
  readonly #broker: () => Broker;
  readonly #spread: Spread;
  readonly #prefix: string;
  /** Number of the gateway of the next connect, by client identifier. */
  readonly #places = new Map<string, number>();
  readonly #probes: MqttProbe[] = [];
  #count = 0;

  /** `prefix` makes client identifiers and names its own. */
  constructor(broker: () => Broker, spread: Spread = 'moving', prefix = '') {
    this.#broker = broker;
    this.#spread = spread;
    this.#prefix = prefix;
  }

  /** A topic or an identifier that nobody else has. */
  name(text: string): string {
    return `${this.#prefix}${text}`;
  }

  /** A connection without a CONNECT yet. */
  async socket(version: Version, clientIdentifier = ''): Promise<MqttProbe> {
    const { ports } = this.#broker();
    const place = this.#places.get(clientIdentifier) ?? this.#places.size;
    this.#places.set(clientIdentifier, this.#spread === 'moving' ? place + 1 : place);
    const port = ports[this.#spread === 'one' ? 0 : place % ports.length] ?? 0;
    const probe = await MqttProbe.open({ port, version });
    this.#probes.push(probe);
    return probe;
  }

  /** Sends CONNECT, under an identifier of its own unless `fields` have one. */
  async ask(
    version: Version,
    fields: ConnectFields,
  ): Promise<{ probe: MqttProbe; connack: IConnackPacket }> {
    const { clientIdentifier: given = `client-${this.#count++}` } = fields;
    const isText = typeof given === 'string' && given !== '';
    const clientIdentifier = isText ? this.name(given) : given;
    const probe = await this.socket(version, String(given));
    probe.send(connect(version, { ...fields, clientIdentifier }));
    return { probe, connack: await probe.expect('connack') };
  }

  async open(
    version: Version,
    fields: ConnectFields = {},
  ): Promise<{ probe: MqttProbe; connack: IConnackPacket }> {
    const { probe, connack } = await this.ask(version, fields);
    assert.equal(connack.reasonCode ?? connack.returnCode, 0);
    return { probe, connack };
  }

  /** Ends all connections without a word. */
  close(): void {
    for (const probe of this.#probes) probe.destroy();
  }

  /** A clean session. */
  async clean(version: Version = 5, fields: ConnectFields = {}): Promise<MqttProbe> {
    return (await this.open(version, fields)).probe;
  }

  async subscribed(
    version: Version,
    fields: ConnectFields,
    filter: string,
    qos = 2,
  ): Promise<MqttProbe> {
    const { probe } = await this.open(version, fields);
    probe.send(subscribe(version, [[filter, qos]]));
    await probe.expect('suback');
    return probe;
  }

  /** Lets time pass by the broker's clock: it ends who says nothing after 1.5 keep alives. */
  async silence(keepAliveSeconds: number): Promise<void> {
    await (await this.clean(5, { keepAliveSeconds })).closed();
  }

  /** Publishes payloads at a QoS; returns when each is on disk. */
  async send(topic: string, qos: number, ...payloads: string[]): Promise<void> {
    const publisher = await this.clean();
    for (const [i, text] of payloads.entries()) {
      const fields = { topic, qos, packetIdentifier: i + 1, payload: Buffer.from(text) };
      publisher.send(publish(5, fields));
      await publisher.next();
    }
    publisher.destroy();
  }

  /**
   * No message comes before one that is published now. PUBREL may: that a PUBCOMP came may be lost
   * with the connection, and its client knows what to answer.
   */
  async nothing(probe: MqttProbe, topic: string): Promise<void> {
    await this.send(topic, 1, 'end');
    let packet = await probe.next();
    for (; packet.cmd === 'pubrel'; packet = await probe.next()) {
      probe.send(ack('pubcomp', packet.messageId ?? 0));
    }
    assert.equal(packet.cmd === 'publish' && String(packet.payload), 'end');
    if (packet.messageId !== undefined) probe.send(ack('puback', packet.messageId));
  }
}

/** All bytes that come from now on. */
export function recordBytes(probe: MqttProbe): () => Buffer {
  const chunks: Buffer[] = [];
  probe.socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks);
}

/** Nothing has come that was not taken. */
export async function isQuiet(probe: MqttProbe): Promise<void> {
  probe.send(PINGREQ);
  await probe.expect('pingresp');
}

/** CONNECT of a session that stays; `extra` are further properties. */
export function stays(
  clientIdentifier: string,
  version: Version,
  extra: readonly Buffer[] = [],
): ConnectFields {
  const list = properties(property(0x11, u32(3_600)), ...extra);
  return { clientIdentifier, cleanStart: false, ...(version === 5 && { properties: list }) };
}

export const shown = (p: IPublishPacket): unknown[] => [String(p.payload), p.messageId, p.dup];
