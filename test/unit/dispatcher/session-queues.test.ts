/** Queues of stored sessions: bounded, consumed in order, and the same after a recovery. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SimClock } from '#bus';
import { messageLength, RecordBuilder, RecordReader } from '#log';
import type { SessionRecord } from '#session-store';
import {
  decodeGenerations,
  encodeGenerations,
} from '../../../services/dispatcher/generation-list.ts';
import { BoardSession } from '../../../services/dispatcher/session-board.ts';
import { SessionQueues, type QueueLimits } from '../../../services/dispatcher/session-queues.ts';
import { MemoryTables } from '../../fixtures/memory-tables.ts';
import { publishView } from '../../fixtures/publish-view.ts';

const SESSIONS = 4;

function sessionOf(slot: number): BoardSession {
  const record: Pick<SessionRecord, 'generation' | 'cursor' | 'at'> = {
    generation: slot * 1_000 + 7,
    cursor: [0],
    at: undefined,
  };
  return new BoardSession(record as SessionRecord, slot);
}

class Fixture {
  readonly sessions = Array.from({ length: SESSIONS }, (_, slot) => sessionOf(slot));
  readonly counters = { entriesFiled: 0, entriesConsumed: 0, queueFull: 0 };
  readonly clock = new SimClock();
  readonly overflows: number[] = [];
  readonly tables: MemoryTables;
  readonly #ended = new Set<number>();
  readonly queues: SessionQueues;

  constructor(tables?: MemoryTables, limits?: QueueLimits) {
    this.tables = tables ?? new MemoryTables(this.clock);
    this.queues = new SessionQueues(
      this.tables,
      this.counters,
      () => undefined,
      (slot) => this.overflows.push(slot),
      limits,
    );
    for (const session of this.sessions) this.queues.begin(session, 0);
  }

  file(position: number, slots: readonly number[], payload = 'x', expiresAtSeconds = 0): void {
    const view = publishView({ topic: 't', payload });
    const builder = new RecordBuilder();
    builder.add(view, messageLength(view), expiresAtSeconds, 0, false);
    const payloadBytes = builder.take(1, position * 1_000);
    const reader = new RecordReader(payloadBytes);
    reader.next();
    for (const slot of slots) this.queues.raiseLast(slot, position);
    const record = { sequence: 1, payload: payloadBytes, incarnation: 'g' };
    this.queues.file(position, record, reader, slots, slots.length);
  }

  consume(slot: number, upTo: number): void {
    this.queues.consume(this.sessions[slot] as BoardSession, upTo);
  }
  end(slot: number): void {
    this.#ended.add(slot);
    this.queues.end(this.sessions[slot] as BoardSession);
  }
  contents(): number[][] {
    return this.sessions.map(({ slot }) => this.queues.above(slot, -1, 1_000));
  }

  /** What a successor makes of the state log. */
  recovered(): Fixture {
    this.tables.commit(0);
    const next = new Fixture(new MemoryTables(this.clock, this.tables.durable));
    next.queues.recover(0, (generation) =>
      next.sessions.find((s) => s.generation === generation && !this.#ended.has(s.slot)),
    );
    return next;
  }
}

describe('session queues', () => {
  it('hold what the model holds, also after a recovery', () => {
    const step = fc.oneof(
      fc.record({
        t: fc.constant('file' as const),
        slots: fc.uniqueArray(fc.nat(SESSIONS - 1), { minLength: 1 }),
      }),
      fc.record({
        t: fc.constant('consume' as const),
        slot: fc.nat(SESSIONS - 1),
        part: fc.nat(9),
      }),
      fc.record({ t: fc.constant('end' as const), slot: fc.nat(SESSIONS - 1) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const fixture = new Fixture();
        const model: number[][] = Array.from({ length: SESSIONS }, () => []);
        const ended = new Set<number>();
        let position = 0;
        for (const s of steps) {
          if (s.t === 'file') {
            const slots = s.slots.filter((slot) => !ended.has(slot));
            fixture.file(++position, slots);
            for (const slot of slots) model[slot]?.push(position);
          } else if (s.t === 'consume') {
            const upTo = Math.floor((position * s.part) / 9);
            fixture.consume(s.slot, upTo);
            model[s.slot] = (model[s.slot] ?? []).filter((p) => p > upTo);
          } else {
            fixture.end(s.slot);
            ended.add(s.slot);
            model[s.slot] = [];
          }
        }
        assert.deepEqual(fixture.contents(), model);
        const waiting = new Set(model.flat());
        assert.equal(fixture.queues.store.messageCount, waiting.size, 'no message leaks');
        const next = fixture.recovered();
        assert.deepEqual(next.contents(), model);
        assert.equal(next.queues.store.messageCount, waiting.size);
      }),
      { numRuns: 200 },
    );
  });

  it('tell since when the oldest entry waits, also after a recovery', () => {
    const fixture = new Fixture();
    assert.equal(fixture.queues.oldestAtSeconds(0), undefined);
    for (const position of [5, 6, 9]) fixture.file(position, [0]);
    fixture.consume(0, 5);
    assert.equal(fixture.queues.oldestAtSeconds(0), 6);
    assert.equal(fixture.recovered().queues.oldestAtSeconds(0), 6);
  });

  it('remember what was consumed: a successor does not file it again', () => {
    const fixture = new Fixture();
    fixture.file(5, [1]);
    fixture.consume(1, 5);
    const next = fixture.recovered();
    assert.equal(next.queues.last(1), 5);
    assert.equal(next.queues.last(2), 0);
  });

  it('drop the oldest or the newest by policy, and count them', () => {
    for (const policy of ['drop_oldest', 'drop_newest'] as const) {
      const limits = { messagesMax: 3, bytesMax: 1_000_000, policy };
      const fixture = new Fixture(undefined, limits);
      for (let position = 1; position <= 5; position++) fixture.file(position, [0, 1]);
      const kept = policy === 'drop_oldest' ? [3, 4, 5] : [1, 2, 3];
      assert.deepEqual(fixture.contents().slice(0, 2), [kept, kept]);
      assert.equal(fixture.counters.queueFull, 4);
      assert.deepEqual(fixture.recovered().contents().slice(0, 2), [kept, kept]);
    }
  });

  it('drop what expires, for each session once, and go on behind it', () => {
    const fixture = new Fixture();
    fixture.file(1, [0, 1], 'x', 50);
    fixture.file(2, [0, 1], 'y');
    const { store } = fixture.queues;
    store.expireDue(49_000, 10);
    assert.equal(store.expired, 0);
    store.expireDue(50_000, 10);
    store.expire(1);
    assert.equal(store.expired, 2);
    assert.equal(fixture.tables.count(2), 1, 'its bytes are gone');
    assert.deepEqual(fixture.recovered().contents().slice(0, 2), [[2], [2]]);
    fixture.consume(0, 2);
    fixture.consume(1, 2);
    assert.equal(store.messageCount, 0);
    assert.equal(store.messageBytes, 0);
  });

  it('ask for the end of a session, by policy', () => {
    const limits = { messagesMax: 2, bytesMax: 1_000_000, policy: 'end_session' } as const;
    const fixture = new Fixture(undefined, limits);
    for (let position = 1; position <= 3; position++) fixture.file(position, [0]);
    assert.deepEqual(fixture.contents()[0], [1, 2]);
    assert.deepEqual(fixture.overflows, [0]);
  });

  it('count bytes, and take one message that is larger than the limit', () => {
    const limits = { messagesMax: 100, bytesMax: 200, policy: 'drop_oldest' } as const;
    const fixture = new Fixture(undefined, limits);
    fixture.file(1, [0], 'x'.repeat(1_000));
    assert.deepEqual(fixture.contents()[0], [1]);
    fixture.file(2, [0], 'y');
    assert.deepEqual(fixture.contents()[0], [2]);
    assert.ok(fixture.queues.bytes(0) < 200);
  });

  it('keep a message once for many sessions', () => {
    const fixture = new Fixture();
    fixture.file(1, [0, 1, 2, 3]);
    assert.equal(fixture.tables.count(2), 1);
    for (let slot = 0; slot < SESSIONS; slot++) fixture.consume(slot, 1);
    assert.equal(fixture.tables.count(2), 0);
    assert.equal(fixture.tables.count(4), 0);
  });
});

describe('generation lists', () => {
  it('give back what they were made of', () => {
    const generation = fc.integer({ min: 1, max: 2 ** 48 });
    fc.assert(
      fc.property(fc.uniqueArray(generation, { maxLength: 200 }), (generations) => {
        const sorted = generations.toSorted((a, b) => a - b);
        assert.deepEqual(decodeGenerations(encodeGenerations(sorted)), sorted);
      }),
    );
  });

  it('take a byte or two for neighbours', () => {
    const generations = Array.from({ length: 50_000 }, (_, i) => 1_000_000 + i * 2);
    assert.ok(encodeGenerations(generations).length < 50_010);
  });

  it('are refused when cut', () => {
    assert.throws(() => decodeGenerations(Buffer.from([0x80])), /WEIR_WIRE|ends too early/);
  });
});
