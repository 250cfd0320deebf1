import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { positionAfterRecord, positionOf, RECORD_HEADER_BYTES } from '#log';
import type { Position } from '#log';
import { PublishView } from '#mqtt';
import type { Delivery, Outcome } from '../../../services/router/delivery.ts';
import { WINDOW_COUNT_MAX } from '../../../services/router/router-partition.ts';
import { openEvent } from '../../../services/router/stored-event.ts';
import { payloadTextOf, topicTextOf } from '../../fixtures/publish-view.ts';
import { recordOf } from './logged-message.ts';
import { PartitionBench, subscription } from './partition-bench.ts';

const DELIVERED: Outcome = { kind: 'delivered' };
const FAILED: Outcome = { kind: 'failed', why: 'test', waitMsMin: 0 };

test('the checkpoint stays below what is under way and follows what is delivered', () => {
  const bench = new PartitionBench([
    subscription('a'),
    subscription('b', { topicFilters: ['x/+'] }),
  ]);
  bench.append(['x/1', 'y']);
  bench.read();
  assert.deepEqual(bench.positions(), [positionOf(1, 0), positionOf(1, 0), positionOf(1, 1)]);
  assert.equal(bench.partition.checkpoint(), positionOf(1, 0) - 1);
  const [first, second, third] = bench.sent.splice(0) as [Delivery, Delivery, Delivery];
  first.onOutcome(DELIVERED);
  third.onOutcome(DELIVERED);
  assert.equal(bench.partition.checkpoint(), positionOf(1, 0) - 1);
  second.onOutcome(DELIVERED);
  assert.equal(bench.partition.checkpoint(), positionAfterRecord(1));
  assert.equal(bench.counters.delivered, 3);
});

test('repeats and releases of QoS 2 are no events', () => {
  const bench = new PartitionBench([subscription('a')]);
  const key = { generation: 9, epoch: 1, packetIdentifier: 1 };
  const message = { topic: 'x', payload: 'p', key };
  const record = [message, { release: key }, { topic: 'y' }, message, { release: key }];
  bench.log.push(recordOf(record, bench.clock.wallMs()));
  bench.skipped.set(1, [3]);
  bench.read();
  assert.deepEqual(bench.positions(), [positionOf(1, 0), positionOf(1, 2)]);
  const view = new PublishView();
  const texts = bench.sent.map(({ event }) => {
    openEvent(event, view);
    return [topicTextOf(view), payloadTextOf(view)];
  });
  assert.deepEqual(texts, [
    ['x', 'p'],
    ['y', ''],
  ]);
  bench.answer(DELIVERED);
  assert.equal(bench.partition.checkpoint(), positionAfterRecord(1));
});

test('a damaged record is passed over by name, after what can be read of it', () => {
  const bench = new PartitionBench([subscription('a')]);
  bench.append(['x', 'y']);
  bench.append(['z']);
  const damaged = bench.log[0] as Buffer;
  const second = RECORD_HEADER_BYTES + 4 + damaged.readUInt32BE(RECORD_HEADER_BYTES);
  damaged.writeUInt32BE(damaged.length, second);
  bench.read();
  assert.deepEqual(bench.positions(), [positionOf(1, 0), positionOf(2, 0)]);
  bench.answer(DELIVERED);
  assert.equal(bench.partition.checkpoint(), positionAfterRecord(2));
  assert.equal(bench.counters.event_unreadable, 1);
});

test('a failed delivery is durable, lets the checkpoint pass, and comes back when due', () => {
  const bench = new PartitionBench([subscription('a')]);
  bench.append(['x']);
  bench.read();
  bench.answer(FAILED);
  assert.equal(bench.partition.checkpoint(), positionAfterRecord(1));
  assert.equal(bench.partition.deferredCount, 1);
  bench.run(990);
  assert.equal(bench.sent.length, 0);
  bench.run(20);
  assert.deepEqual(
    bench.sent.map(({ attempts }) => attempts),
    [1],
  );
  bench.answer(FAILED);
  bench.run(4_990);
  assert.equal(bench.sent.length, 0);
  bench.run(20);
  bench.answer(DELIVERED);
  assert.equal(bench.partition.deferredCount, 0);
  assert.deepEqual([bench.tables.count(1), bench.tables.count(2)], [0, 0]);
});

test('the deferred queue and its schedule survive a kill', () => {
  const bench = new PartitionBench([subscription('a'), subscription('b')]);
  bench.append(['x']);
  bench.read();
  bench.answer(FAILED);
  bench.commit();
  assert.equal(bench.tables.count(1), 1, 'the message is stored once for both');
  bench.crash();
  bench.read();
  assert.equal(bench.sent.length, 0, 'what is deferred is not sent again from the log');
  bench.run(1_010);
  assert.deepEqual(bench.sent.map((d) => [d.subscription.name, d.attempts]).sort(), [
    ['a', 1],
    ['b', 1],
  ]);
  bench.answer(DELIVERED);
  bench.commit();
  bench.crash();
  bench.read();
  bench.run(100_000);
  assert.equal(bench.sent.length, 0);
  assert.equal(bench.tables.count(1), 0);
});

test('what is deferred above the checkpoint is not taken from the log again', () => {
  const bench = new PartitionBench([subscription('a')]);
  bench.append(['x', 'y']);
  bench.read();
  bench.sent.pop()?.onOutcome(FAILED);
  bench.commit();
  assert.equal(bench.tables.durableCheckpoint, positionOf(1, 0) - 1);
  bench.crash();
  bench.read();
  assert.deepEqual(bench.positions(), [positionOf(1, 0)]);
  bench.run(1_010);
  assert.deepEqual(bench.positions(), [positionOf(1, 0), positionOf(1, 1)]);
});

test('a full window moves events to the deferred queue and takes them back', () => {
  const bench = new PartitionBench([subscription('slow'), subscription('fast')]);
  const fast: Position[] = [];
  bench.onSend = (delivery) => {
    if (delivery.subscription.name !== 'fast') return;
    fast.push(delivery.position);
    delivery.onOutcome(DELIVERED);
  };
  const count = WINDOW_COUNT_MAX * 3;
  for (let i = 0; i < count; i++) bench.append(['t']);
  bench.read();
  assert.equal(fast.length, count, 'the slow one holds nobody up');
  assert.equal(bench.partition.windowCount, WINDOW_COUNT_MAX);
  assert.equal(bench.partition.deferredCount, count - WINDOW_COUNT_MAX);
  const slow = new Set<Position>();
  for (let i = 0; i < 20; i++) {
    for (const d of bench.sent) if (d.subscription.name === 'slow') slow.add(d.position);
    bench.answer(DELIVERED);
    bench.run(10);
  }
  assert.equal(slow.size, count);
  assert.equal(bench.partition.deferredCount, 0);
  assert.equal(bench.partition.checkpoint(), positionAfterRecord(count));
});

test('attempts and age end an event by name', () => {
  const bench = new PartitionBench([
    subscription('few', { deliveryAttemptsMax: 2 }),
    subscription('short', { eventTtlSeconds: 60 }),
  ]);
  bench.onSend = (delivery) => bench.clock.after(1, () => delivery.onOutcome(FAILED));
  bench.append(['x']);
  bench.read();
  bench.run(120_000);
  assert.equal(bench.counters.event_attempts_exhausted, 2);
  assert.equal(bench.partition.deferredCount, 0);
  assert.equal(bench.partition.checkpoint(), positionAfterRecord(1));
});

test('a refused event is dropped by name at once', () => {
  const bench = new PartitionBench([subscription('a')]);
  bench.append(['x']);
  bench.read();
  bench.answer({ kind: 'refused', why: 'status 400' });
  assert.equal(bench.counters.event_refused, 1);
  assert.equal(bench.partition.checkpoint(), positionAfterRecord(1));
});

test('a full deferred queue drops new events by name', () => {
  const bench = new PartitionBench([subscription('a')], { countMax: 10 });
  bench.heldForMs = 60_000;
  for (let i = 0; i < 25; i++) bench.append(['t']);
  bench.read();
  assert.equal(bench.partition.deferredCount, 10);
  assert.equal(bench.counters.event_queue_full, 15);
});

test('while an endpoint is held nothing is sent or read back; afterwards all of it is', () => {
  const bench = new PartitionBench([subscription('a')]);
  bench.heldForMs = 30_000;
  for (let i = 0; i < 50; i++) bench.append(['t']);
  bench.read();
  bench.run(29_000);
  assert.equal(bench.sent.length, 0);
  bench.heldForMs = 0;
  bench.run(60_000);
  assert.equal(bench.sent.length, 50);
  bench.answer({ kind: 'held', waitMsMin: 5 });
  assert.equal(bench.partition.deferredCount, 50);
  bench.run(10);
  bench.answer(DELIVERED);
  assert.equal(bench.partition.deferredCount, 0);
});

test('what waits for a deleted event subscription is dropped by name', () => {
  const bench = new PartitionBench([subscription('a'), subscription('b')]);
  for (let i = 0; i < 1_200; i++) bench.append(['t']);
  bench.heldForMs = 1_000;
  bench.read();
  bench.commit();
  bench.subscriptions.replace([subscription('b')]);
  bench.partition.subscriptionsChanged();
  bench.run(0);
  assert.equal(bench.counters.event_subscription_deleted, 1_200);
  assert.equal(bench.partition.deferredCount, 1_200);
  bench.crash();
  assert.equal(bench.partition.deferredCount, 1_200, 'recovered and dropped again');
});

test('between standing still and going on nothing leaves and no outcome is lost', () => {
  const bench = new PartitionBench([subscription('a')]);
  bench.append(['x', 'y']);
  bench.read();
  const [first, second] = bench.sent.splice(0) as [Delivery, Delivery];
  bench.partition.standStill();
  assert.equal(second.maySend(), false);
  first.onOutcome(DELIVERED);
  second.onOutcome({ kind: 'held', waitMsMin: 0 });
  assert.equal(bench.tables.count(2), 0);
  assert.equal(bench.partition.checkpoint(), positionOf(1, 0) - 1);
  bench.partition.goOn();
  bench.run(10);
  assert.deepEqual(bench.positions(), [positionOf(1, 1)]);
  bench.answer(DELIVERED);
  assert.equal(bench.partition.checkpoint(), positionAfterRecord(1));
});

test('over any faults and kills every event is delivered, at most in vain attempts twice', () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('append' as const),
        n: fc.integer({ min: 1, max: 5 }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('read' as const), n: fc.integer({ min: 1, max: 3 }) }),
    },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('answer' as const), n: fc.nat(9) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('run' as const), n: fc.nat(6_000) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('commit' as const), n: fc.constant(0) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), n: fc.constant(0) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('still' as const), n: fc.nat(5) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
      const bench = new PartitionBench([
        subscription('a'),
        subscription('b', { topicFilters: ['t/1'] }),
      ]);
      const got = new Set<string>();
      const answer = (delivery: Delivery, outcome: Outcome) => {
        if (outcome.kind === 'delivered')
          got.add(`${delivery.subscription.name} ${delivery.position}`);
        delivery.onOutcome(outcome);
      };
      for (const { do: what, n } of steps) {
        if (what === 'append') bench.append(Array.from({ length: n }, (_, i) => `t/${i % 2}`));
        else if (what === 'read') bench.read(n);
        else if (what === 'run') bench.run(n);
        else if (what === 'commit') bench.commit();
        else if (what === 'crash') bench.crash();
        else if (what === 'still') {
          bench.partition.standStill();
          bench.run(n * 100);
          bench.partition.goOn();
        } else {
          const [delivery] = bench.sent.splice(n % Math.max(1, bench.sent.length), 1);
          if (delivery === undefined) continue;
          answer(
            delivery,
            [DELIVERED, FAILED, { kind: 'held', waitMsMin: 0 } as const][n % 3] as Outcome,
          );
        }
      }
      for (
        let i = 0;
        i < 200 && (i === 0 || bench.partition.deferredCount + bench.sent.length > 0);
        i++
      ) {
        bench.read();
        for (const delivery of bench.sent.splice(0)) answer(delivery, DELIVERED);
        bench.run(1_000);
      }
      const wanted = new Set<string>();
      bench.log.forEach((record, at) => {
        for (let i = 0; i < record.readUInt16BE(2); i++) {
          wanted.add(`a ${positionOf(at + 1, i)}`);
          if (i % 2 === 1) wanted.add(`b ${positionOf(at + 1, i)}`);
        }
      });
      assert.deepEqual(
        [...wanted].filter((event) => !got.has(event)),
        [],
      );
      assert.deepEqual(
        [...got].filter((event) => !wanted.has(event)),
        [],
      );
      const end = bench.log.length === 0 ? 0 : positionAfterRecord(bench.log.length);
      assert.equal(bench.partition.checkpoint(), end);
      assert.deepEqual([bench.tables.count(1), bench.tables.count(2)], [0, 0]);
    }),
    { numRuns: 300 },
  );
});
