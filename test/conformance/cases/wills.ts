/**
 * Cases of wills, by statement.
 */
import assert from 'node:assert/strict';
import {
  disconnect,
  properties,
  property,
  subscribe,
  u32,
} from '../../fixtures/mqtt-client-encoder.ts';
import { stays } from '../clients.ts';
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
];
