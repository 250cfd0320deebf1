/**
 * Cases of QoS 2 and of wills that a whole broker has to pass, by statement.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ack,
  disconnect,
  properties,
  property,
  publish,
  subscribe,
  u32,
} from '../fixtures/mqtt-client-encoder.ts';
import { stays } from './clients.ts';
import type { Clients } from './clients.ts';

export function qos2Cases(clients: Clients): void {
  for (const version of [4, 5] as const) {
    test(`[MQTT-4.3.3-8] ${version}: in: PUBREC, PUBCOMP, once; then the identifier is new`, async () => {
      const topic = `q2in/${version}`;
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
    });

    test(`[MQTT-4.3.3-4] ${version}: out: PUBLISH, PUBREL, once, clean and stored`, async () => {
      const topic = `q2out/${version}`;
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
    });
  }

  test('[MQTT-4.6.0-5] messages of one topic keep their order, whatever their QoS', async () => {
    const probe = await clients.subscribed(5, stays('order', 5), 'order');
    const publisher = await clients.clean();
    const count = 200;
    for (let i = 1; i <= count; i++) {
      const payload = Buffer.from(String(i));
      publisher.send(
        publish(5, { topic: 'order', qos: 1 + (i % 2), packetIdentifier: i, payload }),
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
  });
}

/** A will is published by whoever keeps it; `retain` is for brokers that keep such messages. */
export function willCases(clients: Clients): void {
  const says = (topic: string, text: string) => ({ topic, payload: Buffer.from(text), qos: 1 });

  test('[MQTT-3.1.2-8] a lost connection publishes the will, DISCONNECT 0x00 does not', async () => {
    const watcher = await clients.clean();
    watcher.send(subscribe(5, [['wills/#', 1]]));
    await watcher.expect('suback');
    const kept = await clients.clean(5, { will: says('wills/kept', 'never') });
    kept.send(disconnect());
    await kept.closed();
    const four = await clients.clean(4, { will: says('wills/four', 'never') });
    four.send(disconnect());
    await four.closed();
    const asked = await clients.clean(5, { will: says('wills/asked', 'asked') });
    asked.send(disconnect(Buffer.from([4])));
    const first = await watcher.expect('publish');
    assert.deepEqual([first.topic, String(first.payload)], ['wills/asked', 'asked']);
    (await clients.clean(4, { will: says('wills/lost', 'lost') })).destroy();
    assert.equal((await watcher.expect('publish')).topic, 'wills/lost', '[MQTT-3.1.2-10] once');
    await clients.nothing(watcher, 'wills/end');
    watcher.destroy();
  });

  test('[MQTT-3.1.3-9] a client that is back before the delay is over keeps its will back', async () => {
    const watcher = await clients.clean();
    watcher.send(subscribe(5, [['delayed', 1]]));
    await watcher.expect('suback');
    const delay = properties(property(0x18, u32(60)));
    const fields = {
      ...stays('delayed', 5),
      will: { ...says('delayed', 'no'), properties: delay },
    };
    (await clients.open(5, fields)).probe.destroy();
    const { probe, connack } = await clients.open(5, stays('delayed', 5));
    assert.equal(connack.sessionPresent, true);
    probe.send(disconnect(Buffer.from([4])));
    await probe.closed();
    await clients.nothing(watcher, 'delayed');
    watcher.destroy();
  });

  test('[MQTT-3.1.2-15] a will with RETAIN is kept for its topic', async () => {
    const will = { ...says('kept/will', 'gone'), retain: true };
    const watcher = await clients.clean();
    watcher.send(subscribe(5, [['kept/will', 1]]));
    await watcher.expect('suback');
    (await clients.clean(5, { will })).destroy();
    assert.equal((await watcher.expect('publish')).retain, false);
    watcher.destroy();
    const late = await clients.clean();
    late.send(subscribe(5, [['kept/will', 1]]));
    await late.expect('suback');
    const message = await late.expect('publish');
    assert.deepEqual([String(message.payload), message.retain], ['gone', true]);
    late.destroy();
  });
}
