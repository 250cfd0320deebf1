import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { compileTemplate, expandTemplate, isTopicFilter } from '#topics';
import type { TemplateIdentity } from '#topics';

const IDENTITY: TemplateIdentity = {
  authenticationName: 'Dev-7',
  attributes: { site: '7', floor: 3, areas: ['x', 'y'], evil: 'a/b', star: '+', empty: '' },
};

function expand(text: string, identity: TemplateIdentity = IDENTITY): readonly string[] {
  const compiled = compileTemplate(text);
  assert.ok(compiled.ok, text);
  return expandTemplate(compiled.template, identity);
}

test('variables take the values of the client', () => {
  const rows: [string, string[]][] = [
    ['plain/+/#', ['plain/+/#']],
    ['site/${client.attributes.site}/#', ['site/7/#']],
    ['d/${client.authenticationName}', ['d/Dev-7']],
    ['d/${client.authenticationName|.factory1}/x', ['d/Dev-7.factory1/x']],
    ['f/${client.attributes.floor}', ['f/3']],
    ['a/${client.attributes.areas}/+', ['a/x/+', 'a/y/+']],
    ['pre-${client.attributes.site}-post', ['pre-7-post']],
  ];
  for (const [template, filters] of rows) assert.deepEqual(expand(template), filters, template);
});

test('a value that would leave its level or match more gives no filter', () => {
  for (const attribute of ['evil', 'star', 'empty', 'missing', 'toString', '__proto__']) {
    assert.deepEqual(expand(`a/\${client.attributes.${attribute}}/b`), [], attribute);
  }
  const reserved = { authenticationName: '$SYS', attributes: {} };
  assert.deepEqual(expand('${client.authenticationName}/x', reserved), []);
});

test('a faulty template is refused with a sentence', () => {
  const wrong = [
    '',
    'a/${client.name}',
    'a/${client.attributes.}',
    'a/${client.attributes.a-b}',
    'a/${client.authenticationName',
    'a/${client.authenticationName|/x}',
    'a/+${client.authenticationName}',
    'a/#/b',
    '$SYS/#',
  ];
  for (const text of wrong) {
    const compiled = compileTemplate(text);
    assert.ok(!compiled.ok && compiled.why.length > 0, text);
  }
});

test('no value ever widens a template', () => {
  const value = fc.string({
    unit: fc.constantFrom('a', '/', '+', '#', '$', '\0', '}'),
    maxLength: 4,
  });
  fc.assert(
    fc.property(value, fc.array(value), (one, many) => {
      const identity = { authenticationName: one, attributes: { x: many } };
      const text = 'p/${client.authenticationName}/q/${client.attributes.x}/r';
      for (const filter of expand(text, identity)) {
        assert.ok(isTopicFilter(filter));
        assert.equal(filter.split('/').length, 5);
        assert.ok(!/[+#]/.test(filter));
      }
    }),
  );
});

test('arrays multiply up to a bound', () => {
  const many = Array.from({ length: 200 }, (_, i) => `v${i}`);
  const identity = { authenticationName: 'n', attributes: { x: many, y: many } };
  const filters = expand('${client.attributes.x}/${client.attributes.y}', identity);
  assert.equal(filters.length, 1_024);
});
