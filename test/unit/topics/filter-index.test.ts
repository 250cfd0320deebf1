import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Qlobber } from 'qlobber';
import { FilterIndex, topicMatchesFilter } from '#topics';

const level = fc.constantFrom('a', 'b', 'cc', '', '$x');
const topics = fc
  .array(level, { minLength: 1, maxLength: 5 })
  .map((levels) => levels.join('/'))
  .filter((topic) => topic !== '');
const filters = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { maxLength: 5 }), fc.constantFrom('', '#'))
  .map(([levels, tail]) => (tail === '' ? levels : [...levels, tail]).join('/'))
  .filter((filter) => filter !== '');

/** The rules of §4.7 said once more, by levels and without thought for speed. */
function matchesNaively(topic: string, filter: string): boolean {
  const t = topic.split('/');
  const f = filter.split('/');
  if (topic.startsWith('$') && (f[0] === '+' || f[0] === '#')) return false;
  if (f.at(-1) === '#') {
    const prefix = f.slice(0, -1);
    return t.length >= prefix.length && prefix.every((l, i) => l === '+' || l === t[i]);
  }
  return t.length === f.length && f.every((l, i) => l === '+' || l === t[i]);
}

interface Model {
  readonly pairs: Map<string, Set<number>>;
}

function expected(model: Model, topic: string): number[] {
  const values: number[] = [];
  for (const [filter, set] of model.pairs) {
    if (matchesNaively(topic, filter)) values.push(...set);
  }
  return values.sort((x, y) => x - y);
}

function viaInto(index: FilterIndex, topic: string): number[] {
  const out: number[] = [];
  const count = index.matchInto(topic, out);
  return out.slice(0, count).sort((x, y) => x - y);
}

function viaCallback(index: FilterIndex, topic: string): number[] {
  const out: number[] = [];
  index.match(topic, (value) => out.push(value));
  return out.sort((x, y) => x - y);
}

test('a filter matches a topic as the rules by level say', () => {
  fc.assert(
    fc.property(topics, filters, (topic, filter) => {
      assert.equal(topicMatchesFilter(topic, filter), matchesNaively(topic, filter));
    }),
    { numRuns: 3_000 },
  );
});

test('the index agrees with the rules under any order of additions and removals', () => {
  const step = fc.tuple(fc.constantFrom('add', 'add', 'remove'), filters, fc.nat(3));
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 120 }),
      fc.array(topics, { maxLength: 20 }),
      fc.integer(),
      (steps, asked, seed) => {
        const index = new FilterIndex({ seed });
        const model: Model = { pairs: new Map() };
        for (const [what, filter, value] of steps) {
          const values = model.pairs.get(filter) ?? new Set();
          const there = values.has(value);
          const before = index.generation;
          if (what === 'add') {
            index.add(filter, value);
            model.pairs.set(filter, values.add(value));
            assert.equal(index.generation > before, !there);
          } else {
            assert.equal(index.remove(filter, value), there);
            values.delete(value);
            if (values.size === 0) model.pairs.delete(filter);
            assert.equal(index.generation > before, there);
          }
        }
        assert.equal(index.filterCount, model.pairs.size);
        for (const topic of asked) {
          assert.deepEqual(viaInto(index, topic), expected(model, topic));
          assert.deepEqual(viaCallback(index, topic), expected(model, topic));
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('the index agrees with qlobber on topics that do not begin with $', () => {
  fc.assert(
    fc.property(fc.array(filters, { maxLength: 60 }), fc.array(topics), (many, asked) => {
      const index = new FilterIndex();
      const oracle = new Qlobber<number>({
        separator: '/',
        wildcard_one: '+',
        wildcard_some: '#',
        match_empty_levels: true,
      });
      const unique = [...new Set(many)];
      unique.forEach((filter, value) => {
        index.add(filter, value);
        oracle.add(filter, value);
      });
      for (const topic of asked.filter((t) => !t.startsWith('$'))) {
        const wanted = [...new Set(oracle.match(topic))].sort((x, y) => x - y);
        assert.deepEqual(viaInto(index, topic), wanted, topic);
      }
    }),
    { numRuns: 200 },
  );
});

test('filters of more shapes than the table takes are found in the trie', () => {
  const index = new FilterIndex();
  const model: Model = { pairs: new Map() };
  const depth = 8;
  for (let bits = 0; bits < 2 ** depth; bits++) {
    const levels = Array.from({ length: depth }, (_, i) => ((bits >> i) & 1 ? '+' : 'a'));
    index.add(levels.join('/'), bits);
    model.pairs.set(levels.join('/'), new Set([bits]));
  }
  assert.ok(index.trieFilterCount > 0 && index.shapeCount < 2 ** depth);
  for (const topic of ['a/a/a/a/a/a/a/a', 'a/a/b/a/a/a/a/b', 'b/b/b/b/b/b/b/b', 'a/a']) {
    assert.deepEqual(viaInto(index, topic), expected(model, topic));
    assert.deepEqual(viaCallback(index, topic), expected(model, topic));
  }
  // One that the trie holds stays there, found and removable, when its shape gets room.
  for (const [filter, [value]] of [...model.pairs].slice(0, 200)) {
    assert.ok(index.remove(filter, value as number));
    model.pairs.delete(filter);
  }
  for (const [filter, [value]] of model.pairs) {
    index.add(filter, 1_000 + (value as number));
    model.pairs.get(filter)?.add(1_000 + (value as number));
  }
  assert.equal(index.filterCount, model.pairs.size);
  assert.deepEqual(viaInto(index, 'a/a/a/a/a/a/a/a'), expected(model, 'a/a/a/a/a/a/a/a'));
  for (const [filter, values] of model.pairs) {
    for (const value of values) assert.ok(index.remove(filter, value));
  }
  assert.equal(index.filterCount, 0);
  assert.equal(index.shapeCount, 0);
});

test('filters as deep as MQTT allows are matched without recursion', () => {
  const index = new FilterIndex();
  const deep = `${'+/'.repeat(30_000)}#`;
  index.add(deep, 1);
  index.add(`${'a/'.repeat(30)}#`, 2);
  index.add(`${'a/'.repeat(31)}#`, 3);
  index.add(`${'a/'.repeat(31)}a`, 4);
  assert.deepEqual(viaInto(index, 'a/'.repeat(30_001)), [1, 2, 3]);
  assert.deepEqual(viaInto(index, `${'a/'.repeat(31)}a`), [2, 3, 4]);
  assert.ok(index.remove(deep, 1));
  assert.deepEqual(viaInto(index, 'a/'.repeat(30_001)), [2, 3]);
});

test('a filter keeps many values and loses each of them', () => {
  const index = new FilterIndex();
  for (let value = 0; value < 1_000; value++) index.add('t/+', value);
  assert.equal(index.filterCount, 1);
  assert.equal(viaInto(index, 't/1').length, 1_000);
  for (let value = 999; value > 0; value--) assert.ok(index.remove('t/+', value));
  assert.deepEqual(viaInto(index, 't/1'), [0]);
  assert.equal(index.remove('t/+', 1), false);
  assert.ok(index.remove('t/+', 0));
  assert.equal(index.filterCount, 0);
  assert.deepEqual(viaInto(index, 't/1'), []);
});

test('the table splits its segments without losing or moving a filter', () => {
  const index = new FilterIndex({ seed: 7 });
  const count = 50_000;
  for (let i = 0; i < count; i++) index.add(`s/${i % 97}/d/${i}/+`, i);
  assert.equal(index.filterCount, count);
  for (let i = 0; i < count; i += 2) assert.ok(index.remove(`s/${i % 97}/d/${i}/+`, i));
  assert.equal(index.filterCount, count / 2);
  for (let i = 0; i < count; i++) {
    assert.deepEqual(viaInto(index, `s/${i % 97}/d/${i}/x`), i % 2 === 0 ? [] : [i]);
  }
  index.clear();
  assert.equal(index.filterCount, 0);
  assert.deepEqual(viaInto(index, 's/1/d/1/x'), []);
});
