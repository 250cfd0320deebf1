import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  filterCovers,
  isSharedFilter,
  isTopicFilter,
  isTopicName,
  parseShared,
  topicMatchesFilter,
} from '#topics';

/** All topics of up to three levels over an alphabet that holds one level nobody names. */
const LEVELS = ['a', 'b', 'other', '$s', ''];
const TOPICS = [1, 2, 3].flatMap((depth) => {
  let all = [''];
  for (let i = 0; i < depth; i++) {
    all = all.flatMap((t) => LEVELS.map((l) => (i === 0 ? l : `${t}/${l}`)));
  }
  return all.filter((t) => t !== '');
});

const filters = fc
  .tuple(
    fc.array(fc.constantFrom('a', 'b', '+', '$s', ''), { maxLength: 2 }),
    fc.constantFrom('', '#'),
  )
  .map(([levels, tail]) => (tail === '' ? levels : [...levels, tail]).join('/'))
  .filter((filter) => filter !== '');

test('a filter covers another exactly when it matches all of its topics', () => {
  fc.assert(
    fc.property(filters, filters, (wide, narrow) => {
      const matched = TOPICS.filter((topic) => topicMatchesFilter(topic, narrow));
      const all = matched.every((topic) => topicMatchesFilter(topic, wide));
      assert.equal(filterCovers(wide, narrow), all, `${wide} covers ${narrow}`);
    }),
    { numRuns: 3_000 },
  );
});

test('the examples of section 4.7 hold', () => {
  const rows: [string, string, boolean][] = [
    ['sport/tennis/player1', 'sport/tennis/player1/#', true],
    ['sport/tennis/player1/ranking', 'sport/tennis/player1/#', true],
    ['sport', 'sport/#', true],
    ['sport', 'sport/+', false],
    ['sport/', 'sport/+', true],
    ['/finance', '+/+', true],
    ['/finance', '/+', true],
    ['/finance', '+', false],
    ['$SYS/x', '#', false],
    ['$SYS/x', '+/x', false],
    ['$SYS/x', '$SYS/#', true],
    ['ACCOUNTS', 'Accounts', false],
  ];
  for (const [topic, filter, matches] of rows) {
    assert.equal(topicMatchesFilter(topic, filter), matches, `${topic} by ${filter}`);
  }
});

test('wildcards stand alone in their level and # stands last', () => {
  for (const filter of ['#', '+', 'a/#', '+/+/#', '/', '//', 'a//b', '$SYS/#']) {
    assert.ok(isTopicFilter(filter), filter);
  }
  const wrong = ['', 'a#', 'a/#/b', '#/', 'a+', '+a', 'a/+b/c', 'a\0b', 'x'.repeat(65_536)];
  for (const filter of wrong) assert.ok(!isTopicFilter(filter), filter.slice(0, 20));
  assert.ok(isTopicName('a/b') && isTopicName('/'));
  for (const topic of ['', 'a/+', '#', 'a\0']) assert.ok(!isTopicName(topic), topic);
});

test('a shared filter is taken apart, a malformed one is not', () => {
  assert.deepEqual(parseShared('$share/g/a/+/#'), { groupName: 'g', topicFilter: 'a/+/#' });
  assert.deepEqual(parseShared('$share/g//'), { groupName: 'g', topicFilter: '/' });
  for (const text of ['$share/g', '$share//a', '$share/g/', '$share/g+/a', '$share/g/a#', 'a/b']) {
    assert.equal(parseShared(text), undefined, text);
  }
  assert.ok(isSharedFilter('$share/g'));
  assert.ok(!isSharedFilter('$SYS/share'));
});
