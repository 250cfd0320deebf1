import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isInstalled } from '../../../scripts/setup/dependencies.mjs';

test('an installation is complete when each needed package has its version', (context) => {
  const root = mkdtempSync(join(tmpdir(), 'weir-deps-'));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  const write = (path: string, packages: object) =>
    writeFileSync(join(root, path), JSON.stringify({ packages }));
  const installed = 'node_modules/.package-lock.json';
  const a = { version: '1.0.0' };

  assert.throws(() => isInstalled(root), /package-lock\.json is missing/);
  write('package-lock.json', {
    '': {},
    'node_modules/a': a,
    'node_modules/b': { ...a, optional: true },
  });
  assert.equal(isInstalled(root), false);
  mkdirSync(join(root, 'node_modules'));
  write(installed, {});
  assert.equal(isInstalled(root), false);
  write(installed, { 'node_modules/a': a });
  assert.equal(isInstalled(root), true);
  write(installed, { 'node_modules/a': { version: '1.0.1' } });
  assert.equal(isInstalled(root), false);
  write(installed, { 'node_modules/a': a, 'node_modules/b': { version: '0.9.0' } });
  assert.equal(isInstalled(root), false);
});
