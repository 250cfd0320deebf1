import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FOLDERS, parseSelection } from '../../../scripts/testing/selection.mjs';

test('without arguments everything runs', () => {
  const { checks, folders } = parseSelection([]);
  assert.equal(checks, true);
  assert.deepEqual(folders, FOLDERS);
});

test('folders and checks are picked by name', () => {
  const picked = parseSelection(['--only', 'cluster,unit']);
  assert.deepEqual([picked.checks, picked.folders], [false, ['unit', 'cluster']]);
  assert.deepEqual(parseSelection(['--only', 'checks']).folders, []);
});

test('text and name narrow the tests and leave out the checks', () => {
  assert.equal(parseSelection(['frames']).checks, false);
  assert.deepEqual(parseSelection(['frames']).texts, ['frames']);
  assert.equal(parseSelection(['--name', 'x']).namePattern, 'x');
});

test('what is unknown is refused with the usage', () => {
  assert.throws(() => parseSelection(['--only', 'units']), /units is unknown[^]*npm test/);
  assert.throws(() => parseSelection(['--fast']), /fast[^]*npm test/);
  assert.throws(() => parseSelection(['--time-limit', 'soon']), /seconds/);
});
