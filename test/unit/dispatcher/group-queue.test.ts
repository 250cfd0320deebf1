/**
 * Queues of shared subscriptions: each message is at one gateway at a time, none is lost whoever
 * goes, a topic stays in order while one gateway has it, and nobody gets more than its window.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type GroupEntry, GroupQueue } from '../../../services/dispatcher/group-queue.ts';

const GATEWAYS = ['a', 'b', 'c'];
const BYTES = 10;

function entryOf(position: number, topic: number): GroupEntry {
  const message = Buffer.alloc(BYTES);
  const state = { isFiled: false, at: undefined, isOver: false };
  return { position, topic, bytes: BYTES, expiresAtSeconds: 0, message, ...state };
}

/** What must hold, kept beside the queue in the plainest way. */
class Model {
  readonly queue = new GroupQueue();
  readonly open = new Map<number, { topic: number; at: string | undefined }>();
  readonly windows = new Map<string, number>();
  /** At a take-over two gateways may hold of one topic: then it may wait for either. */
  isMixed = false;
  #position = 0;

  add(topic: number, holder?: string): void {
    const position = ++this.#position;
    this.open.set(position, { topic, at: holder });
    this.queue.add(entryOf(position, topic), holder);
  }

  at(gateway: string): number[] {
    return [...this.open].filter(([, { at }]) => at === gateway).map(([position]) => position);
  }

  room(gateway: string): number {
    return (this.windows.get(gateway) ?? 0) - this.at(gateway).length;
  }

  /** Everything that may go, goes. */
  dispatch(closed: ReadonlySet<string>): void {
    for (;;) {
      const entry = this.queue.next((gateway) => !closed.has(gateway));
      if (entry === undefined) break;
      const known = this.open.get(entry.position);
      const gateway = entry.at?.incarnation ?? '';
      assert.ok(known !== undefined && known.at === undefined, 'it was waiting');
      assert.ok(!closed.has(gateway));
      assert.ok(this.at(gateway).length < (this.windows.get(gateway) ?? 0), 'room');
      for (const [position, other] of this.open) {
        if (other.topic !== known.topic || position >= entry.position) continue;
        assert.ok(other.at !== undefined, 'nothing older of the topic waits');
      }
      known.at = gateway;
    }
    const room = GATEWAYS.filter(
      (g) => !closed.has(g) && this.at(g).length < (this.windows.get(g) ?? 0),
    );
    for (const { topic, at } of this.open.values()) {
      if (at !== undefined || room.length === 0) continue;
      const holders = [...this.open.values()].filter((o) => o.topic === topic && o.at);
      assert.ok(holders.length > 0, 'what waits though there is room has its topic elsewhere');
      const most = Math.max(...room.map((g) => this.room(g)));
      const isRight = holders.some(
        (o) => !room.includes(o.at ?? '') || 2 * this.room(o.at ?? '') < most,
      );
      assert.ok(isRight || this.isMixed, 'what has its topic at an idle one goes');
    }
  }

  done(position: number): void {
    assert.equal(this.queue.done(position) !== undefined, this.open.delete(position));
  }
  back(gateway: string, positions: readonly number[]): void {
    const mine = positions.filter((position) => this.open.get(position)?.at === gateway);
    assert.equal(this.queue.back(gateway, positions), mine.length);
    for (const position of mine) (this.open.get(position) as { at: undefined }).at = undefined;
  }
  gone(gateway: string): void {
    assert.equal(this.queue.gone(gateway), this.at(gateway).length);
    for (const one of this.open.values()) if (one.at === gateway) one.at = undefined;
    this.windows.delete(gateway);
  }

  check(): void {
    const { queue, open } = this;
    assert.equal(queue.size, open.size);
    const waiting = [...open.values()].filter(({ at }) => at === undefined).length;
    assert.equal(queue.waiting, waiting);
    assert.equal(queue.waitingBytes, waiting * BYTES);
    assert.equal(queue.inFlight, open.size - waiting);
  }
}

const gateway = fc.constantFrom(...GATEWAYS);
const topic = fc.nat(3);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant('add' as const), topic, fc.constant('')) },
  { weight: 5, arbitrary: fc.tuple(fc.constant('done' as const), fc.nat(50), fc.constant('')) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('window' as const), fc.nat(4), gateway) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('back' as const), fc.nat(7), gateway) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('gone' as const), fc.constant(0), gateway) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('drop' as const), fc.constant(0), fc.constant('')) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('closed' as const), fc.nat(7), fc.constant('')) },
);

describe('queue of a shared subscription', () => {
  it('keeps each message at one gateway, in order per topic, whoever goes', () => {
    const held = fc.array(fc.tuple(topic, gateway), { maxLength: 5 });
    fc.assert(
      fc.property(held, fc.array(step, { maxLength: 80 }), (holders, steps) => {
        const model = new Model();
        for (const [of, holder] of holders) model.add(of, holder);
        model.isMixed = holders.some(([of, a]) => holders.some(([o, b]) => of === o && a !== b));
        let closed = new Set<string>();
        for (const [what, number, who] of steps) {
          if (what === 'add') model.add(number);
          else if (what === 'window') {
            model.windows.set(who, number);
            model.queue.setWindow(who, number);
          } else if (what === 'back') {
            model.back(
              who,
              model.at(who).filter((_, i) => ((number >> (i % 3)) & 1) === 1),
            );
          } else if (what === 'gone') model.gone(who);
          else if (what === 'drop') {
            const dropped = model.queue.dropOldest();
            if (dropped !== undefined) assert.ok(model.open.delete(dropped.position));
          } else if (what === 'done') {
            const open = [...model.open.keys()];
            model.done(open[number % Math.max(1, open.length)] ?? 9_999);
          } else closed = new Set(GATEWAYS.filter((_, i) => ((number >> i) & 1) === 1));
          model.dispatch(closed);
          model.check();
        }
      }),
      { numRuns: 400 },
    );
  });

  it('empties when a gateway with room acknowledges', () => {
    fc.assert(
      fc.property(fc.array(topic, { maxLength: 60 }), fc.integer({ min: 1, max: 5 }), (of, n) => {
        const model = new Model();
        for (const one of of) model.add(one);
        model.windows.set('a', n);
        model.queue.setWindow('a', n);
        for (let i = 0; i <= of.length && model.open.size > 0; i++) {
          model.dispatch(new Set());
          model.done(model.at('a')[0] ?? -1);
        }
        assert.equal(model.queue.size, 0);
      }),
    );
  });

  it('gives the one with more room more', () => {
    const model = new Model();
    for (let i = 0; i < 100; i++) model.add(100 + i);
    for (const [name, window] of [
      ['a', 30],
      ['b', 10],
    ] as const) {
      model.windows.set(name, window);
      model.queue.setWindow(name, window);
    }
    model.dispatch(new Set());
    assert.equal(model.at('a').length, 30);
    assert.equal(model.at('b').length, 10);
  });
});
