/**
 * Exactly once in: however PUBLISHes hang, come again and are released, and however owners change,
 * each QoS 2 message has one position at which it is dispatched.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { logStream, type Position, positionAfterRecord, positionOf, RecordBuilder } from '#log';
import { KEYS_KEEP_MS } from '../../../lib/reader/exactly-once.ts';
import { FORGET_MS } from '../../../lib/reader/writer-numbers.ts';
import { ExactlyOnceBench, type Faults } from './exactly-once-bench.ts';
import { addEntry } from './qos2-session.ts';

const HOUR_MS = 3_600_000;

/** Protocol 25, "A's stuck copy lands after the release". */
function stuckCopy(faults: Faults = {}): readonly number[] {
  const bench = new ExactlyOnceBench(1, faults);
  const { session } = bench;
  bench.sticks = true;
  session.publish();
  bench.sticks = false;
  session.reconnect();
  bench.seal();
  session.hear();
  bench.seal();
  session.hear();
  assert.deepEqual([session.open, bench.stuck.length], [[], 1]);
  bench.land();
  bench.seal();
  return bench.dispatches.counts(session);
}

/** Protocol 25, "ck 90, PUBLISH 95 (epoch 5), entry 100 (epoch 7), O1 dies: O2 skips 95". */
function higherEpochBehind(faults: Faults = {}): readonly number[] {
  const bench = new ExactlyOnceBench(1, faults);
  const { session } = bench;
  const checkpoint = positionAfterRecord(bench.seal());
  session.publish();
  bench.seal();
  session.hear();
  session.reconnect();
  bench.seal();
  bench.commit(checkpoint);
  // O1's frames are lost with it: only what O2 dispatches counts.
  bench.dispatches.positions.clear();
  bench.crash();
  return bench.dispatches.counts(session);
}

/** Protocol 25, "or key released at 105, its repeat at 100 dispatched". */
function releasedBehind(faults: Faults = {}): readonly number[] {
  const bench = new ExactlyOnceBench(1, faults);
  const { session } = bench;
  const checkpoint = positionAfterRecord(bench.seal());
  session.publish();
  bench.seal();
  session.reconnect();
  bench.seal();
  session.hear();
  bench.seal();
  bench.commit(checkpoint);
  bench.crash();
  return bench.dispatches.counts(session);
}

describe('histories of protocol 25', () => {
  it('a stuck copy that lands after the release is no second message', () => {
    assert.deepEqual(stuckCopy(), [1]);
    assert.deepEqual(stuckCopy({ noEpoch: true }), [2], 'caught without the rule');
  });

  it('a message is not lost because a later connection was seen before the owner changed', () => {
    assert.deepEqual(higherEpochBehind(), [1]);
    assert.deepEqual(higherEpochBehind({ decideAgain: true }), [0], 'caught without the rule');
  });

  it('a repeat stays one when its key was released before the owner changed', () => {
    assert.deepEqual(releasedBehind(), [1]);
    assert.deepEqual(releasedBehind({ decideAgain: true }), [2], 'caught without the rule');
  });
});

const step = fc.record({
  what: fc.constantFrom(
    ...(['publish', 'publish', 'stick', 'unstick', 'land', 'reconnect', 'hear', 'hear'] as const),
    ...(['seal', 'seal', 'seal', 'settle', 'commit', 'commit', 'crash'] as const),
  ),
  /** Which session, stuck entry, or how far back the checkpoint. */
  pick: fc.nat(11),
});

function takeStep(bench: ExactlyOnceBench, { what, pick }: { what: string; pick: number }): void {
  const session = bench.sessions[pick % bench.sessions.length];
  if (session === undefined) return;
  switch (what) {
    case 'publish':
      return session.publish();
    case 'stick':
      bench.sticks = true;
      return;
    case 'unstick':
      bench.sticks = false;
      return;
    case 'land':
      return bench.land(pick % Math.max(1, bench.stuck.length));
    case 'reconnect':
      return session.reconnect();
    case 'hear':
      return session.hear();
    case 'seal':
      bench.seal();
      return;
    case 'settle':
      return bench.settle();
    case 'commit': {
      // Often within a record, or where it was.
      const last = bench.owner.feed.lastSequence;
      const at = Math.max(0, last - (pick >> 1));
      return bench.commit(pick % 2 === 0 ? positionAfterRecord(at) : positionOf(at, 0));
    }
    default:
      bench.crash();
  }
}

describe('exactly once', () => {
  it('holds over any order of publishes, stuck copies, repeats, releases and owners', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 80, size: 'max' }), (steps) => {
        const bench = new ExactlyOnceBench(2);
        for (const one of steps) takeStep(bench, one);
        bench.finish();
        bench.crash();
        for (const session of bench.sessions) {
          const counts = bench.dispatches.counts(session);
          assert.deepEqual(
            counts,
            Array.from(counts, () => 1),
          );
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('what is remembered', () => {
  /** One message in the log, its identifier open. */
  function withOpen(): ExactlyOnceBench {
    const bench = new ExactlyOnceBench(2);
    bench.session.publish();
    bench.seal();
    return bench;
  }

  /** Another session's entry: log time goes on by what is read. */
  function pass(bench: ExactlyOnceBench, ms: number): void {
    bench.run(ms);
    const other = bench.sessions[1];
    other?.publish();
    bench.seal();
    other?.hear();
    bench.seal();
    other?.hear();
  }

  it('is nothing for records without keys', () => {
    const bench = new ExactlyOnceBench();
    bench.seal();
    bench.commit();
    assert.deepEqual([bench.owner.exactlyOnce.size, bench.owner.tables.count(250)], [0, 0]);
  });

  it('ends ten minutes after the last entry when nothing is open', () => {
    const bench = withOpen();
    bench.session.hear();
    bench.seal();
    bench.commit();
    assert.equal(bench.owner.tables.count(250), 1);
    pass(bench, FORGET_MS + 1_000);
    bench.commit();
    assert.equal(bench.owner.exactlyOnce.size, 1, 'the other one');
    assert.deepEqual([...bench.owner.tables.keys(250)], ['101']);
  });

  it('stays while the session exists, and ends with it', () => {
    const bench = withOpen();
    bench.hasSession = (generation) => generation === 100;
    pass(bench, 40 * HOUR_MS);
    bench.session.reconnect();
    bench.seal();
    assert.deepEqual(bench.dispatches.counts(bench.session), [1], 'the repeat is known');
    bench.commit();
    const keys = (): string[] => [...bench.owner.tables.keys(250)].toSorted();
    assert.deepEqual(keys(), ['100', '100.0', '101']);
    bench.hasSession = () => false;
    pass(bench, FORGET_MS + 1_000);
    assert.equal(bench.owner.exactlyOnce.size, 1);
    bench.commit();
    assert.deepEqual(keys(), ['101']);
  });

  it('stays a day where nobody knows whether the session exists', () => {
    const bench = withOpen();
    pass(bench, KEYS_KEEP_MS - HOUR_MS);
    assert.equal(bench.owner.exactlyOnce.size, 2);
    pass(bench, HOUR_MS + 1_000);
    assert.equal(bench.owner.exactlyOnce.size, 1);
  });

  it('is written only for what is open, and once a minute for the rest', () => {
    const bench = withOpen();
    const { tables } = bench.owner;
    let writes = 0;
    const ride = tables.ride.bind(tables);
    tables.ride = (table, key, value) => {
      if (table === 250) writes++;
      ride(table, key, value);
    };
    bench.commit();
    bench.session.hear();
    bench.seal();
    bench.commit();
    bench.commit();
    assert.equal(writes, 2, 'the session, and what was open');
    bench.session.hear();
    for (let second = 0; second < 150; second++) {
      bench.session.publish();
      bench.seal();
      bench.session.hear();
      bench.seal();
      bench.session.hear();
      bench.run(980);
      bench.commit();
    }
    assert.equal(writes, 4, 'the session, twice');
    assert.deepEqual([...tables.keys(250)], ['100']);
  });

  it('is given up where records went by unread, for releases may have been among them', () => {
    const bench = withOpen();
    bench.commit();
    bench.run(2_000);
    bench.wanted = false;
    bench.run(2_000);
    bench.session.hear();
    bench.seal();
    bench.session.hear();
    bench.run(10_000);
    bench.wanted = true;
    bench.run(2_000);
    bench.session.publish();
    bench.seal();
    assert.deepEqual(bench.dispatches.counts(bench.session), [1, 1]);
  });

  it('is given up where records are gone', () => {
    const bench = withOpen();
    bench.commit(positionAfterRecord(1));
    bench.owner.feed.standStill();
    bench.session.hear();
    bench.seal();
    bench.session.hear();
    bench.session.publish();
    const last = bench.seal();
    bench.bus.trim(logStream(0), last, () => undefined);
    bench.run(100);
    bench.crash();
    assert.deepEqual(bench.dispatches.counts(bench.session), [1, 1]);
  });

  it('survives damage: what stands before it counts', () => {
    const bench = new ExactlyOnceBench();
    const { session } = bench;
    const builder = new RecordBuilder();
    for (const id of ['a', 'b']) {
      const message = { id, packetIdentifier: 9, phase: 'publishing', answeredOn: 0 } as const;
      addEntry(builder, { session, message: { ...message }, phase: 'publishing', epoch: 5 });
    }
    const record = Buffer.from(builder.take(1, 0));
    bench.appendBytes(record.subarray(0, record.length - 1));
    assert.throws(() => bench.run(10), { code: 'WEIR_WIRE' }, 'the logic of this test says so');
    assert.deepEqual(bench.owner.unreadable, [1]);
    const expected = new Map<string, Set<Position>>([['a', new Set([positionOf(1, 0)])]]);
    assert.deepEqual(bench.dispatches.positions, expected);
  });
});
