import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { topicMatchesFilter, TopicTree } from '#topics';

const level = fc.constantFrom('a', 'b', '', '$x', 'cc');
const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'));
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, hash]) => [...levels, ...(hash ? ['#'] : [])].join('/'));
const anyFilter = fc.oneof(filter, fc.constant('#'));

describe('TopicTree', () => {
  it('holds what was added and not removed, and matches like the filters', () => {
    const step = fc.tuple(fc.boolean(), topic);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.array(anyFilter), (steps, filters) => {
        const tree = new TopicTree();
        const model = new Set<string>();
        for (const [adds, name] of steps) {
          if (adds) assert.equal(tree.add(name), !model.has(name));
          else assert.equal(tree.remove(name), model.has(name));
          if (adds) model.add(name);
          else model.delete(name);
        }
        assert.equal(tree.count, model.size);
        for (const topicFilter of filters) {
          const expected = [...model].filter((name) => topicMatchesFilter(name, topicFilter));
          assert.deepEqual([...tree.match(topicFilter)].toSorted(), expected.toSorted());
        }
      }),
      { numRuns: 500 },
    );
  });

  it('goes on walking while it is changed', () => {
    const tree = new TopicTree();
    for (let i = 0; i < 10; i++) tree.add(`a/${i}/x`);
    const seen: string[] = [];
    for (const name of tree.match('a/+/x')) {
      seen.push(name);
      tree.remove(name);
      tree.remove('a/9/x');
      tree.add('a/8');
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 9 }, (_, i) => `a/${i}/x`),
    );
  });
});
