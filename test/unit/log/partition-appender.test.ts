/**
 * The appender of one gateway and partition: group commit, order over retries, full, stand-still.
 */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type AppendRequest,
  type AppendResult,
  type Bus,
  type GetResult,
  MemoryCluster,
  SimClock,
} from '#bus';
import {
  type AppenderOptions,
  DUPLICATE_WINDOW_MS,
  KeyReader,
  logStreamConfig,
  logStream,
  PartitionAppender,
  RecordReader,
  recordNumber,
} from '#log';
import { payloadTextOf, publishView } from '../../fixtures/publish-view.ts';
import { seededRandom } from '../../fixtures/seeded-random.ts';

type Outcome = 'stored' | 'full';

/** A bus whose appends wait until the test decides them. */
class ScriptedBus {
  readonly appends: { request: AppendRequest; decide: (result: AppendResult) => void }[] = [];
  readonly asks: ((result: GetResult) => void)[] = [];

  get bus(): Bus {
    const scripted: Pick<Bus, 'append' | 'lastOnSubject'> = {
      append: (request, onResult) => {
        const payload = Buffer.from(request.payload);
        this.appends.push({ request: { ...request, payload }, decide: onResult });
      },
      lastOnSubject: (_stream, _subject, onResult) => this.asks.push(onResult),
    };
    return scripted as Bus;
  }
}

const STORED: AppendResult = { kind: 'stored', sequence: 1, duplicate: false };
const UNDECIDED: AppendResult = { kind: 'undecided', why: 'test' };

let clock: SimClock;
let script: ScriptedBus;
let told: string[];
let drains: number;

beforeEach(() => {
  clock = new SimClock();
  script = new ScriptedBus();
  told = [];
  drains = 0;
});

function makeAppender(options: Partial<AppenderOptions> = {}): PartitionAppender {
  return new PartitionAppender({
    bus: script.bus,
    clock,
    partition: 0,
    incarnation: 'g1',
    onDrain: () => drains++,
    ...options,
  });
}

function add(appender: PartitionAppender, payload: string): boolean {
  const owner = {
    appended: (token: number, outcome: Outcome) => told.push(`${payload} ${token} ${outcome}`),
  };
  return appender.add(publishView({ topic: 't', payload }), 0, false, owner, told.length + 1);
}

function messagesOf(record: Uint8Array): string[] {
  const reader = new RecordReader(Buffer.from(record));
  const texts: string[] = [];
  while (reader.next() >= 0) texts.push(payloadTextOf(reader.view));
  return texts;
}

const sent = (index: number): Buffer => script.appends[index]?.request.payload as Buffer;
const decide = (index: number, result: AppendResult): void => {
  const append = script.appends[index];
  assert.ok(append !== undefined, `no append ${index}`);
  append.decide(result);
};

describe('PartitionAppender', () => {
  it('sends what came in one turn at once and collects while a record is under way', () => {
    const appender = makeAppender();
    for (const payload of ['a', 'b']) add(appender, payload);
    clock.run(1);
    for (const payload of ['c', 'd', 'e']) add(appender, payload);
    clock.run(20);
    assert.equal(script.appends.length, 1, 'one record in flight');
    decide(0, STORED);
    clock.run(30);
    assert.deepEqual(told, ['a 1 stored', 'b 1 stored']);
    assert.deepEqual(
      [messagesOf(sent(0)), messagesOf(sent(1))],
      [
        ['a', 'b'],
        ['c', 'd', 'e'],
      ],
    );
    assert.deepEqual([recordNumber(sent(0)), recordNumber(sent(1))], [1, 2]);
    assert.equal(appender.idle, false);
    decide(1, STORED);
    assert.ok(appender.idle);
  });

  it('repeats the same bytes under the same id until it is decided', () => {
    const appender = makeAppender();
    add(appender, 'a');
    clock.run(1);
    decide(0, UNDECIDED);
    clock.run(200);
    assert.equal(script.appends.length, 2);
    assert.deepEqual(sent(1), sent(0));
    const [first, second] = script.appends.map(({ request }) => request.messageId);
    assert.equal(second, first);
    decide(1, STORED);
    assert.deepEqual(told, ['a 1 stored']);
  });

  it('does not let a repeat that is no longer needed stop the next record', () => {
    const appender = makeAppender();
    add(appender, 'a');
    clock.run(1);
    // Undecided long enough that the next try would ask the leader first; then the very first
    // sending is answered after all, before that try.
    const startMs = clock.nowMs();
    for (let i = 0; clock.nowMs() - startMs < DUPLICATE_WINDOW_MS / 4; i++) {
      decide(i, UNDECIDED);
      clock.runUntil(() => script.appends.length > i + 1, clock.nowMs() + 2_000);
    }
    const last = script.appends.length - 1;
    decide(last, UNDECIDED);
    decide(last, STORED);
    assert.deepEqual(told, ['a 1 stored']);
    add(appender, 'b');
    clock.run(clock.nowMs() + 1);
    assert.deepEqual(messagesOf(sent(last + 1)), ['b']);
    decide(last + 1, UNDECIDED);
    clock.run(clock.nowMs() + 2_000);
    assert.equal(script.appends.length, last + 3, 'b is repeated');
    decide(last + 2, STORED);
    assert.ok(appender.idle);
  });

  it('asks for the last message once the duplicate window may be near its end', () => {
    const appender = makeAppender();
    add(appender, 'a');
    clock.run(1);
    let i = 0;
    while (script.asks.length === 0) {
      decide(i++, UNDECIDED);
      clock.runUntil(
        () => script.appends.length > i || script.asks.length > 0,
        clock.nowMs() + 2_000,
      );
    }
    assert.ok(clock.nowMs() >= DUPLICATE_WINDOW_MS / 4);
    const before = script.appends.length;
    script.asks[0]?.({ kind: 'undecided', why: 'test' });
    clock.run(clock.nowMs() + 2_000);
    assert.equal(script.asks.length, 2, 'asked again, nothing sent');
    assert.equal(script.appends.length, before);
    script.asks[1]?.({ kind: 'absent' });
    assert.equal(script.appends.length, before + 1, 'sent again: it is not there');
    decide(before, UNDECIDED);
    clock.runUntil(() => script.asks.length > 2, clock.nowMs() + 2_000);
    const message = { subject: 's', sequence: 9, payload: sent(0), storedAtMs: 1, deleted: false };
    script.asks[2]?.({ kind: 'found', message });
    assert.deepEqual(told, ['a 1 stored']);
    assert.ok(appender.idle);
  });

  it('takes releases in order with messages, and tells them as these', () => {
    const appender = makeAppender({ recordMessagesMax: 3 });
    const owner = {
      appended: (token: number, outcome: Outcome) => told.push(`${token} ${outcome}`),
    };
    const key = { generation: 2 ** 40, epoch: 0, packetIdentifier: 0 };
    for (let i = 1; i <= 3; i++) {
      const view = publishView({ topic: 't', payload: `${i}`, qos: 2 });
      // One object for all: it is borrowed for the call.
      Object.assign(key, { epoch: 7, packetIdentifier: i });
      appender.add(view, 0, false, owner, 2 * i - 1, key);
      appender.addRelease(key, owner, 2 * i);
    }
    clock.run(1);
    for (let i = 0; i < 2; i++) decide(i, STORED);
    assert.deepEqual(
      [messagesOf(sent(0)), messagesOf(sent(1))],
      [['1', '2'], ['3']],
      'three entries in a record',
    );
    const keys = [0, 1].flatMap((index) => {
      const reader = new KeyReader(sent(index));
      const read: string[] = [];
      while (reader.next() >= 0) {
        const { generation, epoch, packetIdentifier, isRelease } = reader;
        assert.deepEqual([generation, epoch], [2 ** 40, 7]);
        read.push(`${isRelease ? 'release' : 'message'} ${packetIdentifier}`);
      }
      return read;
    });
    assert.deepEqual(
      keys,
      [1, 2, 3].flatMap((i) => [`message ${i}`, `release ${i}`]),
    );
    assert.deepEqual(
      told,
      [1, 2, 3, 4, 5, 6].map((token) => `${token} stored`),
    );
    assert.deepEqual([appender.messagesStored, appender.releasesStored], [3, 3]);
  });

  it('tells a full log, says when it takes no more and when it does again', () => {
    const appender = makeAppender({ pendingBytesMax: 200, recordBytesMax: 100 });
    const payload = 'x'.repeat(60);
    const taken: boolean[] = [];
    for (let i = 0; i < 4; i++) taken.push(add(appender, payload));
    assert.deepEqual(taken, [true, true, false, false], 'taken all the same');
    clock.run(1);
    for (let i = 0; i < 4; i++) decide(i, i === 0 ? { kind: 'full' } : STORED);
    assert.equal(drains, 1);
    assert.equal(told.filter((line) => line.endsWith('full')).length, 1);
    assert.equal(told.length, 4);
    assert.equal(add(appender, 'y'), true);
    assert.equal(appender.recordsRefusedFull, 1);
  });

  it('sends and tells nothing while it stands still, and makes up for both', () => {
    const appender = makeAppender();
    add(appender, 'a');
    clock.run(1);
    appender.pause();
    decide(0, STORED);
    add(appender, 'b');
    clock.run(5_000);
    assert.deepEqual([told.length, script.appends.length], [0, 1]);
    appender.resume();
    clock.run(5_001);
    assert.deepEqual(told, ['a 1 stored']);
    assert.deepEqual(messagesOf(sent(1)), ['b']);
    appender.pause();
    decide(1, UNDECIDED);
    clock.run(9_000);
    assert.equal(script.appends.length, 2);
    appender.resume();
    clock.run(11_000);
    assert.equal(script.appends.length, 3);
    assert.deepEqual(sent(2), sent(1));
  });

  it('keeps order and loses nothing over lost, unanswered and stalled appends', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 8 }), (seed, batch) => {
        clock = new SimClock();
        const random = seededRandom(seed);
        const cluster = new MemoryCluster(clock, random);
        cluster.createStream(logStreamConfig(0, 1));
        Object.assign(cluster.faults, {
          appendLost: 0.15,
          appendAnswerLost: 0.15,
          appendUndecided: 0.15,
          appendStalled: 0.05,
        });
        const bus = cluster.connect('g1');
        const outcomes = new Map<number, Outcome>();
        const owner = {
          appended: (token: number, outcome: Outcome) => {
            assert.ok(!outcomes.has(token), 'told once');
            outcomes.set(token, outcome);
          },
        };
        const appender = makeAppender({ bus, clock: bus.control.clock, recordMessagesMax: 3 });
        const count = batch * 6;
        for (let i = 0; i < count; i++) {
          appender.add(publishView({ topic: 't', payload: `${i}` }), 0, false, owner, i);
          if (i % batch !== 0) continue;
          if (random() < 0.1) bus.control.disconnect();
          if (random() < 0.1) appender.pause();
          clock.run(clock.nowMs() + random() * 3_000);
          appender.resume();
        }
        assert.ok(
          clock.runUntil(() => appender.idle, clock.nowMs() + 200_000),
          'all decided',
        );
        assert.equal(outcomes.size, count);
        const messages: string[] = [];
        let last = 0;
        for (const { payload } of cluster.stream(logStream(0))?.messages() ?? []) {
          if (recordNumber(payload) <= last) continue;
          assert.equal(recordNumber(payload), last + 1, 'no number is left out');
          last = recordNumber(payload);
          messages.push(...messagesOf(payload));
        }
        assert.deepEqual(
          messages,
          Array.from({ length: count }, (_, i) => `${i}`),
        );
      }),
      { numRuns: 40 },
    );
  });
});
