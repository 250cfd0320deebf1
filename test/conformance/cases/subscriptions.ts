/**
 * Cases of SUBSCRIBE and UNSUBSCRIBE, by statement.
 */
import assert from 'node:assert/strict';
import {
  ack,
  PINGREQ,
  properties,
  property,
  publish,
  subscribe,
  unsubscribe,
} from '../../fixtures/mqtt-client-encoder.ts';
import { isQuiet } from '../clients.ts';
import type { StatementCase } from '../statement-case.ts';

const NO_LOCAL = 0x04;
const SUBACK_CODES = {
  5: [0, 1, 2, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2],
  4: [0, 1, 2, 0x80],
} as const;
const UNSUBACK_CODES: readonly unknown[] = [0, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91];

export const SUBSCRIPTION_CASES: readonly StatementCase[] = [
  {
    v5: ['3.8.4-1', '3.8.4-2', '2.2.1-6', '3.10.4-4', '3.10.4-5', '3.12.4-1'],
    v4: ['3.8.4-1', '3.8.4-2', '2.3.1-7', '2.3.1-3', '3.10.4-4', '3.10.4-5', '3.12.4-1'],
    says: 'requests in one write are answered each under its identifier, which is free then',
    async run(clients, version) {
      const probe = await clients.clean(version);
      for (const _round of [1, 2]) {
        const identifiers = [7, 65_535, 256, 1];
        const packets = identifiers.flatMap((packetIdentifier, i) => {
          const filter = clients.name(`f/${i}`);
          const fields = { packetIdentifier };
          return i % 2 === 0
            ? subscribe(version, [[filter, 1]], fields)
            : unsubscribe(version, [filter], fields);
        });
        probe.send(...packets, PINGREQ);
        const answers = new Map<number, string>();
        while (answers.size < 4) {
          const packet = await probe.next();
          if (packet.cmd !== 'pingresp') answers.set(packet.messageId ?? 0, packet.cmd);
        }
        for (const [i, identifier] of identifiers.entries()) {
          assert.equal(answers.get(identifier), i % 2 === 0 ? 'suback' : 'unsuback');
        }
      }
    },
  },
  {
    v5: ['3.8.4-5', '3.8.4-6', '3.8.4-7', '3.9.3-1', '3.9.3-2'],
    v4: ['3.8.4-4', '3.8.4-5', '3.9.3-1', '3.9.3-2'],
    says: 'filters of one SUBSCRIBE get one code each, in order and of the table, and all work',
    async run(clients, version) {
      const base = clients.name('many');
      const probe = await clients.clean(version);
      const filters = [
        [`${base}/a`, 2],
        [`${base}/#/b`, 1],
        [`${base}/c`, 0],
        ['$SYS/forbidden', 1],
        [`${base}/e`, 1],
      ] as const;
      probe.send(subscribe(version, filters, { packetIdentifier: 9 }));
      const codes = (await probe.expect('suback')).granted as number[];
      const [wrong, forbidden] = version === 5 ? [0x8f, 0x87] : [0x80, 0x80];
      assert.deepEqual(codes, [2, wrong, 0, forbidden, 1]);
      const known: readonly number[] = SUBACK_CODES[version];
      assert.ok(codes.every((code) => known.includes(code)));
      for (const [name, qos] of [
        ['a', 1],
        ['c', 0],
        ['e', 1],
      ] as const) {
        await clients.send(`${base}/${name}`, 1, name);
        const message = await probe.expect('publish');
        assert.deepEqual([String(message.payload), message.qos], [name, qos]);
      }
    },
  },
  {
    v5: ['3.8.4-8'],
    v4: ['3.8.4-6'],
    says: 'a delivery has the lower QoS of publish and subscription, live and retained',
    async run(clients, version) {
      for (const granted of [0, 1, 2]) {
        const base = clients.name(`lower/${granted}`);
        const live = await clients.subscribed(version, {}, `${base}/+`, granted);
        const publisher = await clients.clean(version);
        for (const qos of [0, 1, 2]) {
          const topic = `${base}/${qos}`;
          publisher.send(publish(version, { topic, qos, retain: true, packetIdentifier: 9 + qos }));
          if (qos > 0) await publisher.next();
          const message = await live.expect('publish');
          assert.deepEqual([message.topic, message.qos], [topic, Math.min(qos, granted)]);
          const late = await clients.subscribed(version, {}, topic, granted);
          assert.equal((await late.expect('publish')).qos, Math.min(qos, granted), 'retained');
        }
      }
    },
  },
  {
    v5: ['3.8.4-3'],
    v4: ['3.8.4-3'],
    says: 'the same filter again replaces the subscription: one copy, under the new terms',
    async run(clients, version) {
      const topic = clients.name('again');
      const probe = await clients.clean(version);
      for (const [qos, number] of [
        [2, 1],
        [0, 2],
        [1, 3],
      ] as const) {
        const list = properties(property(0x0b, Buffer.from([number])));
        probe.send(subscribe(version, [[topic, qos]], { properties: list }));
        assert.deepEqual((await probe.expect('suback')).granted, [qos]);
        await clients.send(topic, 2, `at ${qos}`);
        const message = await probe.expect('publish');
        assert.deepEqual([String(message.payload), message.qos], [`at ${qos}`, qos]);
        const told = message.properties?.subscriptionIdentifier;
        assert.equal(told, version === 5 ? number : undefined);
        if (qos === 2) {
          probe.send(ack('pubrec', message.messageId ?? 0));
          await probe.expect('pubrel');
          probe.send(ack('pubcomp', message.messageId ?? 0));
        }
        await isQuiet(probe);
      }
    },
  },
  {
    v5: ['3.8.4-4', '3.3.1-9'],
    v4: ['3.8.4-3', '3.3.1-6'],
    says: 'replacing sends retained messages again and loses no live one on the way',
    async run(clients, version) {
      const topic = clients.name('steady');
      const publisher = await clients.clean(version);
      publisher.send(
        publish(version, { topic, qos: 1, retain: true, payload: Buffer.from('kept') }),
      );
      await publisher.expect('puback');
      const probe = await clients.subscribed(version, {}, topic, 1);
      const count = 60;
      const live: number[] = [];
      let kept = 0;
      for (let i = 0; i < count; i++) {
        const payload = Buffer.from(String(i));
        publisher.send(publish(version, { topic, qos: 1, packetIdentifier: i + 1, payload }));
        if (i % 20 === 10) probe.send(subscribe(version, [[topic, 1]], { packetIdentifier: i }));
      }
      while (live.length < count || kept < 4) {
        const packet = await probe.next();
        if (packet.cmd !== 'publish') continue;
        probe.send(ack('puback', packet.messageId ?? 0));
        if (packet.retain) kept++;
        else live.push(Number(String(packet.payload)));
      }
      assert.deepEqual(
        live,
        Array.from({ length: count }, (_, i) => i),
      );
      assert.equal(kept, 4);
    },
  },
  {
    v5: ['3.8.3-3'],
    says: 'No Local keeps own messages away, on each gateway, and only on that subscription',
    async run(clients) {
      const base = clients.name('local');
      const probe = await clients.clean(5);
      probe.send(
        subscribe(5, [
          [`${base}/own`, 1 | NO_LOCAL],
          [`${base}/all`, 1],
        ]),
      );
      await probe.expect('suback');
      for (const qos of [0, 1, 2]) {
        probe.send(publish(5, { topic: `${base}/own`, qos, packetIdentifier: qos }));
        if (qos > 0) await probe.next();
      }
      await clients.send(`${base}/own`, 1, 'of another');
      assert.equal(String((await probe.expect('publish')).payload), 'of another');
      probe.send(publish(5, { topic: `${base}/all`, qos: 1, packetIdentifier: 3 }));
      const kinds = [(await probe.next()).cmd, (await probe.next()).cmd];
      assert.deepEqual(kinds.toSorted(), ['puback', 'publish']);
    },
  },
  {
    v5: ['3.10.4-1', '3.10.4-2', '3.11.3-1', '3.11.3-2'],
    v4: ['3.10.4-1', '3.10.4-2'],
    says: 'UNSUBSCRIBE removes what has the same letters, and nothing new comes for that',
    async run(clients, version) {
      const base = clients.name('off');
      const [exact, wild] = [`${base}/b`, `${base}/+`];
      const probe = await clients.clean(version);
      probe.send(
        subscribe(version, [
          [exact, 1],
          [wild, 1],
        ]),
      );
      await probe.expect('suback');
      probe.send(unsubscribe(version, [`${base}/B`, wild, `${base}/#`, `${base}/x#`]));
      const { granted } = await probe.expect('unsuback');
      if (version === 5) {
        assert.deepEqual(granted, [0x11, 0, 0x11, 0x8f]);
        assert.ok((granted as unknown[]).every((code) => UNSUBACK_CODES.includes(code)));
      }
      await clients.send(`${base}/c`, 1, 'not wanted');
      await clients.send(exact, 1, 'wanted');
      assert.equal(String((await probe.expect('publish')).payload), 'wanted');
      probe.send(unsubscribe(version, [exact]));
      await probe.expect('unsuback');
      await clients.send(exact, 1, 'over');
      await isQuiet(probe);
    },
  },
  {
    v5: ['3.10.4-6'],
    v4: ['3.10.4-6'],
    says: 'filters of one UNSUBSCRIBE all go, under one UNSUBACK',
    async run(clients, version) {
      const topics = ['a', 'b', 'c', 'd'].map((name) => clients.name(`gone/${name}`));
      const probe = await clients.clean(version);
      probe.send(
        subscribe(
          version,
          topics.map((topic) => [topic, 1] as const),
        ),
      );
      await probe.expect('suback');
      probe.send(unsubscribe(version, topics.slice(0, 3), { packetIdentifier: 3 }));
      assert.equal((await probe.expect('unsuback')).messageId, 3);
      for (const topic of topics) await clients.send(topic, 1, 'x');
      assert.equal((await probe.expect('publish')).topic, topics[3]);
      await isQuiet(probe);
    },
  },
  {
    v5: ['3.10.4-3'],
    v4: ['3.10.4-3'],
    says: 'deliveries that have begun are finished after UNSUBSCRIBE',
    async run(clients, version) {
      const topic = clients.name('begun');
      const probe = await clients.subscribed(version, {}, topic);
      await clients.send(topic, 2, 'x');
      const { messageId = 0 } = await probe.expect('publish');
      probe.send(unsubscribe(version, [topic]));
      await probe.expect('unsuback');
      probe.send(ack('pubrec', messageId));
      assert.equal((await probe.expect('pubrel')).messageId, messageId);
      probe.send(ack('pubcomp', messageId));
      await isQuiet(probe);
    },
  },
];
