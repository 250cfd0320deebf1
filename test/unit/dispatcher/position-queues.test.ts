/** Queues of positions in typed arrays: like arrays of numbers, whatever is done in which order. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PositionQueues } from '../../../services/dispatcher/position-queues.ts';

const SLOTS = 5;

describe('position queues', () => {
  it('hold what arrays would hold', () => {
    const slot = fc.nat(SLOTS - 1).map((n) => n * 100);
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ t: fc.constant('push' as const), slot }) },
      { weight: 3, arbitrary: fc.record({ t: fc.constant('shift' as const), slot }) },
      {
        weight: 2,
        arbitrary: fc.record({ t: fc.constant('above' as const), slot, part: fc.nat(9) }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queues = new PositionQueues();
        const model = new Map<number, number[]>();
        let position = 0;
        for (const s of steps) {
          const list = model.get(s.slot) ?? [];
          model.set(s.slot, list);
          if (s.t === 'push') {
            queues.push(s.slot, ++position, position * 2);
            list.push(position);
          } else if (s.t === 'shift' && list.length > 0) {
            queues.shift(s.slot, (list.shift() ?? 0) * 2);
          } else if (s.t === 'above') {
            const after = Math.floor((position * s.part) / 9);
            const expected = list.filter((p) => p > after).slice(0, 3);
            assert.deepEqual(queues.above(s.slot, after, 3), expected);
          }
          assert.equal(queues.first(s.slot), list[0]);
          assert.equal(queues.depth(s.slot), list.length);
          assert.equal(
            queues.bytes(s.slot),
            list.reduce((sum, p) => sum + p * 2, 0),
          );
        }
        for (const [number, list] of model) assert.deepEqual(queues.above(number, -1, 1e6), list);
        assert.equal(queues.count, [...model.values()].flat().length);
      }),
      { numRuns: 200 },
    );
  });

  it('take more entries than one piece of memory has, and give it back', () => {
    const queues = new PositionQueues();
    const count = 150_000;
    for (let round = 0; round < 2; round++) {
      for (let i = 1; i <= count; i++) queues.push(i % 3, i, 1);
      assert.equal(queues.count, count);
      for (let after = 0, read = 0; read < count / 3; read += 100) {
        const page = queues.above(0, after, 100);
        assert.equal(page.length, Math.min(100, count / 3 - read));
        after = page.at(-1) ?? after;
        assert.equal(after, (read + page.length) * 3);
      }
      for (let slot = 0; slot < 3; slot++) while (queues.depth(slot) > 0) queues.shift(slot, 1);
      assert.equal(queues.count, 0);
    }
  });
});
