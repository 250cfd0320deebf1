import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { runTests, type TestRunResult } from '../../../scripts/testing/test-run.mjs';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weir-run-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const IMPORT = `import { describe, it, test } from 'node:test';\n`;

function run(
  texts: Readonly<Record<string, string>>,
  signal = new AbortController().signal,
): Promise<TestRunResult> {
  const files = Object.entries(texts).map(([name, text]) => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  });
  const natsServer = process.env.WEIR_NATS_SERVER ?? '';
  const node = process.execPath;
  return runTests({ node, natsServer, files, concurrency: 4, testTimeoutMs: 30_000, signal });
}

const names = (events: TestRunResult['passed']) => events.map(({ name }) => name).sort();

test('tests are counted one by one, with what they and their file said', async () => {
  const text =
    `${IMPORT}test('good', () => {});\ntest('ts', () => {});\n` +
    `test('bad', () => { console.log('a word'); throw new Error('no luck'); });\n` +
    `describe('group', () => { it('in', () => {}); it.skip('left out', () => {}); });\n`;
  const result = await run({ 'a.test.ts': text });
  // 'ts' is also the end of the file's own name.
  assert.deepEqual(names(result.passed), ['good', 'group › in', 'ts']);
  assert.deepEqual(names(result.failed), ['bad']);
  assert.deepEqual(names(result.skipped), ['group › left out']);
  assert.match(result.failed[0]?.why ?? '', /no luck[^]*a\.test\.ts:4/);
  assert.match(result.output.get(join(directory, 'a.test.ts')) ?? '', /a word/);
});

test('a file without tests, a broken one and an error after the end fail', async () => {
  const late = [
    IMPORT + "test('late', () => {",
    "  setTimeout(() => { throw new Error('late'); }, 5);",
    '});',
  ].join('\n');
  const result = await run({
    'empty.test.ts': 'export const x = 1;\n',
    'broken.test.ts': `import './nowhere.ts';\n`,
    'late.test.ts': late,
  });
  assert.deepEqual(names(result.passed), ['late']);
  assert.deepEqual(
    names(result.failed).map((name) => name.replace(/^.*\//, '')),
    ['broken.test.ts', 'empty.test.ts', 'late.test.ts'],
  );
  assert.match(result.output.get(join(directory, 'broken.test.ts')) ?? '', /nowhere\.ts/);
});

test('a test that is written in another file counts for the file that was run', async () => {
  writeFileSync(join(directory, 'suite.ts'), `${IMPORT}test('shared', () => {});\n`);
  const result = await run({ 'entry.test.ts': `import './suite.ts';\n` });
  assert.deepEqual(names(result.failed), []);
  assert.equal(result.passed[0]?.file, join(directory, 'entry.test.ts'));
});

test('past the time bound everything is killed, and what had not ended has failed', async () => {
  const stop = new AbortController();
  // The test that hangs listens on a port: whether it lives can be asked from outside.
  const portFile = join(directory, 'port');
  const text =
    `import { writeFileSync } from 'node:fs';\nimport { createServer } from 'node:net';\n` +
    `${IMPORT}test('hangs', () => new Promise(() => {\n` +
    `  const server = createServer().listen(0, '127.0.0.1', () =>\n` +
    `    writeFileSync(${JSON.stringify(portFile)}, String(server.address().port)));\n}));`;
  const running = run({ 'hang.test.ts': text }, stop.signal);
  const port = Number(await waitForText(portFile));
  assert.equal(await listens(port), true);
  stop.abort();
  const result = await running;
  assert.match(result.failed[0]?.why ?? '', /time for all tests was over/);
  for (let tries = 0; tries < 200 && (await listens(port)); tries++) await pause();
  assert.equal(await listens(port), false);
});

function listens(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}

function pause(): Promise<void> {
  return new Promise((done) => {
    setTimeout(done, 10);
  });
}

async function waitForText(path: string): Promise<string> {
  for (let tries = 0; tries < 1_000; tries++) {
    try {
      const text = readFileSync(path, 'utf8');
      if (text !== '') return text;
    } catch (cause) {
      if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')) throw cause;
    }
    await pause();
  }
  return assert.fail(`${path} did not appear`);
}
