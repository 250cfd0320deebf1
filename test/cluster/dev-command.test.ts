/**
 * `weir dev` as its user sees it: real processes, one cluster for most tests, since each start
 * costs seconds.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readEndpoints } from '../../services/cli/dev/endpoints.ts';
import type { Endpoints } from '../../services/cli/dev/endpoints.ts';
import { holdFreePorts } from '../../services/cli/dev/ports.ts';
import { waitFor } from '../fixtures/wait-for.ts';

const ROOT = join(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'services/cli/main.ts');
const STOP_LIMIT_MS = 5_000;
/** What the issue promises of a second start. */
const SECOND_START_LIMIT_MS = 20_000;

const directory = mkdtempSync(join(tmpdir(), 'weir-command-'));
/** Where `weir dev` keeps its data if nothing else is said. */
const data = join(directory, '.weir');

class Command {
  readonly child: ChildProcess;
  readonly exit: Promise<number | null>;
  output = '';

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.child = spawn(process.execPath, [MAIN, ...args], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (bytes) => (this.output += String(bytes)));
    }
    this.exit = once(this.child, 'close').then(([code]) => code as number | null);
  }

  /** Resolves when the output matches; rejects when it ends without. */
  async says(pattern: RegExp, limitMs = 60_000): Promise<RegExpMatchArray> {
    const ended = (): boolean => this.child.exitCode !== null || this.child.signalCode !== null;
    const match = (): RegExpMatchArray | undefined => this.output.match(pattern) ?? undefined;
    try {
      const found = await waitFor(() => match() ?? (ended() ? 'ended' : undefined), { limitMs });
      if (found !== 'ended') return found;
    } catch {
      // Told below, with the output.
    }
    throw new Error(`no ${String(pattern)} in:\n${this.output}`);
  }
}

let cluster: Command;
const endpoints = (): Endpoints => {
  const read = readEndpoints(data);
  assert.ok(read !== undefined, 'endpoints.json is there while the cluster runs');
  return read;
};
const startCluster = (more: readonly string[] = []): Command =>
  new Command(['dev', '--port-offset', 'auto', ...more]);

before(async () => {
  cluster = startCluster();
  await cluster.says(/^ready in [\d.]+ s$/m);
});

after(async () => {
  cluster.child.kill('SIGINT');
  await cluster.exit;
  rmSync(directory, { recursive: true, maxRetries: 5 });
});

test('the demo shows a reading at the subscriber and at the webhook', async () => {
  await cluster.says(/°C → gateway-1 → dashboard on gateway-2 .* → CloudEvent \S+ at the webhook/);
});

test('there is no colour without a terminal, and every line says who speaks', () => {
  assert.ok(!cluster.output.includes('\u001b'));
  const beforeReady = cluster.output.slice(0, cluster.output.search(/^ready/m));
  for (const line of beforeReady.trimEnd().split('\n')) assert.match(line, /^[a-z0-9-]+ +│ /);
});

/** Runs a line as a user would, in the directory where the cluster was started. */
async function shell(line: string | undefined): Promise<{ code: number; output: string }> {
  const child = spawn('/bin/sh', ['-c', line ?? 'false'], { cwd: directory });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes) => (output += String(bytes)));
  }
  const [code] = await once(child, 'close');
  return { code: Number(code), output };
}

test('the lines to paste work as printed', async () => {
  const pasted = cluster.output.split('\n').filter((line) => /^ {4}\S/.test(line));
  const lines = pasted.map((line) => line.trim());
  const [sub, pub, pubWebSocket, mosquittoSub, mosquittoPub, curl] = lines;
  const subscribed = shell(`${sub} --count 3 --timeout 20`);
  const published = await shell(pub);
  assert.equal(published.code, 0, published.output);
  const overWebSocket = await shell(pubWebSocket);
  assert.equal(overWebSocket.code, 0, overWebSocket.output);
  const api = await shell(curl);
  assert.match(api.output, /"thermostat"/);
  if ((await shell('command -v mosquitto_pub')).code === 0) {
    const received = shell(`${mosquittoSub} -C 2 -W 20`);
    const sent = await shell(mosquittoPub);
    assert.equal(sent.code, 0, sent.output);
    assert.match((await received).output, /^demo\/thermostat\//m);
  }
  const { code, output } = await subscribed;
  assert.equal(code, 0, output);
  assert.match(output, /^demo\/thermostat\/\w+ /m);
});

test('the commands of docs/getting-started.md work in their order', async () => {
  const page = readFileSync(join(ROOT, 'docs/getting-started.md'), 'utf8');
  const blocks = Array.from(page.matchAll(/^```sh\n(.*?)^```/gms), ([, block = '']) => block);
  const files = page.matchAll(/^```yaml\n# (\S+)\n(.*?)^```/gms);
  for (const [, name = '', text = ''] of files) writeFileSync(join(directory, name), text);
  const commands = blocks.flatMap((block) => block.trimEnd().split('\n'));
  assert.equal(commands[0], 'npm start');
  assert.ok(commands.length > 6);
  const { control } = endpoints().ports;
  for (const command of commands.slice(1)) {
    // The test's cluster is elsewhere than npx looks, and its ports are shifted.
    const line = command
      .replaceAll(/\bnpx weir\b/g, `node ${join(ROOT, 'scripts/weir.mjs')}`)
      .replaceAll('localhost:8080', `localhost:${control}`)
      .replace(
        / (apply|allow|(?:clients|sessions) [a-z]+)( |$)/,
        ` $1 --api http://localhost:${control}$2`,
      )
      .replace(/ sub (.*)$/, ' sub $1 --count 1');
    const { code, output } = await shell(line);
    const refused = /# refused/.test(command);
    assert.equal(code, refused ? 1 : 0, `${command}\n${output}`);
  }
});

test('a refused publish and a refused subscription say why and exit 1', async () => {
  const as = ['--as', 'thermostat'];
  const pub = new Command(['pub', ...as, '-t', 'demo/other/x', '-m', '1']);
  assert.equal(await pub.exit, 1);
  assert.match(pub.output, /^weir: cannot publish to demo\/other\/x: refused with 0x87/);
  const sub = new Command(['sub', ...as, '-t', 'elsewhere/#', '-c', '1']);
  assert.equal(await sub.exit, 1);
  assert.match(sub.output, /^weir: cannot subscribe to elsewhere\/#: refused with 0x87/);
});

test('a process that is killed is started again, with lines that say so', async () => {
  const { pid = 0 } = endpoints().processes['gateway-1'] ?? {};
  process.kill(pid, 'SIGKILL');
  await cluster.says(/gateway-1 ended \(signal SIGKILL\), starting it again in 0\.5 s/);
  await cluster.says(/gateway-1 started again, pid \d+/);
  await waitFor(() => endpoints().processes['gateway-1']?.restarts === 1);
  assert.notEqual(endpoints().processes['gateway-1']?.pid, pid);
});

test('a second supervisor on the same data is refused in one line', async () => {
  const second = startCluster();
  assert.equal(await second.exit, 1);
  assert.match(second.output, /^weir: \S+lock is held by process \d+: [^\n]*\n$/);
});

test('a port in use is one clear line, and nothing stays behind', async () => {
  const { ports, held } = await holdFreePorts({
    gateways: 2,
    dispatchers: 1,
    plain: true,
    demo: true,
  });
  await held.releaseAll();
  const blocker = createServer().listen(ports.control, '127.0.0.1');
  await once(blocker, 'listening');
  const other = join(directory, 'port');
  const command = new Command(['dev', '--data', other, '--port-offset', String(ports.offset)]);
  assert.equal(await command.exit, 1);
  blocker.close();
  const expected = `^weir: port ${ports.control} \\(control, API\\) is in use: [^\\n]*\\n$`;
  assert.match(command.output, new RegExp(expected));
  assert.deepEqual(readdirSync(other), ['version']);
});

test('data of another version is one clear line', async () => {
  const other = mkdtempSync(join(directory, 'version-'));
  writeFileSync(join(other, 'version'), 'weir-data 999\n');
  const command = new Command(['dev', '--data', other, '--port-offset', 'auto']);
  assert.equal(await command.exit, 1);
  assert.match(command.output, /^weir: \S+ has data of version 999, [^\n]*\n$/);
  assert.deepEqual(readdirSync(other), ['version']);
});

test('another number of nats-servers than that of the data is one clear line', async () => {
  const other = mkdtempSync(join(directory, 'servers-'));
  writeFileSync(join(other, 'version'), 'weir-data 1\n');
  mkdirSync(join(other, 'nats'));
  writeFileSync(join(other, 'nats/servers'), '3\n');
  const command = new Command(['dev', '--data', other, '--port-offset', 'auto']);
  assert.equal(await command.exit, 1);
  assert.match(
    command.output,
    /^weir: \S+ has the data of 3 nats-servers, [^\n]*--nats 3[^\n]*\n$/,
  );
  assert.deepEqual(readdirSync(other).toSorted(), ['nats', 'version']);
});

test('a missing nats-server is one clear line', async () => {
  const env = { WEIR_NATS_SERVER: '', PATH: '', XDG_CACHE_HOME: join(directory, 'no-cache') };
  const command = new Command(['dev', '--data', join(directory, 'tool')], env);
  assert.equal(await command.exit, 1);
  assert.match(command.output, /^weir: no nats-server found: [^\n]*npm start[^\n]*\n$/);
  assert.ok(!existsSync(join(directory, 'tool')));
});

test('Ctrl-C ends everything in 5 s; the next start keeps state and is quick', async () => {
  const made = await shell(
    `curl -sf -H 'content-type: application/json' -d '{"name":"kept"}' ` +
      `http://127.0.0.1:${endpoints().ports.control}/v1/namespaces/default/clients`,
  );
  assert.equal(made.code, 0, made.output);
  const pids = Object.values(endpoints().processes).flatMap(({ pid }) => pid ?? []);
  const stopMs = performance.now();
  cluster.child.kill('SIGINT');
  assert.equal(await cluster.exit, 0);
  assert.ok(performance.now() - stopMs < STOP_LIMIT_MS);
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), /ESRCH/);
  assert.equal(readEndpoints(data), undefined);
  const ca = readFileSync(join(data, 'certs/ca.pem'), 'utf8');

  const startMs = performance.now();
  cluster = startCluster(['--no-demo', '--no-plain']);
  await cluster.says(/^ready in/m);
  assert.ok(performance.now() - startMs < SECOND_START_LIMIT_MS);
  assert.equal(readFileSync(join(data, 'certs/ca.pem'), 'utf8'), ca);
  const { ports, processes } = endpoints();
  assert.ok(!('demo' in processes) && ports.gateways.every(({ plain }) => plain === undefined));
  const api = `http://127.0.0.1:${ports.control}/v1/namespaces/default`;
  const list = async (kind: string): Promise<Record<string, { name: string }[] | undefined>> =>
    (await (await fetch(`${api}/${kind}`)).json()) as Record<string, { name: string }[]>;
  const names = (await list('clients')).clients?.map(({ name }) => name) ?? [];
  for (const name of ['kept', 'thermostat']) assert.ok(names.includes(name), name);
  assert.deepEqual((await list('eventSubscriptions')).eventSubscriptions ?? [], []);
});
