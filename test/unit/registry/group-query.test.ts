import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseGroupQuery } from '../../../lib/registry/group-query.ts';

const client = {
  authenticationName: 'Thermostat-7',
  attributes: { site: 'north', floor: 3, sensors: ['motion', 'noise'], quote: `it's "so"` },
};

function matches(query: string): boolean {
  const parsed = parseGroupQuery(query);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.why);
  return parsed.matches(client);
}

const TRUE = [
  'attributes.site = "north"',
  "attributes.site = 'north'",
  'attributes.site <> "south"',
  'attributes.missing != "x"',
  'attributes.floor = 3',
  'attributes.floor >= 3 and attributes.floor < 4',
  'attributes.floor IN [1, 2, 3]',
  'attributes.sensors = "motion"',
  'attributes.sensors != "smoke"',
  'attributes.sensors in ["smoke", "noise"]',
  'authenticationName = "thermostat-7"',
  'authenticationName IN ["a", "THERMOSTAT-7"]',
  `attributes.quote = 'it\\'s "so"'`,
  'attributes.site = "south" or attributes.site = "north" and attributes.floor = 3',
  'attributes.site = "north" OR attributes.site = "north" AND attributes.floor = 4',
  '(attributes.site = "south" or attributes.site = "north") and (attributes.floor > -1)',
];

const FALSE = [
  'attributes.site = "North"',
  'attributes.site != "north"',
  'attributes.missing = "x"',
  'attributes.missing < 3',
  'attributes.site < 3',
  'attributes.floor = "3"',
  'attributes.missing IN ["x"]',
  'attributes.constructor != "x" and attributes.constructor = "x"',
  'attributes.sensors != "motion"',
  '(attributes.site = "north" or attributes.floor = 3) and attributes.floor = 4',
];

test('each operator decides as the grammar says', () => {
  for (const query of TRUE) assert.equal(matches(query), true, query);
  for (const query of FALSE) assert.equal(matches(query), false, query);
});

test('a fault says what was expected and where', () => {
  const faults: [string, RegExp][] = [
    ['', /authenticationName or attributes\.NAME expected at character 1, found the end/],
    ['attributes.a', /a comparison or IN expected at character 13/],
    ['attributes.a = ', /a quoted text or a whole number/],
    ['attributes.a = "b', /begins at 16 has no end/],
    ['attributes.a < "b"', /a whole number after </],
    ['attributes.a = 1 attributes.b = 2', /"and", "or" or the end expected at character 18/],
    ['attributes.a IN ["x" "y"]', /"," or "\]"/],
    ['(attributes.a = 1', /"\)" expected/],
    ['state = 1', /found "state"/],
    ['attributes.a-b = 1', /unexpected character at 13/],
    ['attributes.a = 99999999999999999999', /too large/],
    ['attributes.a = 1;', /unexpected character at 17/],
    [`${'('.repeat(65)}attributes.a = 1${')'.repeat(65)}`, /64 parentheses/],
  ];
  for (const [query, why] of faults) {
    const parsed = parseGroupQuery(query);
    assert.ok(!parsed.ok, query);
    assert.match(parsed.why, why, query);
  }
});

test('any text parses or is refused, and never throws', () => {
  const piece = fc.constantFrom('attributes.a', '=', '"x"', '(', ')', 'and', 'or', 'IN', '[', ']');
  const text = fc.oneof(
    fc.string(),
    fc.array(piece).map((pieces) => pieces.join(' ')),
  );
  fc.assert(
    fc.property(text, (query) => {
      const parsed = parseGroupQuery(query);
      if (parsed.ok) assert.equal(typeof parsed.matches(client), 'boolean');
    }),
    { numRuns: 500 },
  );
});
