/** A sorted set of texts: what a plain set, sorted, says. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { SortedIdentifiers } from '../../../services/control/sorted-identifiers.ts';

it('holds what a set holds, and reads it in order from anywhere', () => {
  const text = fc.oneof(fc.string({ maxLength: 3 }), fc.nat(3_000).map(String));
  const step = fc.record({ adds: fc.boolean(), text });
  fc.assert(
    fc.property(fc.nat(2_000), fc.array(step, { maxLength: 200 }), text, (count, steps, from) => {
      const sorted = new SortedIdentifiers();
      const model = new Set<string>();
      const add = (one: string): void => {
        sorted.add(one);
        model.add(one);
      };
      // In no order, and more than fit one chunk.
      for (let i = 0; i < count; i++) add(String((i * 7_919) % 2_003));
      for (const one of steps) {
        if (one.adds) add(one.text);
        else {
          sorted.delete(one.text);
          model.delete(one.text);
        }
      }
      const wanted = [...model].filter((one) => one >= from).sort((a, b) => (a < b ? -1 : 1));
      assert.deepEqual([...sorted.from(from)], wanted);
      assert.equal(sorted.size, model.size);
      for (const one of model) sorted.delete(one);
      assert.deepEqual([...sorted.from('')], []);
    }),
    { numRuns: 60 },
  );
});
