/**
 * Cases of wills, by statement.
 */
import assert from 'node:assert/strict';
import {
  ack,
  disconnect,
  properties,
  property,
  subscribe,
  u32,
  userProperty,
} from '../../fixtures/mqtt-client-encoder.ts';
import { recordBytes, stays } from '../clients.ts';
import type { StatementCase } from '../statement-case.ts';

const says = (topic: string, text: string) => ({ topic, payload: Buffer.from(text), qos: 1 });

export const WILL_CASES: readonly StatementCase[] = [
  {
    v5: ['3.1.2-7', '3.1.2-8', '3.1.2-10', '3.14.4-3'],
    v4: ['3.1.2-8', '3.1.2-10', '3.14.4-3'],
    says: 'a lost connection publishes the will, DISCONNECT does not',
    async run(clients) {
      const watcher = await clients.clean();
      watcher.send(subscribe(5, [[clients.name('wills/#'), 1]]));
      await watcher.expect('suback');
      const kept = await clients.clean(5, { will: says(clients.name('wills/kept'), 'never') });
      kept.send(disconnect());
      await kept.closed();
      const four = await clients.clean(4, { will: says(clients.name('wills/four'), 'never') });
      four.send(disconnect());
      await four.closed();
      const asked = await clients.clean(5, { will: says(clients.name('wills/asked'), 'asked') });
      asked.send(disconnect(Buffer.from([4])));
      const first = await watcher.expect('publish');
      assert.deepEqual(
        [first.topic, String(first.payload)],
        [clients.name('wills/asked'), 'asked'],
      );
      (await clients.clean(4, { will: says(clients.name('wills/lost'), 'lost') })).destroy();
      assert.equal(
        (await watcher.expect('publish')).topic,
        clients.name('wills/lost'),
        '[MQTT-3.1.2-10] once',
      );
      await clients.nothing(watcher, clients.name('wills/end'));
      watcher.destroy();
    },
  },
  {
    v5: ['3.1.3-9'],
    says: 'a client that is back before the delay is over keeps its will back',
    async run(clients) {
      const topic = clients.name('no');
      const watcher = await clients.clean();
      watcher.send(subscribe(5, [['delayed', 1]]));
      await watcher.expect('suback');
      const delay = properties(property(0x18, u32(60)));
      const fields = {
        ...stays('delayed', 5),
        will: { ...says('delayed', topic), properties: delay },
      };
      (await clients.open(5, fields)).probe.destroy();
      const { probe, connack } = await clients.open(5, stays('delayed', 5));
      assert.equal(connack.sessionPresent, true);
      probe.send(disconnect(Buffer.from([4])));
      await probe.closed();
      await clients.nothing(watcher, 'delayed');
      watcher.destroy();
    },
  },
  {
    v5: ['3.1.2-15'],
    v4: ['3.1.2-17'],
    says: 'a will with RETAIN is kept for its topic',
    async run(clients) {
      const topic = clients.name('kept/will');
      const will = { ...says(topic, 'gone'), retain: true };
      const watcher = await clients.clean();
      watcher.send(subscribe(5, [[topic, 1]]));
      await watcher.expect('suback');
      (await clients.clean(5, { will })).destroy();
      assert.equal((await watcher.expect('publish')).retain, false);
      watcher.destroy();
      const late = await clients.clean();
      late.send(subscribe(5, [[topic, 1]]));
      await late.expect('suback');
      const message = await late.expect('publish');
      assert.deepEqual([String(message.payload), message.retain], ['gone', true]);
      late.destroy();
    },
  },
  {
    v5: ['3.1.2-14', '3.1.2-12'],
    v4: ['3.1.2-16', '3.1.2-14'],
    says: 'a will without RETAIN comes at its QoS, and to nobody who subscribes later',
    async run(clients, version) {
      for (const qos of [0, 1, 2]) {
        const topic = clients.name(`plain/${qos}`);
        const watcher = await clients.subscribed(version, {}, topic);
        (await clients.clean(version, { will: { ...says(topic, 'gone'), qos } })).destroy();
        const message = await watcher.expect('publish');
        assert.deepEqual([message.qos, message.retain], [qos, false]);
        await clients.nothing(await clients.subscribed(version, {}, topic), topic);
      }
    },
  },
  {
    v4: ['3.1.2-12'],
    v5: ['3.1.2-7'],
    says: 'without a will nothing is published when a connection breaks',
    async run(clients, version) {
      const topic = clients.name('none');
      const watcher = await clients.subscribed(version, {}, topic);
      const will = says(topic, 'late');
      (await clients.clean(version)).destroy();
      (await clients.clean(version, { will })).destroy();
      const message = await watcher.expect('publish');
      assert.equal(String(message.payload), 'late', 'only of the one that had a will');
      watcher.send(ack('puback', message.messageId ?? 0));
      await clients.nothing(watcher, topic);
    },
  },
  {
    v5: ['3.1.3-10'],
    says: 'user properties of a will arrive in their order',
    async run(clients) {
      const topic = clients.name('order');
      const watcher = await clients.subscribed(5, {}, topic);
      const received = recordBytes(watcher);
      const pairs = [userProperty('b', '1'), userProperty('a', '2'), userProperty('b', '')];
      const will = { ...says(topic, 'x'), properties: properties(...pairs) };
      (await clients.clean(5, { will })).destroy();
      await watcher.expect('publish');
      assert.ok(received().includes(Buffer.concat(pairs)));
    },
  },
  {
    v5: ['3.14.1-1'],
    v4: ['3.14.1-1'],
    says: 'a DISCONNECT with flags is malformed: the will is published',
    async run(clients, version) {
      const topic = clients.name('flags');
      const watcher = await clients.subscribed(version, {}, topic);
      const probe = await clients.clean(version, { will: says(topic, 'malformed') });
      probe.send(Buffer.from([0xe1, 0]));
      const last = await probe.closed();
      assert.equal(last.length, version === 5 ? 1 : 0);
      if (last[0]?.cmd === 'disconnect') assert.equal(last[0].reasonCode, 0x81);
      assert.equal(String((await watcher.expect('publish')).payload), 'malformed');
    },
  },
  {
    v5: ['3.1.2-8'],
    says: 'a will waits for its delay',
    async run(clients) {
      const topic = clients.name('delay');
      const watcher = await clients.subscribed(5, {}, topic);
      const list = properties(property(0x18, u32(1)));
      const will = { ...says(topic, 'delayed'), properties: list };
      (await clients.open(5, { ...stays('waits', 5), will })).probe.destroy();
      const before = performance.now();
      assert.equal(String((await watcher.expect('publish')).payload), 'delayed');
      assert.ok(performance.now() - before > 900);
    },
  },
];
