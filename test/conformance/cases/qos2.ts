/**
 * Cases of QoS 2, by statement.
 */
import assert from 'node:assert/strict';
import { ack, publish, subscribe } from '../../fixtures/mqtt-client-encoder.ts';
import { stays } from '../clients.ts';
import type { StatementCase } from '../statement-case.ts';

export const QOS2_CASES: readonly StatementCase[] = [
  {
    v5: ['4.3.3-8', '4.3.3-10', '4.3.3-11', '4.3.3-12', '2.2.1-5'],
    v4: ['4.3.3-2', '2.3.1-6'],
    says: 'in: PUBREC, PUBCOMP, once; then the identifier is new',
    async run(clients, version) {
      const topic = clients.name(`q2in/${version}`);
      const watcher = await clients.clean();
      watcher.send(subscribe(5, [[topic, 1]]));
      await watcher.expect('suback');
      const probe = await clients.clean(version);
      for (const payload of ['one', 'two']) {
        const message = { topic, qos: 2, packetIdentifier: 7, payload: Buffer.from(payload) };
        probe.send(publish(version, message));
        assert.equal((await probe.expect('pubrec')).messageId, 7, '[MQTT-2.2.1-5]');
        probe.send(publish(version, { ...message, dup: true }));
        assert.equal((await probe.expect('pubrec')).messageId, 7, '[MQTT-4.3.3-10]');
        probe.send(ack('pubrel', 7));
        assert.equal((await probe.expect('pubcomp')).messageId, 7, '[MQTT-4.3.3-11]');
        assert.equal(String((await watcher.expect('publish')).payload), payload);
      }
      await clients.nothing(watcher, topic);
      probe.destroy();
      watcher.destroy();
    },
  },
  {
    v5: ['4.3.3-2', '4.3.3-4'],
    v4: ['4.3.3-1'],
    says: 'out: PUBLISH, PUBREL, once, clean and stored',
    async run(clients, version) {
      const topic = clients.name(`q2out/${version}`);
      for (const fields of [{ clientIdentifier: 'q2clean' }, stays(`q2-${version}`, version)]) {
        const probe = await clients.subscribed(version, fields, topic);
        await clients.send(topic, 2, 'x');
        const message = await probe.expect('publish');
        assert.deepEqual([message.qos, message.dup], [2, false], '[MQTT-4.3.3-2]');
        const { messageId = 0 } = message;
        probe.send(ack('pubrec', messageId));
        assert.equal((await probe.expect('pubrel')).messageId, messageId);
        probe.send(ack('pubcomp', messageId));
        await clients.nothing(probe, topic);
        probe.destroy();
      }
    },
  },
  {
    v5: ['4.6.0-5', '4.6.0-6', '4.6.0-4'],
    v4: ['4.6.0-5', '4.6.0-6', '4.6.0-4'],
    says: 'messages of one topic keep their order, whatever their QoS',
    async run(clients) {
      const topic = clients.name('order');
      const probe = await clients.subscribed(5, stays('order', 5), topic);
      const publisher = await clients.clean();
      const count = 200;
      for (let i = 1; i <= count; i++) {
        const payload = Buffer.from(String(i));
        publisher.send(
          publish(5, { topic: topic, qos: 1 + (i % 2), packetIdentifier: i, payload }),
        );
      }
      for (let seen = 0; seen < count;) {
        const packet = await probe.next();
        if (packet.cmd === 'pubrel') probe.send(ack('pubcomp', packet.messageId ?? 0));
        if (packet.cmd !== 'publish') continue;
        assert.equal(String(packet.payload), String(++seen));
        probe.send(ack(packet.qos === 2 ? 'pubrec' : 'puback', packet.messageId ?? 0));
      }
      publisher.destroy();
      probe.destroy();
    },
  },
];
