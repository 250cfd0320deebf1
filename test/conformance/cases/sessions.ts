/**
 * Cases of stored sessions that any broker has to pass: one in a process, too, by statement.
 */
import assert from 'node:assert/strict';
import {
  ack,
  disconnect,
  PINGREQ,
  properties,
  property,
  publish,
  subscribe,
  u16,
  u32,
  unsubscribe,
} from '../../fixtures/mqtt-client-encoder.ts';
import { shown, stays } from '../clients.ts';
import type { StatementCase } from '../statement-case.ts';

export const SESSION_CASES: readonly StatementCase[] = [
  {
    v4: ['3.1.2-6', '3.1.4-3'],
    says: 'clean session 1 ends the session with its connection',
    async run(clients) {
      const topic = clients.name('once');
      const fields = stays('once', 4);
      (await clients.subscribed(4, fields, topic)).destroy();
      (await clients.open(4, { ...fields, cleanStart: true })).probe.destroy();
      const { probe, connack } = await clients.open(4, fields);
      assert.equal(connack.sessionPresent, false);
      probe.destroy();
    },
  },
  {
    v5: ['3.2.0-1'],
    says: 'CONNACK comes before PUBREL and PUBLISH of a resumed session',
    async run(clients) {
      const topic = clients.name('first');
      const fields = stays('first', 5);
      const first = await clients.subscribed(5, fields, topic);
      await clients.send(topic, 2, 'a', 'b');
      const { messageId = 0 } = await first.expect('publish');
      first.send(ack('pubrec', messageId));
      const kinds = [(await first.next()).cmd, (await first.next()).cmd];
      assert.deepEqual(kinds.toSorted(), ['publish', 'pubrel']);
      first.destroy();
      const { probe } = await clients.open(5, fields);
      assert.equal((await probe.expect('pubrel')).messageId, messageId);
      assert.equal((await probe.expect('publish')).dup, true);
      probe.destroy();
    },
  },
  {
    v5: ['4.4.0-2'],
    says: 'a negative acknowledgement ends a delivery for good',
    async run(clients) {
      const topic = clients.name('no');
      const fields = stays('no', 5);
      const refusal = Buffer.from([0x80]);
      const first = await clients.subscribed(5, fields, topic);
      await clients.send(topic, 1, 'one');
      await clients.send(topic, 2, 'two');
      first.send(ack('puback', (await first.expect('publish')).messageId ?? 0, refusal));
      first.send(ack('pubrec', (await first.expect('publish')).messageId ?? 0, refusal));
      await clients.nothing(first, topic);
      first.destroy();
      const { probe } = await clients.open(5, fields);
      await clients.nothing(probe, topic);
      probe.destroy();
    },
  },
  {
    v5: ['4.9.0-1'],
    says: 'what is sent again keeps to the new receive maximum',
    async run(clients) {
      const topic = clients.name('fewer');
      const first = await clients.subscribed(5, stays('fewer', 5), topic);
      await clients.send(topic, 1, 'a', 'b');
      await first.expect('publish');
      await first.expect('publish');
      first.destroy();
      const one = [property(0x21, u16(1))];
      const { probe } = await clients.open(5, stays('fewer', 5, one));
      for (const payload of ['a', 'b']) {
        const message = await probe.expect('publish');
        assert.deepEqual([String(message.payload), message.dup], [payload, true]);
        probe.send(PINGREQ);
        await probe.expect('pingresp');
        probe.send(ack('puback', message.messageId ?? 0));
      }
      probe.destroy();
    },
  },
  {
    v5: ['3.10.4-2'],
    says: 'UNSUBSCRIBE ends a stored subscription',
    async run(clients) {
      const topic = clients.name('off');
      const probe = await clients.subscribed(5, stays('off', 5), topic);
      probe.send(unsubscribe(5, [topic]), subscribe(5, [[clients.name('on'), 1]]));
      await probe.expect('unsuback');
      await probe.expect('suback');
      probe.destroy();
      await clients.send(topic, 1, 'nobody');
      const { probe: again, connack } = await clients.open(5, stays('off', 5));
      assert.equal(connack.sessionPresent, true);
      await clients.nothing(again, clients.name('on'));
      again.destroy();
    },
  },
  {
    v5: ['4.1.0-2'],
    says: 'a DISCONNECT with expiry 0 ends the session',
    async run(clients) {
      const topic = clients.name('brief');
      const fields = stays('brief', 5);
      const probe = await clients.subscribed(5, fields, topic);
      probe.send(disconnect(Buffer.from([0]), properties(property(0x11, u32(0)))));
      await probe.closed();
      const { connack, probe: again } = await clients.open(5, fields);
      assert.equal(connack.sessionPresent, false);
      again.destroy();
    },
  },
  {
    v5: ['3.1.2-5', '3.1.2-23', '3.2.2-3'],
    v4: ['3.1.2-4', '3.1.2-5', '3.2.2-2', '3.2.2-3', '4.1.0-1'],
    says: 'subscriptions and messages wait for a session',
    async run(clients, version) {
      const fields = stays(`waits-${version}`, version);
      const topic = clients.name(`waits/${version}`);
      const first = await clients.open(version, fields);
      assert.equal(first.connack.sessionPresent, false, '[MQTT-3.2.2-3]');
      first.probe.send(subscribe(version, [[topic, 1]]));
      await first.probe.expect('suback');
      first.probe.destroy();
      await clients.send(topic, 1, 'a', 'b');
      const second = await clients.open(version, fields);
      assert.equal(second.connack.sessionPresent, true, '[MQTT-3.2.2-2]');
      for (const payload of ['a', 'b']) {
        const message = await second.probe.expect('publish');
        assert.deepEqual([String(message.payload), message.dup], [payload, false]);
        second.probe.send(ack('puback', message.messageId ?? 0));
      }
      await clients.nothing(second.probe, topic);
      second.probe.destroy();
      const third = await clients.open(version, fields);
      await clients.nothing(third.probe, topic);
      third.probe.destroy();
    },
  },
  {
    v5: ['3.1.2-4', '3.1.4-4', '3.2.2-2'],
    v4: ['3.1.2-6', '3.2.2-1'],
    says: 'a clean start throws the session away',
    async run(clients, version) {
      const fields = stays(`anew-${version}`, version);
      const topic = clients.name(`anew/${version}`);
      (await clients.subscribed(version, fields, topic)).destroy();
      await clients.send(topic, 1, 'old');
      const { connack, probe } = await clients.open(version, { ...fields, cleanStart: true });
      assert.equal(connack.sessionPresent, false, '[MQTT-3.2.2-2]');
      probe.send(subscribe(version, [[topic, 1]]));
      await probe.expect('suback');
      await clients.nothing(probe, topic);
      probe.destroy();
    },
  },
  {
    v5: ['4.4.0-1', '3.3.1-1', '4.3.2-3', '4.6.0-1'],
    v4: ['4.4.0-1', '3.3.1-1', '4.3.2-1', '4.6.0-1', '2.3.1-4'],
    says: 'QoS 1 comes again with DUP under its identifier, in order',
    async run(clients, version) {
      const fields = stays(`again-${version}`, version);
      const topic = clients.name(`again/${version}`);
      const first = await clients.subscribed(version, fields, topic);
      await clients.send(topic, 1, 'a', 'b', 'c');
      const [a, b, c] = [
        await first.expect('publish'),
        await first.expect('publish'),
        await first.expect('publish'),
      ];
      first.send(ack('puback', a.messageId ?? 0), PINGREQ);
      await first.expect('pingresp');
      first.destroy();
      await clients.send(topic, 1, 'd');
      const { probe } = await clients.open(version, fields);
      assert.deepEqual(shown(await probe.expect('publish')), ['b', b.messageId, true]);
      assert.deepEqual(shown(await probe.expect('publish')), ['c', c.messageId, true]);
      const d = await probe.expect('publish');
      assert.deepEqual([String(d.payload), d.dup], ['d', false], '[MQTT-4.6.0-1] behind those');
      assert.ok(d.messageId !== b.messageId && d.messageId !== c.messageId, '[MQTT-2.2.1-4]');
      probe.destroy();
    },
  },
  {
    v5: ['4.3.3-3', '4.3.3-5', '4.3.3-6'],
    v4: ['4.3.3-1'],
    says: 'QoS 2 goes on where it stood, step by step',
    async run(clients, version) {
      const fields = stays(`steps-${version}`, version);
      const topic = clients.name(`steps/${version}`);
      const first = await clients.subscribed(version, fields, topic);
      await clients.send(topic, 2, 'x');
      const { messageId = 0 } = await first.expect('publish');
      first.destroy();
      const second = (await clients.open(version, fields)).probe;
      assert.deepEqual(shown(await second.expect('publish')), ['x', messageId, true]);
      second.send(ack('pubrec', messageId));
      assert.equal((await second.expect('pubrel')).messageId, messageId);
      second.destroy();
      const third = (await clients.open(version, fields)).probe;
      assert.equal((await third.expect('pubrel')).messageId, messageId, '[MQTT-4.3.3-5], -6');
      third.send(ack('pubcomp', messageId));
      await clients.nothing(third, topic);
      third.destroy();
      const { probe } = await clients.open(version, fields);
      await clients.nothing(probe, topic);
      probe.destroy();
    },
  },
  {
    v5: ['4.3.3-10'],
    v4: ['4.3.3-2'],
    says: 'a PUBLISH repeated on a new connection is taken once',
    async run(clients, version) {
      const fields = stays(`repeat-${version}`, version);
      const topic = clients.name(`repeat/${version}`);
      const watcher = await clients.clean();
      watcher.send(subscribe(5, [[topic, 1]]));
      await watcher.expect('suback');
      const message = { topic, qos: 2, packetIdentifier: 9 };
      const first = (await clients.open(version, fields)).probe;
      first.send(publish(version, { ...message, payload: Buffer.from('one') }));
      await first.expect('pubrec');
      first.destroy();
      const second = (await clients.open(version, fields)).probe;
      second.send(publish(version, { ...message, dup: true, payload: Buffer.from('one') }));
      await second.expect('pubrec');
      second.destroy();
      const third = (await clients.open(version, fields)).probe;
      third.send(ack('pubrel', 9));
      assert.equal((await third.expect('pubcomp')).reasonCode ?? 0, 0);
      third.send(publish(version, { ...message, payload: Buffer.from('two') }));
      await third.expect('pubrec');
      for (const payload of ['one', 'two']) {
        assert.equal(String((await watcher.expect('publish')).payload), payload);
      }
      await clients.nothing(watcher, topic);
      third.destroy();
      watcher.destroy();
    },
  },
];
