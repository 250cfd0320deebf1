/** What the retained store keeps fits a state record and the walk of its tree, whatever comes. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryCluster, SimClock } from '#bus';
import { messageLength, RecordBuilder, RecordReader } from '#log';
import { topicKeyOf } from '#mqtt';
import { StateLog, stateStreamConfig } from '#state';
import {
  RETAINED_TABLE,
  RETAINED_TOPIC_BYTES_MAX,
  RETAINED_TOPIC_LEVELS_MAX,
  RetainedStore,
} from '../../../services/dispatcher/retained-store.ts';
import { publishView } from '../../fixtures/publish-view.ts';
import { seededRandom } from '../../fixtures/seeded-random.ts';

/** Below NATS' limit by what a gateway keeps free, fixed header and lengths counted. */
const PACKET_BYTES_MAX = 1024 * 1024 - 8 * 1024;

function open(): { store: RetainedStore; state: StateLog; clock: SimClock; refused: () => number } {
  const clock = new SimClock();
  const cluster = new MemoryCluster(clock, seededRandom(1));
  cluster.createStream(stateStreamConfig('dispatch', 0, 1));
  const bus = cluster.connect('dispatcher');
  let state: StateLog | undefined;
  StateLog.recover(
    {
      bus,
      clock: bus.control.clock,
      group: 'dispatch',
      partition: 0,
      epoch: 1,
      onFenced: () => assert.fail('fenced'),
    },
    (recovered) => {
      state = recovered;
    },
  );
  clock.run(1_000);
  assert.ok(state !== undefined);
  state.begin(() => ({ checkpoint: 0, decided: 0, skippedRecords: [] }));
  const counters = { retainedStored: 0, retainedExpired: 0, retainedRefused: 0 };
  const store = new RetainedStore(state, counters);
  return { store, state, clock, refused: () => counters.retainedRefused };
}

function retain(store: RetainedStore, topic: string, payloadBytes: number): void {
  const view = publishView({ topic, payload: Buffer.alloc(payloadBytes, 'x'), retain: true });
  const builder = new RecordBuilder();
  builder.add(view, messageLength(view), 0, 0, false);
  const reader = new RecordReader(builder.take(1, 0));
  reader.next();
  const { messageStart, messageEnd } = reader;
  store.apply(topicKeyOf(reader.view), reader.view, 1_024, messageStart, messageEnd);
}

describe('RetainedStore', () => {
  it('names topics that stand in one record together, whatever the tree says', () => {
    const { store, state, clock } = open();
    const topics = Array.from({ length: 60 }, (_, i) => `t/${i % 6}/${i}`);
    for (let i = 0; i < topics.length; i += 10) {
      for (const topic of topics.slice(i, i + 10)) retain(store, topic, 100);
      clock.run(clock.nowMs() + 1_000);
    }
    const walk = store.match('t/#');
    const found: string[] = [];
    for (let next = walk.next(); next.done !== true; next = walk.next()) found.push(next.value);
    assert.deepEqual(found.toSorted(), topics.toSorted());
    const places = found.map((topic) => state.placeOf(RETAINED_TABLE, topic));
    assert.deepEqual(
      places,
      places.toSorted((x, y) => x - y),
    );
    assert.equal(new Set(places).size, 6);
  });

  it('keeps the largest message on the longest topic', () => {
    const { store, state, clock } = open();
    const topic = 'é'.repeat(RETAINED_TOPIC_BYTES_MAX / 2);
    retain(store, topic, PACKET_BYTES_MAX - RETAINED_TOPIC_BYTES_MAX - 2);
    let durable = false;
    state.whenDurable(() => {
      durable = true;
    });
    clock.run(clock.nowMs() + 10_000);
    assert.ok(durable);
    assert.equal(store.count, 1);
  });

  it('does not keep topics that are too long or too deep, and lives on', () => {
    const { store, state, clock, refused } = open();
    const topics = [
      'é'.repeat(RETAINED_TOPIC_BYTES_MAX / 2 + 1),
      'é'.repeat(20_000),
      'x'.repeat(65_535),
      '/'.repeat(65_535),
      '/'.repeat(RETAINED_TOPIC_LEVELS_MAX),
    ];
    for (const topic of topics) retain(store, topic, 10);
    retain(store, '/'.repeat(RETAINED_TOPIC_LEVELS_MAX - 1), 10);
    retain(store, 'short', 10);
    assert.deepEqual([refused(), store.count], [topics.length, 2]);
    let durable = false;
    state.whenDurable(() => {
      durable = true;
    });
    clock.run(clock.nowMs() + 1_000);
    assert.ok(durable);
    for (const topic of topics) retain(store, topic, 0);
    const found: string[] = [];
    const walk = store.match('#');
    for (let next = walk.next(); next.done !== true; next = walk.next()) found.push(next.value);
    assert.equal(found.length, 2);
  });
});
