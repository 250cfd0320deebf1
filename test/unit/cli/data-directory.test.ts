import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Fault } from '#base';
import { DATA_VERSION, DataDirectory } from '../../../services/cli/dev/data-directory.ts';

function temporary(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'weir-data-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

function writeLock(path: string, record: object | string): void {
  writeFileSync(join(path, 'lock'), typeof record === 'string' ? record : JSON.stringify(record));
}

/** A process id that is no longer in use. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid;
}

test('a new directory is made, versioned and locked; closing unlocks it', (context) => {
  const path = join(temporary(context), 'deep', 'data');
  const data = DataDirectory.open(path);
  assert.equal(readFileSync(join(path, 'version'), 'utf8'), `weir-data ${DATA_VERSION}\n`);
  assert.equal(data.tookOver, false);
  writeFileSync(data.endpointsFile, '{}');
  data.close();
  data.close();
  assert.deepEqual(readdirSync(path), ['version']);
  DataDirectory.open(path).close();
});

test('data of another version is refused and left alone', (context) => {
  const path = temporary(context);
  writeFileSync(join(path, 'version'), 'weir-data 999\n');
  assert.throws(
    () => DataDirectory.open(path),
    (cause: unknown) =>
      cause instanceof Fault &&
      cause.code === 'WEIR_DATA_VERSION' &&
      /version 999, this is version/.test(cause.message),
  );
  assert.deepEqual(readdirSync(path), ['version']);
});

test('a directory that holds something else is refused and left alone', (context) => {
  const path = temporary(context);
  writeFileSync(join(path, 'thesis.txt'), '');
  assert.throws(() => DataDirectory.open(path), /something else than Weir data/);
  assert.deepEqual(readdirSync(path), ['thesis.txt']);
});

test('a second supervisor is refused and told who holds it', (context) => {
  const path = temporary(context);
  const data = DataDirectory.open(path);
  assert.throws(() => DataDirectory.open(path), new RegExp(`held by process ${process.pid}`));
  assert.ok(existsSync(join(path, 'lock')), 'the holder keeps its lock');
  data.close();
});

test('the lock of a dead, unknown or namesake process is taken over', (context) => {
  for (const lock of [
    { pid: deadPid(), started: '1' },
    'half a lo',
    { pid: process.ppid, started: '1' },
    { pid: process.pid, started: '1' },
  ]) {
    const path = temporary(context);
    writeLock(path, lock);
    const data = DataDirectory.open(path);
    assert.equal(data.tookOver, true);
    data.close();
  }
});

test('a start that was killed before it wrote the version does not block the next', (context) => {
  const path = temporary(context);
  const pid = deadPid();
  writeLock(path, { pid, started: '1' });
  writeFileSync(join(path, `version.${pid}.tmp`), '');
  DataDirectory.open(path).close();
});
