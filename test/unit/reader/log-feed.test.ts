import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Clock } from '#base';
import { MemoryCluster, SimClock } from '#bus';
import { logStream, logStreamConfig, positionAfterRecord, RecordBuilder } from '#log';
import { LogFeed } from '../../../lib/reader/log-feed.ts';
import { seededRandom } from '../../fixtures/seeded-random.ts';

/** A feed over a log partition in memory; `append` stores the next record. */
function bench(recordMs = 0) {
  const clock = new SimClock();
  let workMs = 0;
  const turns: number[] = [0];
  /** Time passes while a record is handled. */
  const working: Clock = {
    nowMs: () => clock.nowMs() + workMs,
    wallMs: () => clock.wallMs(),
    after: (delayMs, task) => clock.after(delayMs, task),
    cancel: (timer) => clock.cancel(timer),
    whenIdle: (task) =>
      clock.whenIdle(() => {
        turns.push(0);
        task();
      }),
  };
  const nats = new MemoryCluster(clock, seededRandom(1));
  nats.createStream(logStreamConfig(0, 1));
  const bus = nats.connect('reader');
  const read: number[] = [];
  const passed: number[] = [];
  const gaps: [wanted: number, first: number][] = [];
  let closings = 0;
  const state = { wanted: true, number: 0 };
  const feed = new LogFeed({
    bus,
    clock: working,
    partition: 0,
    recovered: { checkpoint: 0, decided: 0, skippedRecords: [] },
    numbers: { note: () => true } as never,
    exactlyOnce: { closeAll: () => closings++ } as never,
    skipped: {} as never,
    holds: () => true,
    onRecord: ({ sequence }) => {
      workMs += recordMs;
      read.push(sequence);
      turns.push((turns.pop() ?? 0) + 1);
    },
    onCopy: (sequence) => passed.push(sequence),
    onGap: (wanted, first) => gaps.push([wanted, first]),
    onUnreadable: () => assert.fail('every record is readable'),
    wanted: () => state.wanted,
  });
  const gateway = nats.connect('gateway');
  const append = (): void => {
    const payload = new RecordBuilder().take(++state.number, 0);
    gateway.append({ stream: logStream(0), subject: 'log.00.g.0', payload }, () => undefined);
  };
  const trim = (sequence: number): void => gateway.trim(logStream(0), sequence, () => undefined);
  const found = { read, passed, turns, gaps, closings: () => closings };
  return { clock, feed, reader: bus.control, state, append, trim, ...found };
}

describe('a feed whose records are not wanted', () => {
  it('reads nothing, passes over what is old, and goes on with what is not', () => {
    const { clock, feed, read, passed, state, append, gaps } = bench();
    feed.start();
    append();
    clock.run(500);
    assert.deepEqual(read, [1]);
    state.wanted = false;
    clock.run(1_500);
    for (let second = 2; second < 10; second++) {
      append();
      clock.run(second * 1_000);
    }
    assert.deepEqual(read, [1], 'nothing is read');
    const last = passed.at(-1) ?? 0;
    assert.ok(last >= 4 && last <= 7, `passed over up to ${last}, some seconds behind the log`);
    assert.equal(feed.decided, positionAfterRecord(last));
    state.wanted = true;
    clock.run(12_000);
    const rest = Array.from({ length: state.number - last }, (_, i) => last + 1 + i);
    assert.deepEqual(read.slice(1), rest, 'all that was not passed over, in order');
    append();
    clock.run(12_500);
    assert.equal(read.at(-1), state.number);
    assert.deepEqual(gaps, []);
    feed.close();
  });
});

describe('a feed whose records take long', () => {
  it('hands over a few in a turn of the loop, and all of them in order', () => {
    const { clock, feed, read, append, turns } = bench(5);
    for (let i = 0; i < 20; i++) append();
    clock.run(100);
    feed.start();
    clock.run(1_000);
    assert.deepEqual(
      read,
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
    assert.ok(Math.max(...turns) <= 2, `${Math.max(...turns)} records of 5 ms in one turn`);
    feed.close();
  });
});

describe('a feed that reads a log from its beginning', () => {
  it('knows no gap before the first record that is there', () => {
    const { clock, feed, read, append, trim, gaps, closings } = bench();
    for (let i = 0; i < 4; i++) append();
    clock.run(100);
    trim(3);
    clock.run(200);
    feed.start();
    clock.run(1_000);
    assert.deepEqual(read, [3, 4]);
    assert.deepEqual([gaps, closings()], [[], 0]);
    feed.close();
  });

  it('tells of records that were deleted before it had read them', () => {
    const { clock, feed, reader, read, append, trim, gaps, closings } = bench();
    feed.start();
    append();
    clock.run(500);
    reader.partition();
    for (let i = 0; i < 4; i++) append();
    clock.run(5_000);
    trim(4);
    clock.run(6_000);
    reader.heal();
    clock.run(15_000);
    assert.deepEqual(read, [1, 4, 5]);
    assert.deepEqual(gaps, [[2, 4]]);
    assert.equal(closings(), 1, 'a release may have been among them');
    feed.close();
  });
});
