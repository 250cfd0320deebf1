/**
 * Cases of topics and filters, by statement.
 */
import assert from 'node:assert/strict';
import { publish, subscribe } from '../../fixtures/mqtt-client-encoder.ts';
import type { Version } from '../../fixtures/mqtt-client-encoder.ts';
import { isQuiet } from '../clients.ts';
import type { Clients } from '../clients.ts';
import type { StatementCase } from '../statement-case.ts';

async function codes(
  clients: Clients,
  version: Version,
  filters: readonly string[],
): Promise<readonly number[]> {
  const probe = await clients.clean(version);
  probe.send(
    subscribe(
      version,
      filters.map((filter) => [filter, 1] as const),
    ),
  );
  return (await probe.expect('suback')).granted as number[];
}

export const TOPIC_CASES: readonly StatementCase[] = [
  {
    v5: ['4.7.1-1', '4.7.1-2', '4.7.0-1'],
    v4: ['4.7.1-2', '4.7.1-3', '3.8.3-2'],
    says: 'wildcards fill whole levels, and # is the last one; other filters are refused',
    async run(clients, version) {
      const base = clients.name('w');
      const good = [`${base}/+`, `${base}/#`, '+/a/b/#', `${base}/+/b`, '+', `/${base}/+`];
      const bad = ['a#', '#/a', 'a/#/b', 'a+', '+a/b', 'a/b+', 'a/+b', '##', '++', 'a/#/'];
      assert.ok((await codes(clients, version, good)).every((code) => code === 1));
      const refused = version === 5 ? 0x8f : 0x80;
      const got = await codes(clients, version, bad);
      assert.deepEqual(
        got,
        bad.map(() => refused),
      );
    },
  },
  {
    v5: ['1.5.4-3', '4.7.3-4'],
    v4: ['1.5.3-3', '4.7.3-4'],
    says: 'topics are compared and passed on as they are: case, forms, marks, spaces, slashes',
    async run(clients, version) {
      const base = clients.name('T');
      const forms = ['\u00e9', 'e\u0301', '\ufeffe', 'e', 'E', ' e', 'e/', '/e', 'e//'];
      const probes = [];
      for (const form of forms) {
        probes.push(await clients.subscribed(version, {}, `${base}${form}`, 0));
      }
      for (const form of forms) await clients.send(`${base}${form}`, 1, form);
      for (const [i, probe] of probes.entries()) {
        const message = await probe.expect('publish');
        assert.deepEqual(
          [message.topic, String(message.payload)],
          [`${base}${forms[i]}`, forms[i]],
        );
        await isQuiet(probe);
      }
    },
  },
  {
    v5: ['4.7.2-1'],
    v4: ['4.7.2-1'],
    says: 'nothing of a topic that begins with $ comes to wildcards in front',
    async run(clients, version) {
      const name = clients.name('d');
      const probe = await clients.subscribed(version, {}, `+/${name}/#`, 1);
      probe.send(subscribe(version, [['#', 1]]));
      await probe.expect('suback');
      await clients.send(`$d/${name}/x`, 1, 'hidden');
      await clients.send(`d/${name}/x`, 1, 'seen');
      // `#` brings what others publish meanwhile, too.
      for (let topic = ''; topic !== `d/${name}/x`;) {
        topic = (await probe.expect('publish')).topic;
        assert.ok(!topic.startsWith('$'), topic);
      }
    },
  },
  {
    v5: ['4.7.3-3'],
    v4: ['4.7.3-3'],
    says: 'the longest topics and filters are served or refused, and the broker goes on',
    async run(clients, version) {
      const longest = 'x'.repeat(65_535);
      const other = await clients.clean(version);
      const probe = await clients.clean(version);
      probe.send(subscribe(version, [[longest, 0]]));
      const answer = await probe.next();
      assert.ok(answer.cmd === 'suback' || answer.cmd === 'disconnect');
      const publisher = await clients.clean(version);
      publisher.send(publish(version, { topic: longest, qos: 1 }));
      const served = await publisher.next().catch(() => undefined);
      assert.ok(served === undefined || ['puback', 'disconnect'].includes(served.cmd));
      await isQuiet(other);
    },
  },
];
