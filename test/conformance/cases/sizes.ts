/**
 * Cases of what does not fit or need not be said, by statement.
 */
import assert from 'node:assert/strict';
import {
  ack,
  disconnect,
  packet,
  PINGREQ,
  properties,
  property,
  publish,
  subscribe,
  u32,
  unsubscribe,
} from '../../fixtures/mqtt-client-encoder.ts';
import type { MqttProbe } from '../../fixtures/mqtt-probe.ts';
import { isQuiet } from '../clients.ts';
import type { StatementCase } from '../statement-case.ts';

/** Smallest of what CONNACK fits into. */
const SMALL_BYTES = 40;

/** Requests that are refused, and two that are answered with a failure. */
async function provoke(probe: MqttProbe): Promise<string[]> {
  probe.send(
    publish(5, { topic: '$SYS/forbidden', qos: 1, packetIdentifier: 1 }),
    publish(5, { topic: '$SYS/forbidden', qos: 2, packetIdentifier: 2 }),
    ack('pubrel', 3),
    ack('pubrec', 4),
    subscribe(5, [['$SYS/forbidden', 1]], { packetIdentifier: 5 }),
    unsubscribe(5, ['a#'], { packetIdentifier: 6 }),
  );
  const kinds: string[] = [];
  for (let i = 0; i < 6; i++) kinds.push((await probe.next()).cmd);
  return kinds;
}

export const SIZE_CASES: readonly StatementCase[] = [
  {
    v5: [
      ...['3.1.2-24', '3.4.2-2', '3.4.2-3', '3.5.2-2', '3.5.2-3', '3.6.2-2', '3.6.2-3', '3.7.2-2'],
      ...['3.7.2-3', '3.9.2-1', '3.9.2-2', '3.11.2-1', '3.11.2-2', '3.14.2-3', '3.14.2-4'],
    ],
    says: 'no answer is larger than a small client takes, whatever it has to say',
    async run(clients) {
      const list = properties(property(0x27, u32(SMALL_BYTES)));
      const probe = await clients.clean(5, { properties: list });
      const sizes: number[] = [];
      const sized = (chunk: Buffer): void => {
        for (let at = 0; at < chunk.length; at += 2 + (chunk[at + 1] as number)) {
          sizes.push(2 + (chunk[at + 1] as number));
        }
      };
      probe.socket.on('data', sized);
      await provoke(probe);
      probe.send(Buffer.from([0x36, 3, 0, 1, 97]));
      assert.equal((await probe.expect('disconnect')).reasonCode, 0x81);
      await probe.closed();
      assert.equal(sizes.length, 7);
      assert.ok(sizes.every((size) => size <= SMALL_BYTES));
    },
  },
  {
    v5: ['3.1.2-24', '3.1.2-25'],
    says: 'a message that is too large for a client is left out, and the next ones come',
    async run(clients) {
      const topic = clients.name('large');
      const list = properties(property(0x27, u32(200)));
      const probe = await clients.subscribed(5, { properties: list }, topic);
      for (const qos of [1, 2]) {
        await clients.send(topic, qos, 'x'.repeat(300), 'fits');
        const message = await probe.expect('publish');
        assert.equal(String(message.payload), 'fits');
        probe.send(ack(qos === 1 ? 'puback' : 'pubrec', message.messageId ?? 0));
      }
      assert.equal((await probe.expect('pubrel')).cmd, 'pubrel');
      await isQuiet(probe);
    },
  },
  {
    v5: ['3.1.2-29'],
    says: 'without problem information no answer has a reason string or user properties',
    async run(clients) {
      const list = properties(property(0x17, Buffer.from([0])));
      const probe = await clients.clean(5, { properties: list });
      probe.send(
        publish(5, { topic: '$SYS/forbidden', qos: 1, packetIdentifier: 1 }),
        publish(5, { topic: '$SYS/forbidden', qos: 2, packetIdentifier: 2 }),
        ack('pubrel', 3),
        subscribe(5, [['$SYS/forbidden', 1]], { packetIdentifier: 5 }),
        unsubscribe(5, ['a#'], { packetIdentifier: 6 }),
      );
      for (let i = 0; i < 5; i++) {
        const answer = await probe.next();
        const told = 'properties' in answer ? answer.properties : undefined;
        assert.deepEqual(told ?? {}, {});
      }
    },
  },
  {
    v5: ['3.14.2-2', '3.14.4-2', '3.14.4-1', '4.13.2-1', '4.13.1-1'],
    v4: ['4.8.0-1', '1.5.3-1'],
    says: 'an error ends its connection, with DISCONNECT as the last packet, and no other one',
    async run(clients, version) {
      const other = await clients.clean(version);
      const badPackets = [
        packet(0x82, Buffer.from([0, 1]), ...(version === 5 ? [Buffer.from([0])] : [])),
        publish(version, { topic: Buffer.from([0xc0, 0x80]) }),
        publish(version, { topic: 'a/+' }),
        subscribe(version, [['a', 3]]),
        Buffer.from([0x40, 0]),
        Buffer.from([0xc1, 0]),
        Buffer.from([0x00, 0]),
        Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0x7f]),
      ];
      for (const bad of badPackets) {
        const { probe } = await clients.open(version);
        probe.send(bad, PINGREQ);
        const last = await probe.closed();
        assert.deepEqual(
          last.map((p) => p.cmd),
          version === 5 ? ['disconnect'] : [],
        );
        if (last[0]?.cmd !== 'disconnect') continue;
        assert.ok((last[0].reasonCode ?? 0) >= 0x80);
        assert.equal(last[0].properties?.sessionExpiryInterval, undefined);
      }
      await isQuiet(other);
    },
  },
  {
    v5: ['3.14.4-1'],
    v4: ['3.14.4-2'],
    says: 'what stands behind DISCONNECT has no effect',
    async run(clients, version) {
      const topic = clients.name('behind');
      const watcher = await clients.subscribed(version, {}, topic);
      const probe = await clients.clean(version);
      probe.send(disconnect(), publish(version, { topic, qos: 1 }));
      assert.deepEqual(await probe.closed(), []);
      await clients.nothing(watcher, topic);
    },
  },
];
