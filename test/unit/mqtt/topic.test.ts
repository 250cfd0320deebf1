/** Topic names, topic filters and UTF-8. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isSharedFilter, topicFilterFault, validateTopicName } from '#mqtt';

function nameFault(bytes: Buffer): string | undefined {
  const padded = Buffer.concat([Buffer.from('+'), bytes, Buffer.from('#')]);
  return validateTopicName(padded, 1, 1 + bytes.length);
}

test('a topic name is valid exactly when it is UTF-8 without zero and wildcards', () => {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const byte = fc.oneof(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0x61),
  );
  const bytes = fc.oneof(
    fc.array(byte, { maxLength: 6 }).map((list) => Buffer.from(list)),
    fc.string({ unit: 'binary', maxLength: 12 }).map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(bytes, (of) => {
      let text: string | undefined;
      try {
        text = strict.decode(of);
      } catch (error) {
        assert.ok(error instanceof TypeError);
      }
      const valid = text !== undefined && text !== '' && !/[\0+#]/.test(text);
      assert.equal(nameFault(of) === undefined, valid, of.toString('hex'));
    }),
    { numRuns: 2000 },
  );
});

test('the fault of a name has a name', () => {
  assert.equal(nameFault(Buffer.from('')), 'topic_empty');
  assert.equal(nameFault(Buffer.from('a\0')), 'topic_zero');
  assert.equal(nameFault(Buffer.from('ü/+')), 'topic_wildcard');
  assert.equal(nameFault(Buffer.from([0x61, 0xc3])), 'topic_utf8');
});

const GOOD = [
  '#',
  '+',
  '/',
  '//',
  '+/+',
  '/#',
  'a//b',
  ' ',
  '$x/#',
  'a/+/b/#',
  '+/a',
  '$share/g/#',
  '$share/g//',
  '$share/g/+/x',
  '$share/ü/t',
  '$shared/x',
  '$share',
];

const BAD: readonly (readonly [statement: string, filters: readonly string[]])[] = [
  ['MQTT-4.7.3-1', ['']],
  ['MQTT-4.7.3-2', ['a\0b', '$share/g/a\0']],
  ['MQTT-4.7.1-1', ['a#', '#a', 'a/#/b', '##', '#/', '#/a', '$share/g/a#', '$share/g/#/b']],
  ['MQTT-4.7.1-2', ['a+', '+a', 'a/b+/c', '++', '+a/b', '$share/g/a+']],
  ['MQTT-4.8.2-1', ['$share/', '$share//t']],
  ['MQTT-4.8.2-2', ['$share/g', '$share/g/', '$share/g+/t', '$share/#/t', '$share/+/t']],
];

test('filters with right syntax', () => {
  for (const filter of GOOD) assert.equal(topicFilterFault(filter), undefined, filter);
});

for (const [statement, filters] of BAD) {
  test(`[${statement}] filters with wrong syntax`, () => {
    for (const filter of filters) {
      assert.ok(topicFilterFault(filter)?.endsWith(`[${statement}]`), filter);
    }
  });
}

test('shared filters are known by their first level', () => {
  assert.equal(isSharedFilter('$share/g/t'), true);
  assert.equal(isSharedFilter('$shared/g/t'), false);
  assert.equal(isSharedFilter('x/$share/g'), false);
});
