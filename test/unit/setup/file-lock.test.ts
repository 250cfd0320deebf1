import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { withFileLock } from '../../../scripts/setup/file-lock.mjs';

/** No process has this number (Linux allows at most 2^22). */
const DEAD_PROCESS = '999999999';

function lockPath(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'weir-lock-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, 'x.lock');
}

test('one at a time holds the lock, and the file is gone afterwards', async (context) => {
  const path = lockPath(context);
  let holders = 0;
  let waits = 0;
  const task = async () => {
    assert.equal(++holders, 1);
    await new Promise((done) => setImmediate(done));
    holders--;
  };
  const options = { waitMs: 10_000, onWait: () => waits++ };
  await Promise.all([1, 2, 3].map(() => withFileLock(path, options, task)));
  assert.equal(waits, 2);
  assert.deepEqual(readdirSync(join(path, '..')), []);
});

test('a lock whose process is dead is taken away', async (context) => {
  const path = lockPath(context);
  writeFileSync(path, DEAD_PROCESS);
  assert.equal(await withFileLock(path, { waitMs: 0 }, async () => 'done'), 'done');
});

test('a lock that is held too long is named', async (context) => {
  const path = lockPath(context);
  writeFileSync(path, String(process.pid));
  await assert.rejects(
    withFileLock(path, { waitMs: 0 }, async () => assert.fail('ran')),
    (error: Error) => error.message.includes(path),
  );
  assert.ok(existsSync(path));
});

test('a task that fails gives the lock back', async (context) => {
  const path = lockPath(context);
  const failing = withFileLock(path, { waitMs: 0 }, () => Promise.reject(new Error('no')));
  await assert.rejects(failing, /no/);
  assert.ok(!existsSync(path));
});
