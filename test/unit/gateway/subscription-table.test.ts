/**
 * The subscription table against a naive one: who gets a message, once, with which QoS and
 * identifiers; from which position on a filter counts.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { topicKey, topicMatchesFilter } from '#topics';
import type { StayReceiver } from '../../../services/gateway/filter-entry.ts';
import type { Subscription } from '../../../services/gateway/port.ts';
import { SubscriptionTable } from '../../../services/gateway/subscription-table.ts';
import { publishView } from '../../fixtures/publish-view.ts';
import { type Handed, RecordingClient, subscription } from './local-client.ts';

const FILTERS = ['a', 'a/+', 'a/#', '#', '+/b', 'a/b', 'ä/+', '$x/#', '+'];
const TOPICS = ['a', 'a/b', 'a/c', 'x/b', 'ä/b', '$x/y', 'b'];
const PARTITIONS = 2;

type Step =
  | { kind: 'add'; client: number; s: Subscription }
  | { kind: 'remove'; client: number; topicFilter: string }
  | { kind: 'gone'; client: number }
  | { kind: 'publish'; topic: string; publisher: number; qos: 0 | 1 };

const client = fc.constantFrom(1, 1, 1, 2, 3);
const topicFilter = fc.constantFrom(...FILTERS);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('add' as const),
    client,
    s: fc.record({
      topicFilter,
      qos: fc.constantFrom<(0 | 1)[]>(0, 1),
      noLocal: fc.boolean(),
      retainAsPublished: fc.boolean(),
      subscriptionIdentifier: fc.integer({ min: 0, max: 5 }),
    }) as fc.Arbitrary<Subscription>,
  }),
  fc.record({ kind: fc.constant('remove' as const), client, topicFilter }),
  fc.record({ kind: fc.constant('gone' as const), client }),
  fc.record({
    kind: fc.constant('publish' as const),
    topic: fc.constantFrom(...TOPICS),
    publisher: fc.constantFrom(0, 1, 1, 2, 3),
    qos: fc.constantFrom<(0 | 1)[]>(0, 1),
  }),
);

/** What a client with these subscriptions gets, as MQTT says. */
function expected(
  subscriptions: Iterable<Subscription>,
  topic: string,
  isOwn: boolean,
  qos: number,
): Omit<Handed, 'payload'> | undefined {
  const matching = [...subscriptions].filter(
    (s) => topicMatchesFilter(topic, s.topicFilter) && !(isOwn && s.noLocal),
  );
  if (matching.length === 0) return undefined;
  const granted = Math.max(...matching.map((s) => s.qos));
  const identifiers = matching.map((s) => s.subscriptionIdentifier).filter((id) => id > 0);
  return {
    qos: Math.min(qos, granted),
    identifiers: identifiers.toSorted((a, b) => a - b),
    retainAsPublished: matching.some((s) => s.retainAsPublished),
    retained: false,
  };
}

describe('SubscriptionTable', () => {
  it('hands each message once to whom a naive table would', () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 30, maxLength: 90 }),
        fc.boolean(),
        (steps, isPending) => {
          const table = new SubscriptionTable(PARTITIONS);
          const clients = [0, 1, 2, 3].map((number) => new RecordingClient(number));
          const model = clients.map(() => new Map<string, Subscription>());
          const told = new Set<string>();
          let version = 0;
          let number = 0;
          for (const one of steps) {
            if (one.kind === 'publish') {
              const { topic, publisher, qos } = one;
              const view = publishView({ topic, payload: `${++number}`, qos });
              view.publisherConnection = publisher;
              table.route(topicKey(topic)).deliver(view, 1, 50);
              for (const [i, c] of clients.entries()) {
                const want = expected(
                  model[i]?.values() ?? [],
                  topic,
                  i > 0 && i === publisher,
                  qos,
                );
                const got = c.handed.splice(0);
                assert.deepEqual(
                  got,
                  want === undefined ? [] : [{ payload: `${number}`, ...want }],
                );
              }
              continue;
            }
            const c = clients[one.client] as RecordingClient;
            const own = model[one.client] as Map<string, Subscription>;
            if (one.kind === 'add') {
              table.add(c, one.s, () => {
                assert.ok(!told.has(one.s.topicFilter));
                told.add(one.s.topicFilter);
                return ++version;
              });
              own.set(one.s.topicFilter, one.s);
              for (let p = 0; p < PARTITIONS; p++) table.effective(p, version, 40);
              if (!isPending) table.settle([{ done: 45 }, { done: 45 }]);
            } else if (one.kind === 'remove') {
              const existed = table.remove(c, one.topicFilter, (gone) => told.delete(gone));
              assert.equal(existed, own.delete(one.topicFilter));
            } else {
              table.removeClient(c, (gone) => told.delete(gone));
              own.clear();
            }
            const filters = new Set(model.flatMap((map) => [...map.keys()]));
            assert.deepEqual([...told].toSorted(), [...filters].toSorted());
            assert.equal(table.filterCount, filters.size);
            assert.equal(
              table.subscriptionCount,
              model.reduce((sum, map) => sum + map.size, 0),
            );
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('lets a filter count only above the position that each owner named', () => {
    const table = new SubscriptionTable(PARTITIONS);
    const old = new RecordingClient(1);
    const young = new RecordingClient(2);
    const publish = (partition: number, position: number): string => {
      const payload = `${partition}:${position}`;
      table.route('t').deliver(publishView({ topic: 't', payload }), partition, position);
      return payload;
    };
    const texts = (c: RecordingClient): string[] => c.handed.splice(0).map((h) => h.payload);
    table.add(old, subscription('t'), () => 1);
    table.effective(0, 1, 10);
    table.effective(1, 1, 20);
    table.settle([{ done: 10 }, { done: 20 }]);
    table.add(young, subscription('#'), () => 2);
    publish(0, 30);
    table.effective(0, 1, 35);
    publish(0, 36);
    assert.deepEqual(texts(young), [], 'an answer about an earlier version is none');
    table.effective(0, 2, 40);
    table.settle([{ done: 41 }, { done: 20 }]);
    publish(0, 40);
    publish(1, 30);
    const above = [publish(0, 41), publish(0, Number.MAX_VALUE)];
    assert.deepEqual(texts(young), above);
    table.effective(1, 2, 31);
    table.settle([{ done: 41 }, { done: 30 }]);
    publish(1, 31);
    assert.deepEqual(texts(young), []);
    table.settle([{ done: 41 }, { done: 31 }]);
    assert.deepEqual([publish(1, 32)], texts(young));
    assert.equal(texts(old).length, 8);
  });

  it('waits anew for a filter that was removed and taken again', () => {
    const table = new SubscriptionTable(1);
    const c = new RecordingClient(1);
    const versions = [1, 2];
    const add = (): void => {
      table.add(c, subscription('t'), () => versions.shift() ?? 0);
    };
    const deliver = (position: number): void => {
      table.route('t').deliver(publishView({ topic: 't', payload: `${position}` }), 0, position);
    };
    add();
    table.remove(c, 't', () => undefined);
    add();
    table.effective(0, 1, 5);
    deliver(6);
    assert.equal(c.handed.length, 0, 'version 1 was of the filter that is gone');
    table.effective(0, 2, 7);
    deliver(7);
    deliver(8);
    assert.deepEqual(
      c.handed.map(({ payload }) => payload),
      ['8'],
    );
  });

  it('offers QoS 1 of a stored session to its stay, from its own starts on', () => {
    const table = new SubscriptionTable(1);
    const client = new RecordingClient(1);
    const offered: string[] = [];
    const stay: StayReceiver = {
      offer: (_, position, view, qos) => void offered.push(`${position} ${view.qos}/${qos}`),
    };
    const publish = (position: number, qos: 0 | 1 = 1): void => {
      const view = publishView({ topic: 't', payload: `${position}`, qos });
      table.route('t').deliver(view, 0, position);
    };
    const restored = { ...subscription('t', { subscriptionIdentifier: 1 }), stay, starts: [20] };
    const entry = table.add(client, restored, () => 1, true);
    publish(20);
    publish(21);
    publish(22, 0);
    assert.deepEqual(
      offered.splice(0),
      ['21 1/1'],
      'X is what counts, not the answer to its filter',
    );
    assert.equal(client.handed.length, 0, 'QoS 0 waits for that answer');
    table.effective(0, 1, 10);
    table.settle([{ done: 15 }]);
    assert.ok(entry.pending, 'this gateway is not where the session was');
    table.settle([{ done: 20 }]);
    assert.ok(!entry.pending);
    publish(23, 0);
    assert.equal(client.handed.length, 1);
    // New on this connection: it counts from where its filter does.
    const subscribed = { ...subscription('#', { subscriptionIdentifier: 2 }), stay };
    const young = table.add(client, { ...subscribed, starts: [23], waits: true }, () => 2);
    const identifiers = (position: number): readonly number[] | undefined =>
      table.match(client, 't', 0, position)?.delivery.subscriptionIdentifiers;
    assert.deepEqual(identifiers(30), [1]);
    table.effective(0, 2, 40);
    assert.deepEqual([identifiers(20), identifiers(40), identifiers(41)], [undefined, [1], [1, 2]]);
    table.add(client, { ...subscribed, starts: [40] }, () => 3, true);
    assert.deepEqual([identifiers(40), identifiers(41), young.pending], [[1], [1, 2], true]);
    assert.equal(table.match(new RecordingClient(2), 't', 0, 50), undefined);
    publish(50);
    assert.deepEqual(offered, ['50 1/1'], 'once, however many match');
  });
});
