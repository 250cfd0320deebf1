import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { topicMatchesFilter } from '../../../lib/topics/topic-filter.ts';
import { filtersOverlap } from '../../../lib/topics/filter-overlap.ts';

const LEVELS = ['', 'a', 'b'];

/** All topics of up to four levels. */
function topics(depth: number): string[] {
  if (depth === 1) return LEVELS;
  const shorter = topics(depth - 1);
  const longest = shorter.filter((topic) => topic.split('/').length === depth - 1);
  return [...shorter, ...longest.flatMap((topic) => LEVELS.map((level) => `${topic}/${level}`))];
}
/** With the empty one, which is none, but is where `+` and `/#` meet. */
const TOPICS = topics(5);

test('two filters overlap if some topic matches both', () => {
  const levels = fc.array(fc.constantFrom('a', 'b', '', '+'), { minLength: 1, maxLength: 3 });
  const filter = fc
    .tuple(levels, fc.boolean())
    .map(([parts, isOpen]) => [...parts, ...(isOpen ? ['#'] : [])].join('/'))
    .filter((text) => text !== '');
  fc.assert(
    fc.property(filter, filter, (one, other) => {
      const both = TOPICS.some((t) => topicMatchesFilter(t, one) && topicMatchesFilter(t, other));
      assert.equal(filtersOverlap(one, other), both, `${one} and ${other}`);
      assert.equal(filtersOverlap(other, one), both);
    }),
    { numRuns: 500 },
  );
});
