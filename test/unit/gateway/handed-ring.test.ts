/** What was handed out and is not acknowledged: against a plain list. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { HandedRing } from '../../../services/gateway/handed-ring.ts';

interface Entry {
  readonly sequence: number;
  readonly position: number;
}

const step = fc.oneof(
  fc.record({ push: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ settle: fc.nat(60) }),
  fc.record({ ask: fc.nat(120) }),
);

it('HandedRing knows the lowest open position, above any bound, however it grows', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 200 }), (steps) => {
      const ring = new HandedRing();
      let open: Entry[] = [];
      let position = 0;
      let last = 0;
      for (const one of steps) {
        if ('push' in one) {
          position += one.push;
          const sequence = ring.push(position);
          assert.equal(sequence, last + 1);
          last = sequence;
          open.push({ sequence, position });
        } else if ('settle' in one) {
          const sequence = last - one.settle;
          const isOpen = open.some((entry) => entry.sequence === sequence);
          assert.equal(ring.settle(sequence), isOpen);
          open = open.filter((entry) => entry.sequence !== sequence);
          assert.equal(ring.positionOf(sequence), undefined);
        } else {
          const above = open.filter((entry) => entry.position > one.ask);
          assert.equal(ring.lowestAbove(one.ask), above[0]?.position ?? Infinity);
        }
        assert.equal(ring.lowest, open[0]?.position ?? Infinity);
        assert.equal(ring.isEmpty, open.length === 0);
        for (const { sequence, position: at } of open) assert.equal(ring.positionOf(sequence), at);
      }
    }),
    { numRuns: 100 },
  );
});
