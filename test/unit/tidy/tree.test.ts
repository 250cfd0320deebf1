import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROOT } from '../../../scripts/setup/project.mjs';
import { readTree } from '../../../scripts/tidy/tree.ts';

test('the tree holds the sources and neither installed nor generated files', () => {
  const tree = readTree(ROOT);
  assert.ok(tree.sourcePaths.includes('lib/base/mod.ts'));
  assert.ok(tree.paths.includes('package.json'));
  assert.ok(!tree.paths.some((path) => path.startsWith('node_modules/')));
  assert.ok(!tree.sourcePaths.some((path) => path.includes('/gen/')));
});
