/**
 * Clients of a broker under test: each connection goes to the next of its gateways.
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

/** Clients of a broker, one gateway after the other. */
export class Clients {
  readonly #broker: () => Broker;
  #count = 0;

  constructor(broker: () => Broker) {
    this.#broker = broker;
  }

  /** Under an identifier of its own, unless `fields` have one. */
  async open(
    version: Version,
    fields: ConnectFields,
  ): Promise<{ probe: MqttProbe; connack: IConnackPacket }> {
    const { ports } = this.#broker();
    const number = this.#count++;
    const port = ports[number % ports.length] ?? 0;
    const probe = await MqttProbe.open({ port, version });
    probe.send(connect(version, { clientIdentifier: `client-${number}`, ...fields }));
    const connack = await probe.expect('connack');
    assert.equal(connack.reasonCode ?? connack.returnCode, 0);
    return { probe, connack };
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
