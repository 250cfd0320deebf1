/**
 * Cases of PUBLISH in both directions, by statement.
 */
import assert from 'node:assert/strict';
import {
  ack,
  connect,
  field,
  PINGREQ,
  properties,
  property,
  publish,
  subscribe,
  u16,
  u32,
  userProperty,
} from '../../fixtures/mqtt-client-encoder.ts';
import { isQuiet, recordBytes, stays } from '../clients.ts';
import type { StatementCase } from '../statement-case.ts';

export const PUBLISH_CASES: readonly StatementCase[] = [
  {
    v5: ['3.3.4-1', '4.3.2-4', '4.3.3-8', '2.2.1-5'],
    v4: ['3.3.4-1', '2.3.1-6', '2.2.2-1'],
    says: 'PUBLISH is answered by nothing, PUBACK or PUBREC with its identifier',
    async run(clients, version) {
      const probe = await clients.clean(version);
      const topic = clients.name('answers');
      probe.send(publish(version, { topic, qos: 0 }), PINGREQ);
      await probe.expect('pingresp');
      probe.send(publish(version, { topic, qos: 1, packetIdentifier: 65_535 }));
      assert.equal((await probe.expect('puback')).messageId, 65_535);
      probe.send(publish(version, { topic, qos: 2, packetIdentifier: 258 }));
      assert.equal((await probe.expect('pubrec')).messageId, 258);
      probe.send(ack('pubrel', 258));
      assert.equal((await probe.expect('pubcomp')).messageId, 258);
      await isQuiet(probe);
    },
  },
  {
    v5: ['2.2.1-2', '2.2.2-1', '3.3.1-2', '4.3.1-1'],
    v4: ['2.3.1-5', '3.3.1-2', '4.3.1-1', '2.2.2-1'],
    says: 'QoS 0 has no identifier and no DUP, and a length of properties only in MQTT 5',
    async run(clients, version) {
      const topic = clients.name('zero');
      const probe = await clients.subscribed(version, {}, topic, 1);
      const received = recordBytes(probe);
      await clients.send(topic, 1, 'first');
      const first = await probe.expect('publish');
      probe.send(ack('puback', first.messageId ?? 0), subscribe(version, [[topic, 0]]));
      await probe.expect('suback');
      await clients.send(topic, 1, 'at zero');
      await probe.expect('publish');
      const none = version === 5 ? Buffer.from([0]) : Buffer.alloc(0);
      const body = Buffer.concat([field(topic), none, Buffer.from('at zero')]);
      const sent = Buffer.concat([Buffer.from([0x30, body.length]), body]);
      assert.ok(received().includes(sent));
    },
  },
  {
    v5: ['3.3.1-3', '4.3.2-2', '4.3.3-2', '4.3.2-5'],
    v4: ['3.3.1-3', '4.3.2-1', '4.3.2-2', '4.3.3-1'],
    says: 'an identifier is new after its PUBACK; DUP of the publisher is not passed on',
    async run(clients, version) {
      const topic = clients.name('dup');
      const probe = await clients.subscribed(version, {}, topic);
      const publisher = await clients.clean(version);
      for (const payload of ['one', 'two']) {
        const message = { topic, qos: 1, packetIdentifier: 5, dup: true };
        publisher.send(publish(version, { ...message, payload: Buffer.from(payload) }));
        assert.equal((await publisher.expect('puback')).messageId, 5);
        const arrived = await probe.expect('publish');
        assert.deepEqual([String(arrived.payload), arrived.dup, arrived.qos], [payload, false, 1]);
      }
      publisher.send(publish(version, { topic, qos: 2, packetIdentifier: 6, dup: true }));
      const arrived = await probe.expect('publish');
      assert.deepEqual([arrived.dup, arrived.qos], [false, 2]);
    },
  },
  {
    v5: ['2.2.1-4', '4.3.2-1', '4.3.3-1', '4.4.0-1'],
    v4: ['2.3.1-4', '4.3.2-1', '4.3.3-1', '4.4.0-1'],
    says: 'open deliveries have identifiers of their own, and come again only at reconnect',
    async run(clients, version) {
      const topic = clients.name('open');
      const fields = stays('open', version);
      const first = await clients.subscribed(version, fields, topic);
      await clients.send(topic, 1, 'a', 'b', 'c');
      await clients.send(topic, 2, 'd', 'e', 'f');
      const sent: unknown[] = [];
      for (let i = 0; i < 6; i++) {
        const { payload, messageId = 0, qos } = await first.expect('publish');
        assert.ok(messageId > 0);
        sent.push([String(payload), messageId, qos]);
      }
      assert.equal(new Set(sent.map((each) => (each as unknown[])[1])).size, 6);
      await clients.silence(1);
      await isQuiet(first);
      first.destroy();
      const { probe } = await clients.open(version, fields);
      const again: unknown[] = [];
      for (let i = 0; i < 6; i++) {
        const { payload, messageId, qos, dup } = await probe.expect('publish');
        assert.equal(dup, true);
        again.push([String(payload), messageId, qos]);
      }
      assert.deepEqual(again, sent);
    },
  },
  {
    v5: ['3.3.2-3', '4.5.0-1'],
    v4: ['3.3.2-3', '4.5.0-1', '3.8.3-2'],
    says: 'every matching session gets a message, online or away, and no other one',
    async run(clients, version) {
      const base = clients.name('match');
      const topic = `${base}/x/y`;
      const matching = [topic, `${base}/+/y`, `${base}/x/+`, `${base}/#`, `${base}/x/y/#`];
      const others = [`${base}/x`, `${base}/+`, `${base}/X/y`, `${base}/x/y/+`, `/${base}/#`];
      const away = stays('away', version);
      (await clients.subscribed(version, away, `${base}/+/y`)).destroy();
      const probes = [];
      for (const filter of [...matching, ...others]) {
        probes.push(await clients.subscribed(version, {}, filter, 1));
      }
      await clients.send(topic, 1, 'hit');
      for (const [i, probe] of probes.entries()) {
        if (i < matching.length) assert.equal((await probe.expect('publish')).topic, topic);
        await isQuiet(probe);
      }
      const { probe } = await clients.open(version, away);
      assert.equal((await probe.expect('publish')).topic, topic);
    },
  },
  {
    v5: ['3.3.4-2', '3.3.4-3', '3.3.4-4'],
    v4: ['3.3.5-1'],
    says: 'overlapping filters bring one copy at the highest QoS, with all identifiers',
    async run(clients, version) {
      const base = clients.name('overlap');
      const topic = `${base}/t`;
      const probe = await clients.clean(version);
      const filters = [
        [`${base}/#`, 0],
        [topic, 2],
        [`${base}/+`, 1],
      ] as const;
      for (const [i, filter] of filters.entries()) {
        const identifier = properties(property(0x0b, Buffer.from([i + 1])));
        probe.send(subscribe(version, [filter], { properties: identifier }));
        await probe.expect('suback');
      }
      await clients.send(topic, 2, 'x');
      const message = await probe.expect('publish');
      assert.equal(message.qos, 2);
      if (version === 5) {
        const told = message.properties?.subscriptionIdentifier ?? [];
        assert.deepEqual([told].flat().toSorted(), [1, 2, 3]);
      }
      probe.send(ack('pubrec', message.messageId ?? 0));
      await probe.expect('pubrel');
      await isQuiet(probe);
    },
  },
  {
    v5: ['3.3.2-4', '3.3.2-15', '3.3.2-16', '3.3.2-17', '3.3.2-18', '3.3.2-20', '1.5.4-3'],
    says: 'properties arrive byte for byte and in order, live, queued and retained',
    async run(clients) {
      const topic = clients.name('\ufeffproperties');
      const pairs = [userProperty('b', '1'), userProperty('a', '\ufeff'), userProperty('b', '')];
      const others = [
        property(0x01, Buffer.from([1])),
        property(0x03, field('text/plain')),
        property(0x08, field('answer/\u{1f600}')),
        property(0x09, field(Buffer.from([0, 255, 0]))),
      ];
      const fields = stays('properties', 5);
      (await clients.subscribed(5, fields, topic)).destroy();
      const live = await clients.subscribed(5, {}, topic);
      const liveBytes = recordBytes(live);
      const publisher = await clients.clean(5);
      const list = properties(...pairs, ...others);
      publisher.send(publish(5, { topic, qos: 1, retain: true, properties: list }));
      await publisher.expect('puback');
      await live.expect('publish');
      const late = await clients.clean(5);
      const lateBytes = recordBytes(late);
      late.send(subscribe(5, [[topic, 1]]));
      await late.expect('suback');
      await late.expect('publish');
      const queued = await clients.socket(5, 'properties');
      const queuedBytes = recordBytes(queued);
      queued.send(connect(5, { ...fields, clientIdentifier: clients.name('properties') }));
      await queued.expect('connack');
      await queued.expect('publish');
      for (const bytes of [liveBytes(), lateBytes(), queuedBytes()]) {
        assert.ok(bytes.includes(Buffer.concat(pairs)));
        for (const each of others) assert.ok(bytes.includes(each));
        assert.ok(bytes.includes(field(topic)));
      }
    },
  },
  {
    v5: ['3.3.2-5', '3.3.2-6'],
    says: 'the expiry interval counts down in the queue, and what it ends is not delivered',
    async run(clients) {
      const topic = clients.name('expiry');
      const fields = stays('expiry', 5);
      (await clients.subscribed(5, fields, topic)).destroy();
      const publisher = await clients.clean(5);
      for (const [i, seconds] of [60, 1, 4_000_000].entries()) {
        const list = properties(property(0x02, u32(seconds)));
        const payload = Buffer.from(String(seconds));
        const message = { topic, qos: 1, packetIdentifier: i + 1, payload, properties: list };
        publisher.send(publish(5, message));
        await publisher.expect('puback');
      }
      const live = await clients.subscribed(5, {}, `${topic}/live`);
      const list = properties(property(0x02, u32(7)));
      publisher.send(publish(5, { topic: `${topic}/live`, qos: 1, properties: list }));
      const told = (await live.expect('publish')).properties?.messageExpiryInterval ?? 0;
      assert.ok(told >= 6 && told <= 7, `${told} s at once`);
      await clients.silence(2);
      const { probe } = await clients.open(5, fields);
      const rest = [await probe.expect('publish'), await probe.expect('publish')];
      assert.deepEqual(
        rest.map((message) => String(message.payload)),
        ['60', '4000000'],
      );
      const left = rest.map((message) => message.properties?.messageExpiryInterval ?? 0);
      assert.ok((left[0] ?? 0) <= 58 && (left[0] ?? 0) >= 50, `${left[0]} s`);
      assert.ok((left[1] ?? 0) <= 3_999_998 && (left[1] ?? 0) >= 3_999_990, `${left[1]} s`);
    },
  },
  {
    v5: ['4.3.3-7', '4.3.3-13'],
    says: 'a QoS 2 delivery that has begun is finished, though its message expires',
    async run(clients) {
      const topic = clients.name('begun');
      const probe = await clients.subscribed(5, {}, topic);
      const publisher = await clients.clean(5);
      const list = properties(property(0x02, u32(1)));
      publisher.send(publish(5, { topic, qos: 2, packetIdentifier: 3, properties: list }));
      await publisher.expect('pubrec');
      const { messageId = 0 } = await probe.expect('publish');
      await clients.silence(2);
      probe.send(ack('pubrec', messageId));
      assert.equal((await probe.expect('pubrel')).messageId, messageId);
      publisher.send(ack('pubrel', 3));
      assert.equal((await publisher.expect('pubcomp')).reasonCode ?? 0, 0);
    },
  },
  {
    v5: ['3.3.4-9', '3.3.4-10', '4.9.0-1', '4.9.0-2', '4.9.0-3'],
    says: 'deliveries stay within the receive maximum, and nothing else waits for them',
    async run(clients) {
      const topic = clients.name('quota');
      const list = properties(property(0x21, u16(2)));
      const probe = await clients.subscribed(5, { properties: list }, topic);
      await clients.send(topic, 1, 'a', 'b', 'c', 'd');
      const [a, b] = [await probe.expect('publish'), await probe.expect('publish')];
      probe.send(PINGREQ);
      await probe.expect('pingresp');
      probe.send(subscribe(5, [[clients.name('more'), 1]]));
      await probe.expect('suback');
      probe.send(publish(5, { topic: clients.name('else'), qos: 1, packetIdentifier: 9 }));
      await probe.expect('puback');
      probe.send(ack('puback', a.messageId ?? 0));
      assert.equal(String((await probe.expect('publish')).payload), 'c');
      await isQuiet(probe);
      probe.send(ack('puback', b.messageId ?? 0));
      assert.equal(String((await probe.expect('publish')).payload), 'd');
    },
  },
  {
    v5: ['3.1.2-26', '3.1.2-27', '3.3.2-8', '3.3.2-11'],
    says: "aliases of the server are within the client's maximum, and stand for their topics",
    async run(clients) {
      for (const maximum of [0, 2]) {
        const base = clients.name(`alias/${maximum}`);
        const list = maximum === 0 ? properties() : properties(property(0x22, u16(maximum)));
        const probe = await clients.subscribed(5, { properties: list }, `${base}/#`, 0);
        const topics = new Map<number, string>();
        const publisher = await clients.clean(5);
        for (const name of ['a', 'a', 'b', 'c', 'a', 'c', 'b', 'd', 'd', 'a']) {
          const topic = `${base}/${name}`;
          publisher.send(publish(5, { topic, qos: 1 }));
          await publisher.expect('puback');
          const message = await probe.expect('publish');
          const alias = message.properties?.topicAlias;
          if (alias !== undefined) {
            assert.ok(alias >= 1 && alias <= maximum);
            if (message.topic !== '') topics.set(alias, message.topic);
          }
          const meant = message.topic === '' ? topics.get(alias ?? 0) : message.topic;
          assert.equal(meant, topic);
        }
      }
    },
  },
  {
    v5: ['3.3.2-7', '3.3.2-12'],
    says: 'an alias counts on its connection, up to the maximum, and not on the next one',
    async run(clients) {
      const topic = clients.name('alias');
      const watcher = await clients.subscribed(5, {}, `${topic}/#`, 0);
      const { probe, connack } = await clients.open(5, stays('alias', 5));
      const maximum = connack.properties?.topicAliasMaximum ?? 0;
      assert.ok(maximum > 1);
      const alias = (number: number): Buffer => properties(property(0x23, u16(number)));
      for (const [number, name] of [
        [1, 'one'],
        [maximum, 'last'],
        [1, 'anew'],
      ] as const) {
        const named = `${topic}/${name}`;
        for (const text of [named, '']) {
          probe.send(publish(5, { topic: text, qos: 1, properties: alias(number) }));
          await probe.expect('puback');
          assert.equal((await watcher.expect('publish')).topic, named);
        }
      }
      probe.destroy();
      const again = (await clients.open(5, stays('alias', 5))).probe;
      again.send(publish(5, { topic: '', properties: alias(1) }));
      assert.equal((await again.expect('disconnect')).reasonCode, 0x82);
      await again.closed();
    },
  },
  {
    v5: ['4.6.0-2', '4.6.0-3'],
    v4: ['4.6.0-2', '4.6.0-3'],
    says: 'PUBACKs and PUBRECs leave in the order of the PUBLISHes, over all partitions',
    async run(clients, version) {
      const probe = await clients.clean(version);
      const count = 60;
      const packets: Buffer[] = [];
      for (let i = 1; i <= count; i++) {
        const topic = clients.name(`t/${i % 7}`);
        packets.push(publish(version, { topic, qos: 1 + (i % 2), packetIdentifier: i }));
      }
      probe.send(...packets);
      for (let i = 1; i <= count; i++) {
        const answer = await probe.next();
        assert.equal(answer.cmd, i % 2 === 0 ? 'puback' : 'pubrec');
        assert.equal(answer.messageId, i);
      }
    },
  },
  {
    v4: ['3.3.5-2'],
    v5: ['3.4.2-1', '3.5.2-1'],
    says: 'a PUBLISH without permission reaches nobody and is refused by a code of the table',
    async run(clients, version) {
      const watcher = await clients.clean(version);
      watcher.send(subscribe(version, [['$SYS/forbidden', 1]]));
      assert.ok(((await watcher.expect('suback')).granted[0] as number) >= 0x80);
      const probe = await clients.clean(version);
      probe.send(publish(version, { topic: '$SYS/forbidden', qos: 1, packetIdentifier: 4 }));
      if (version === 4) return assert.deepEqual(await probe.closed(), []);
      assert.equal((await probe.expect('puback')).reasonCode, 0x87);
      probe.send(publish(version, { topic: '$SYS/forbidden', qos: 2, packetIdentifier: 4 }));
      assert.equal((await probe.expect('pubrec')).reasonCode, 0x87);
      await isQuiet(watcher);
    },
  },
];
