import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readResources } from '../../../services/cli/registry/apply-command.ts';
import { readResourceFile } from '../../../services/cli/registry/resource-file.ts';

test('faults of a file name the line', () => {
  const faults: [string, RegExp][] = [
    ['kind: Klient\nname: a', /^f:1: kind: must be one of NamespaceSettings, CaCertificate, /],
    ['\nkind: Client\nnome: a', /^f:2: name: must be a text/],
    ['kind: Client\nname: 7', /^f:2: name: must be a text/],
    ['- a', /^f:1: must be an object/],
    ['kind: Client\nname: a\nspec: 3', /^f:3: spec: must be an object/],
    ['kind: Client\nname: a\nspec: {}\nstate: Enabled', /^f:4: state: must stand below spec/],
    ['kind: Client\nname: a\n---\nkind: [', /^f:4: /],
    ['kind: constructor\nname: a', /^f:1: kind: /],
  ];
  for (const [text, expected] of faults) {
    assert.match(readResourceFile('f', text).faults.join('\n'), expected, text);
  }
});

test('a field that is not in the file is placed at what is around it', () => {
  const text = 'kind: EventSubscription\nname: hook\ndestination:\n  webhook:\n    x: 1\n';
  const { resources, faults } = readResourceFile('f', `# comment\n---\n${text}---\n`);
  assert.deepEqual(faults, []);
  const [resource] = resources;
  assert.equal(resources.length, 1);
  assert.equal(resource?.placeOf('name'), 'f:4');
  assert.equal(resource?.placeOf('destination.webhook.x'), 'f:7');
  assert.equal(resource?.placeOf('destination.webhook.endpointUrl'), 'f:7');
  assert.equal(resource?.placeOf('topicFilters[0]'), 'f:3');
  assert.deepEqual(resource?.spec, { destination: { webhook: { x: 1 } } });
});

test('nothing is applied when a file has a fault or a resource stands twice', () => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-apply-'));
  try {
    const one = join(directory, 'one.yaml');
    const two = join(directory, 'two.yaml');
    writeFileSync(one, 'kind: Client\nname: a\n');
    writeFileSync(two, 'kind: Client\nname: a\n---\nkind: X\n');
    assert.equal(readResources([one]).length, 1);
    assert.throws(
      () => readResources([one, two]),
      /two\.yaml:2: clients\/a stands at .*one\.yaml:2/,
    );
    assert.throws(() => readResources([one, two]), /two\.yaml:4: kind/);
    assert.throws(() => readResources([join(directory, 'none')]), { code: 'WEIR_CONFIG' });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
