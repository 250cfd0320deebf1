import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { SHUTDOWN_LIMIT_MS } from '#runtime';

const PROGRAM = join(import.meta.dirname, 'shutdown-process.ts');

class Subject {
  readonly child: ChildProcess;
  readonly exit: Promise<{ code: number | null; output: string; tookMs: number }>;
  #output = '';
  #signalledMs = performance.now();

  constructor(mode: string, parentPipe = false) {
    const env = { ...process.env, ...(parentPipe ? { WEIR_PARENT_PIPE: '1' } : {}) };
    const child = spawn(process.execPath, [PROGRAM, mode], {
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    child.stdout?.on('data', (bytes) => (this.#output += String(bytes)));
    child.stderr?.on('data', (bytes) => (this.#output += String(bytes)));
    this.child = child;
    this.exit = once(child, 'close').then(([code]) => ({
      code: code as number | null,
      output: this.#output,
      tookMs: performance.now() - this.#signalledMs,
    }));
  }

  async up(): Promise<void> {
    while (!this.#output.includes('up\n')) {
      await Promise.race([once(this.child.stdout ?? this.child, 'data'), this.exit]);
      if (this.child.exitCode !== null) throw new Error(`ended early: ${this.#output}`);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#signalledMs = performance.now();
    this.child.kill(signal);
  }
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} runs the tasks, last registered first, and exits 0`, async () => {
    const subject = new Subject('clean');
    await subject.up();
    subject.signal(signal);
    subject.signal(signal);
    const { code, output } = await subject.exit;
    assert.equal(code, 0);
    assert.match(output, new RegExp(`last registered, ${signal}\nfirst registered\n`));
    assert.equal(output.split('first registered').length, 2, 'each task runs once');
  });
}

test('a task that fails is reported, the others run, and the exit code is 1', async () => {
  const subject = new Subject('failing');
  await subject.up();
  subject.signal('SIGTERM');
  const { code, output } = await subject.exit;
  assert.equal(code, 1);
  assert.match(output, /cannot close/);
  assert.match(output, /first registered/);
});

test('a task that hangs is cut off before a supervisor would kill', async () => {
  const subject = new Subject('hanging');
  await subject.up();
  subject.signal('SIGTERM');
  const { code, tookMs } = await subject.exit;
  assert.equal(code, 1);
  assert.ok(SHUTDOWN_LIMIT_MS < 4_000);
  assert.ok(tookMs >= SHUTDOWN_LIMIT_MS - 100, `${tookMs}`);
});

test('a service may end itself with its own exit code', async () => {
  const { code, output } = await new Subject('self').exit;
  assert.equal(code, 3);
  assert.match(output, /last registered, lost its lease/);
});

test('a Fault at the start is one line without a stack and exit code 1', async () => {
  const { code, output } = await new Subject('fault').exit;
  assert.equal(code, 1);
  assert.equal(output.trim().split('\n').length, 1);
  const line = JSON.parse(output);
  assert.equal(line.msg, 'start failed');
  assert.equal(line.code, 'WEIR_CONFIG');
  assert.equal(line.why, 'WEIR_X is wrong');
});

test('a programmer error at the start keeps its stack', async () => {
  const { code, output } = await new Subject('throw').exit;
  assert.equal(code, 1);
  assert.match(JSON.parse(output).error.stack, /shutdown-process\.ts/);
});

test('the end of the parent pipe ends the process like a signal', async () => {
  const subject = new Subject('clean', true);
  await subject.up();
  subject.child.stdin?.destroy();
  const { code, output } = await subject.exit;
  assert.equal(code, 0);
  assert.match(output, /last registered, parent ended/);
});

test('without WEIR_PARENT_PIPE a closed standard input means nothing', async () => {
  const subject = new Subject('clean');
  await subject.up();
  subject.child.stdin?.destroy();
  subject.signal('SIGTERM');
  const { output } = await subject.exit;
  assert.match(output, /last registered, SIGTERM/);
});
