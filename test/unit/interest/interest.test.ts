/**
 * Interest: a follower at version v knows exactly the filters that the gateway had told as v, over
 * lost messages, deltas too large for a message, and answers of which parts are lost.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type MemoryBus, MemoryCluster, SimClock } from '#bus';
import { CHUNK_BYTES_MAX, encodeMessage, interestAskSubject, interestSubject } from '#frames';
import { InterestPublisher, InterestTable } from '#interest';
import { seededRandom } from '../../fixtures/seeded-random.ts';

interface World {
  readonly clock: SimClock;
  readonly cluster: MemoryCluster;
  readonly gatewayBus: MemoryBus;
  readonly publisher: InterestPublisher;
  readonly table: InterestTable;
  /** What the listener was told: the filters of g1 as it counts them. */
  readonly known: Set<string>;
  /** Versions told, in order. */
  readonly versions: number[];
}

function makeWorld(seed: number): World {
  const clock = new SimClock();
  const cluster = new MemoryCluster(clock, seededRandom(seed));
  const gatewayBus = cluster.connect('gateway');
  const follower = cluster.connect('follower');
  const known = new Set<string>();
  const versions: number[] = [];
  const publisher = new InterestPublisher(gatewayBus, gatewayBus.control.clock, 'g1');
  const table = new InterestTable(follower, follower.control.clock, {
    onInterest: (_incarnation, add, remove, version) => {
      for (const f of remove) assert.ok(known.delete(f), `${f} was not known`);
      for (const f of add) {
        assert.ok(!known.has(f), `${f} was known`);
        known.add(f);
      }
      assert.ok(version > (versions.at(-1) ?? -1));
      versions.push(version);
    },
  });
  clock.run(5);
  return { clock, cluster, gatewayBus, publisher, table, known, versions };
}

function lose(cluster: MemoryCluster, probability: number): void {
  cluster.faults.coreLoss = [{ subjectPrefix: '', probability }];
}

describe('InterestPublisher and InterestTable', () => {
  it('agree at each version that the follower names, whatever is lost', () => {
    const change = fc.tuple(fc.boolean(), fc.nat(12), fc.nat(3));
    fc.assert(
      fc.property(fc.integer(), fc.array(change, { maxLength: 80 }), (seed, changes) => {
        const { clock, cluster, gatewayBus, publisher, table, known } = makeWorld(seed);
        const random = seededRandom(seed + 1);
        const counts = new Map<string, number>();
        /** Filters at each version, noted when it is told. */
        const at = new Map<number, readonly string[]>([[0, []]]);
        table.track('g1');
        lose(cluster, 0.3);
        const check = (): void => {
          const version = table.version('g1');
          if (version < 0) return assert.equal(known.size, 0);
          assert.deepEqual([...known].toSorted(), at.get(version), `version ${version}`);
        };
        for (const [adds, number, turns] of changes) {
          const topicFilter = `f/${number}`;
          const count = counts.get(topicFilter) ?? 0;
          if (adds) {
            const told = publisher.add(topicFilter);
            assert.ok(told === 0 ? count > 0 : told === publisher.version + 1);
          } else publisher.remove(topicFilter);
          counts.set(topicFilter, Math.max(0, count + (adds ? 1 : -1)));
          const before = publisher.version;
          const filters = [...counts].filter(([, c]) => c > 0).map(([f]) => f);
          at.set(before + 1, filters.toSorted());
          for (let i = 0; i < turns; i++) {
            clock.run(clock.nowMs() + 0.5 + random() * 20);
            check();
          }
          if (random() < 0.1) gatewayBus.control.disconnect();
          if (random() < 0.2) table.tick();
        }
        lose(cluster, 0);
        const incarnation = 'g1';
        for (let i = 0; i < 20; i++) {
          clock.run(clock.nowMs() + 500);
          table.require(incarnation, publisher.version);
          table.tick();
        }
        assert.equal(table.version('g1'), publisher.version);
        check();
      }),
      { numRuns: 100 },
    );
  });

  it('bring over more than fits one message, in a delta and in an answer', () => {
    const { clock, publisher, table, known } = makeWorld(1);
    table.track('g1');
    clock.run(20);
    assert.equal(table.version('g1'), 0);
    const filters = Array.from({ length: 3_000 }, (_, i) => `${'x'.repeat(300)}/${i}`);
    for (const f of filters) publisher.add(f);
    assert.ok(filters.join('').length > 3 * CHUNK_BYTES_MAX);
    clock.run(1_000);
    table.tick();
    clock.run(1_100);
    assert.equal(table.version('g1'), 1);
    assert.deepEqual(known, new Set(filters));
  });

  it('do not take the notice of a large delta for knowledge', () => {
    const { clock, cluster, publisher, table, known } = makeWorld(2);
    cluster.faults.coreLoss = [{ subjectPrefix: 'ask.', probability: 1 }];
    table.track('g1');
    for (let i = 0; i < 3_000; i++) publisher.add(`${'x'.repeat(300)}/${i}`);
    clock.run(100);
    assert.equal(table.version('g1'), -1, 'nothing is known yet');
    lose(cluster, 0);
    clock.run(1_000);
    table.tick();
    clock.run(1_100);
    assert.deepEqual([table.version('g1'), known.size], [1, 3_000]);
  });

  it('do not mix the parts of two answers', () => {
    const { clock, cluster, table, known } = makeWorld(3);
    const gateway = cluster.connect('by hand');
    const asks: { ask: number; reply: string }[] = [];
    gateway.subscribe(interestAskSubject('g2'), ({ payload, reply = '' }) => {
      asks.push({ ask: JSON.parse(payload.toString('utf8', 1)).ask, reply });
    });
    clock.run(10);
    const answer = (index: number, part: number, filters: readonly string[]): void => {
      const { ask, reply } = asks[index] ?? { ask: -1, reply: '' };
      const whole = { inc: 'g2', ask, version: 4, part, parts: 2, filters };
      gateway.publish(reply, encodeMessage(whole));
    };
    table.track('g2');
    clock.run(20);
    answer(0, 0, ['a', 'b', 'c']);
    clock.run(1_000);
    table.tick();
    clock.run(1_010);
    assert.equal(asks.length, 2);
    // The second answer cuts after b, the first one, whose end comes late, after c.
    answer(0, 1, ['d']);
    answer(1, 0, ['a', 'b']);
    clock.run(1_020);
    assert.equal(table.version('g2'), -1, 'c would be missing');
    answer(1, 1, ['c', 'd']);
    clock.run(1_030);
    assert.deepEqual([...known].toSorted(), ['a', 'b', 'c', 'd']);
  });

  it('do not begin anew while an answer is under way', () => {
    const { clock, cluster, table } = makeWorld(4);
    const gateway = cluster.connect('by hand');
    const asks: { ask: number; reply: string }[] = [];
    gateway.subscribe(interestAskSubject('g2'), ({ payload, reply = '' }) => {
      asks.push({ ask: JSON.parse(payload.toString('utf8', 1)).ask, reply });
    });
    clock.run(10);
    table.track('g2');
    clock.run(20);
    for (let part = 0; part < 5; part++) {
      const { ask, reply } = asks[0] ?? { ask: -1, reply: '' };
      const whole = { inc: 'g2', ask, version: 4, part, parts: 5, filters: [`${part}`] };
      gateway.publish(reply, encodeMessage(whole));
      clock.run(clock.nowMs() + 400);
      table.tick();
    }
    assert.deepEqual([table.version('g2'), asks.length], [4, 1]);
  });

  it('end with the gateway: its filters are reported as removed', () => {
    const world = makeWorld(5);
    const { clock, publisher, table, known, gatewayBus } = world;
    table.track('g1');
    publisher.add('a');
    clock.run(20);
    assert.deepEqual(known, new Set(['a']));
    gatewayBus.publish(interestSubject('g1'), Buffer.from('rubbish'));
    clock.run(30);
    assert.equal(table.damaged, 1);
    const { versions } = world;
    versions.length = 0;
    table.forget('g1');
    assert.deepEqual([known.size, table.version('g1')], [0, -1]);
  });
});
