import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Supervisor } from '../../../services/cli/dev/supervisor.ts';
import type { SupervisorOptions } from '../../../services/cli/dev/supervisor.ts';
import type { ProcessSpec } from '../../../services/cli/dev/managed-process.ts';
import { waitFor } from '../../fixtures/wait-for.ts';

const STAND_IN = join(import.meta.dirname, 'dev-process.ts');

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  await new Promise((resolve) => server.close(resolve));
  return address.port;
}

async function standIn(name: string, mode = 'good'): Promise<ProcessSpec> {
  const port = await freePort();
  return {
    name,
    command: process.execPath,
    args: [STAND_IN, String(port), mode],
    env: process.env,
    ports: [port],
    readyUrl: `http://127.0.0.1:${port}/readyz`,
    watchesParent: true,
  };
}

/** A foreign program, as nats-server is one. */
function foreign(name: string): ProcessSpec {
  const { env, execPath: command } = process;
  const args = ['-e', 'setInterval(() => undefined, 1000)'];
  return { name, command, args, env, ports: [], readyUrl: undefined, watchesParent: false };
}

function supervise(context: TestContext, stages: ProcessSpec[][], more: object = {}) {
  const lines: string[] = [];
  const notices: string[] = [];
  const options: SupervisorOptions = {
    table: stages.map((processes) => ({ processes })),
    restart: true,
    onLine: (name, line) => lines.push(`${name} ${line}`),
    onNotice: (text) => notices.push(text),
    onChange: () => undefined,
    beforeStart: async () => undefined,
    ...more,
  };
  const supervisor = new Supervisor(options);
  context.after(() => supervisor.stop());
  return { supervisor, lines, notices };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    // No such process.
    return false;
  }
}

test('stages start one after the other and stop the other way round', async (context) => {
  const order: string[] = [];
  const ends = new Set<string>();
  const { supervisor } = supervise(
    context,
    [[await standIn('first')], [await standIn('second'), await standIn('third')]],
    {
      beforeStart: async (spec: ProcessSpec) => void order.push(spec.name),
      // What children write may be read later than their ends are seen, so their ends are counted.
      onChange: () => {
        for (const child of supervisor.processes.values()) {
          if (child.state === 'stopped') ends.add(child.name);
        }
      },
    },
  );
  await supervisor.start(new Map([['first', async () => void order.push('first is ready')]]));
  assert.deepEqual(order.slice(0, 2), ['first', 'first is ready']);
  await supervisor.stop();
  assert.deepEqual([...ends].slice(0, 2).toSorted(), ['second', 'third']);
  assert.equal([...ends][2], 'first');
});

test('a child that dies is started again, with lines that say so', async (context) => {
  const { supervisor, notices } = supervise(context, [[await standIn('router')]]);
  await supervisor.start();
  const child = supervisor.processes.get('router');
  const pid = child?.pid ?? 0;
  process.kill(pid, 'SIGKILL');
  await waitFor(() => child?.restartCount === 1);
  assert.ok(child?.pid !== undefined && child.pid !== pid);
  assert.equal(notices[0], 'router ended (signal SIGKILL), starting it again in 0.5 s');
  assert.equal(notices[1], `router started again, pid ${child.pid}`);
});

test('without restarts it stays down until it is started by name', async (context) => {
  const { supervisor, notices } = supervise(context, [[await standIn('router')]], {
    restart: false,
  });
  await supervisor.start();
  const child = supervisor.processes.get('router');
  assert.equal(supervisor.startAgain('router'), false, 'it runs');
  process.kill(child?.pid ?? 0, 'SIGKILL');
  await waitFor(() => child?.state === 'ended');
  assert.match(notices[0] ?? '', /not started again/);
  assert.equal(supervisor.startAgain('router'), true);
  assert.equal(supervisor.startAgain('nobody'), false);
  await waitFor(() => child?.pid !== undefined);
});

test('a child that ends before everything is ready fails the start', async (context) => {
  const { supervisor } = supervise(context, [
    [await standIn('control')],
    [await standIn('gateway-1', 'fails'), await standIn('router', 'unready')],
  ]);
  await assert.rejects(supervisor.start(), /gateway-1 ended \(exit code 7\) before everything/);
  await supervisor.stop();
  for (const child of supervisor.processes.values()) assert.equal(child.pid, undefined);
});

test('a program that is not there fails the start', async (context) => {
  const spec = { ...foreign('nats'), command: '/nowhere/nats-server' };
  const late = await standIn('control');
  const { supervisor } = supervise(context, [[spec], [late]]);
  await assert.rejects(supervisor.start(), /nats ended \(cannot be started: .*ENOENT/);
});

test('a child that never gets ready fails the start, with the reason', async (context) => {
  const { supervisor } = supervise(context, [[await standIn('control', 'unready')]], {
    readyLimitMs: 1_000,
  });
  await assert.rejects(supervisor.start(), /control was not ready after 1 s: .*"bus":"starting"/);
});

test('work that fails beside the start fails the start', async (context) => {
  const { supervisor } = supervise(context, [[await standIn('control')]]);
  const work = (): Promise<void> => Promise.reject(new Error('cannot register'));
  await assert.rejects(supervisor.start(new Map([['control', work]])), /cannot register/);
});

test('a child that does not end is killed within 5 s', async (context) => {
  const { supervisor, notices } = supervise(context, [
    [foreign('nats')],
    [await standIn('gateway-1', 'stubborn')],
  ]);
  await supervisor.start();
  const startMs = performance.now();
  await supervisor.stop();
  assert.ok(performance.now() - startMs < 5_000);
  assert.deepEqual(notices, ['gateway-1 did not end in time and is killed']);
});

test('children end when their supervisor is killed', async () => {
  const program = join(import.meta.dirname, 'supervisor-process.ts');
  const child = spawn(process.execPath, [program, STAND_IN, String(await freePort())], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [bytes] = await new Promise<[Buffer]>((resolve) =>
    child.stdout.once('data', (data: Buffer) => resolve([data])),
  );
  const pids = JSON.parse(String(bytes)) as number[];
  assert.equal(pids.length, 2);
  assert.ok(pids.every(isAlive));
  child.kill('SIGKILL');
  await waitFor(() => !pids.some(isAlive));
});
