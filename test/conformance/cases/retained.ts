/**
 * Cases of retained messages, by statement.
 */
import assert from 'node:assert/strict';
import { ack, disconnect, publish, subscribe } from '../../fixtures/mqtt-client-encoder.ts';
import type { PublishFields, Version } from '../../fixtures/mqtt-client-encoder.ts';
import type { MqttProbe } from '../../fixtures/mqtt-probe.ts';
import type { Clients } from '../clients.ts';
import type { StatementCase } from '../statement-case.ts';

/** Bits of the subscription options (MQTT 5 §3.8.3.1). */
const AS_PUBLISHED = 0x08;
const ONLY_NEW = 0x10;
const NEVER = 0x20;

/** Publishes at QoS 1 with RETAIN, unless `fields` say otherwise, and leaves. */
async function retain(
  clients: Clients,
  version: Version,
  topic: string,
  text: string,
  fields: PublishFields = {},
): Promise<void> {
  const probe = await clients.clean(version);
  const message = { topic, qos: 1, retain: true, payload: Buffer.from(text), ...fields };
  probe.send(publish(version, message));
  if (message.qos === 1) await probe.expect('puback');
  probe.send(disconnect());
  await probe.closed();
}

/** The next message as text: payload, RETAIN, QoS; acknowledged. */
async function received(probe: MqttProbe): Promise<string> {
  const { payload, retain: bit, qos, messageId } = await probe.expect('publish');
  if (messageId !== undefined) probe.send(ack('puback', messageId));
  return `${String(payload)} ${bit ? 'retained' : 'live'} ${qos}`;
}

export const RETAINED_CASES: readonly StatementCase[] = [
  {
    v5: ['3.3.1-5', '3.3.1-12'],
    v4: ['3.3.1-5', '3.3.1-8', '3.3.1-9', '3.1.2-7'],
    says: 'the last one comes to who subscribes later, with RETAIN; live ones without',
    async run(clients, version) {
      const topic = clients.name('last');
      const live = await clients.subscribed(version, {}, topic, 1);
      await retain(clients, version, topic, 'first');
      await retain(clients, version, topic, 'second');
      assert.equal(await received(live), 'first live 1');
      assert.equal(await received(live), 'second live 1');
      const late = await clients.subscribed(version, {}, topic, 1);
      assert.equal(await received(late), 'second retained 1');
      await clients.nothing(late, topic);
    },
  },
  {
    v5: ['3.3.1-9'],
    v4: ['3.3.1-6'],
    says: 'a wildcard brings the last one of each topic',
    async run(clients, version) {
      const base = clients.name('each');
      const names = ['a', 'b', 'c/d', '\u00e9'];
      for (const name of names) await retain(clients, version, `${base}/${name}`, name);
      const late = await clients.subscribed(version, {}, `${base}/#`, 1);
      const got: string[] = [];
      for (const _name of names) got.push(await received(late));
      assert.deepEqual(got.toSorted(), names.map((name) => `${name} retained 1`).toSorted());
    },
  },
  {
    v5: ['3.3.1-6', '3.3.1-7'],
    v4: ['3.3.1-10', '3.3.1-11'],
    says: 'an empty one clears the topic, is forwarded and never kept',
    async run(clients, version) {
      const topic = clients.name('empty');
      await retain(clients, version, topic, '');
      const early = await clients.subscribed(version, {}, topic, 1);
      await clients.nothing(early, topic);
      await retain(clients, version, topic, 'kept');
      await retain(clients, version, topic, '');
      assert.equal(await received(early), 'kept live 1');
      assert.equal(await received(early), ' live 1');
      const late = await clients.subscribed(version, {}, topic, 1);
      await clients.nothing(late, topic);
    },
  },
  {
    v5: ['3.3.1-8'],
    v4: ['3.3.1-12'],
    says: 'a message without RETAIN changes nothing that is kept, empty or not',
    async run(clients, version) {
      const topic = clients.name('plain');
      await retain(clients, version, topic, 'kept');
      await retain(clients, version, topic, 'plain', { retain: false });
      await retain(clients, version, topic, '', { retain: false });
      const late = await clients.subscribed(version, {}, topic, 1);
      assert.equal(await received(late), 'kept retained 1');
    },
  },
  {
    v5: ['3.3.1-5'],
    v4: ['3.3.1-7'],
    says: 'one of QoS 0 takes the place of an older one, at once',
    async run(clients, version) {
      const topic = clients.name('zero');
      const live = await clients.subscribed(version, {}, topic, 1);
      await retain(clients, version, topic, 'older');
      await retain(clients, version, topic, 'newer', { qos: 0 });
      assert.equal(await received(live), 'older live 1');
      assert.equal(await received(live), 'newer live 0');
      const late = await clients.subscribed(version, {}, topic, 1);
      assert.equal(await received(late), 'newer retained 0');
    },
  },
  {
    v5: ['3.3.1-9', '3.3.1-10', '3.3.1-11'],
    says: 'retain handling: with each SUBSCRIBE, with a new one only, never',
    async run(clients) {
      const topic = clients.name('handling');
      await retain(clients, 5, topic, 'kept');
      for (const [options, first, second] of [
        [1, true, true],
        [1 | ONLY_NEW, true, false],
        [1 | NEVER, false, false],
      ] as const) {
        const probe = await clients.clean();
        for (const isWanted of [first, second]) {
          probe.send(subscribe(5, [[topic, options]]));
          await probe.expect('suback');
          if (isWanted) assert.equal(await received(probe), 'kept retained 1');
          await clients.nothing(probe, topic);
        }
      }
    },
  },
  {
    v5: ['3.3.1-12', '3.3.1-13'],
    says: 'retain as published keeps RETAIN as it was, and only that',
    async run(clients) {
      const topic = clients.name('published');
      const plain = await clients.subscribed(5, {}, topic, 1);
      const published = await clients.subscribed(5, {}, topic, 1 | AS_PUBLISHED);
      await retain(clients, 5, topic, 'x');
      await retain(clients, 5, topic, 'y', { retain: false });
      assert.equal(await received(plain), 'x live 1');
      assert.equal(await received(plain), 'y live 1');
      assert.equal(await received(published), 'x retained 1');
      assert.equal(await received(published), 'y live 1');
    },
  },
];
