/**
 * `weir clients` against a real control process.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { X509Certificate } from 'node:crypto';
import { Fault } from '#base';
import { CertificateStore } from '../../services/cli/certs/store.ts';
import { importClients } from '../../services/cli/clients/import-clients.ts';
import { issueClientCertificate } from '../../services/cli/clients/issue-client.ts';
import { ControlClient } from '../../services/cli/registry/control-client.ts';
import { isReady, startControl } from '../fixtures/control.ts';
import type { TestControl } from '../fixtures/control.ts';
import { startNatsServer } from '../fixtures/nats-server.ts';
import type { TestNatsServer } from '../fixtures/nats-server.ts';
import { waitFor } from '../fixtures/wait-for.ts';

const MAIN = join(import.meta.dirname, '../../services/cli/main.ts');

let server: TestNatsServer;
let control: TestControl;
let client: ControlClient;
let directory: string;

before(async () => {
  server = await startNatsServer();
  control = await startControl(server.url);
  await waitFor(() => isReady(control));
  client = new ControlClient(control.url);
  directory = mkdtempSync(join(tmpdir(), 'weir-clients-'));
});

after(async () => {
  await control.stop();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function weir(...words: readonly string[]) {
  const child = spawn(process.execPath, [MAIN, ...words, '--api', control.url]);
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  await once(child, 'close');
  return { code: child.exitCode, out, err };
}

test('a client is created, shown, disabled, enabled and deleted', async () => {
  const attributes = ['-a', 'site=north', 'floor=3', 'zones=[a,b]'];
  const made = await weir('clients', 'create', 'robot-1', ...attributes);
  assert.deepEqual(made, { code: 0, out: 'created clients/robot-1\n', err: '' });
  const [table, json, disabled] = await Promise.all([
    weir('clients', 'list'),
    weir('clients', 'get', 'robot-1', '-o', 'json'),
    weir('clients', 'disable', 'robot-1'),
  ]);
  assert.match(
    table.out,
    /^NAME +AUTHENTICATION NAME +STATE.*\nrobot-1 .*site=north floor=3 zones=\[a,b\]/,
  );
  const shown = JSON.parse(json.out) as { attributes: unknown };
  assert.deepEqual(shown.attributes, { site: 'north', floor: 3, zones: ['a', 'b'] });
  assert.equal(disabled.out, 'disabled clients/robot-1\n');
  const [yaml, enabled] = await Promise.all([
    weir('clients', 'list', '-o', 'yaml'),
    weir('clients', 'enable', 'robot-1'),
  ]);
  assert.match(yaml.out, /^- name: robot-1\n/);
  assert.equal(enabled.out, 'enabled clients/robot-1\n');
  const kept = await client.get('clients', 'robot-1');
  assert.deepEqual(kept?.attributes, shown.attributes, 'a change of state leaves the rest');
  const [refused, removed, absent] = await Promise.all([
    weir('clients', 'create', 'robot 2', '--thumbprint', 'xy'),
    weir('clients', 'delete', 'robot-1'),
    weir('allow', 'nobody', 'publish', 'a/b'),
  ]);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /name: must have[^]*allowedThumbprints\[0\]: must be a SHA-256/);
  assert.equal(removed.out, 'deleted clients/robot-1\n');
  assert.equal(absent.code, 1);
  assert.match(absent.err, /^weir: no client "nobody"\n$/);
});

test('an import tells each refused line, and takes the others', async () => {
  const file = join(directory, 'clients.ndjson');
  const good = Array.from(
    { length: 100 },
    (_, i) => `{"name":"bulk-${i}","attributes":{"n":${i}}}`,
  );
  const bad = ['{"name":"a b"}', 'no json', '[]', '{"name":"bulk-x","atributes":{}}'];
  writeFileSync(file, [...good.slice(0, 50), ...bad, '', ...good.slice(50)].join('\n'));
  const first = await weir('clients', 'import', file);
  assert.equal(first.code, 1);
  const told = first.err.trimEnd().split('\n');
  assert.equal(told.at(-1), '105 lines: 100 created, 0 updated, 0 unchanged, 4 refused');
  const lineOf = (number: number) => told.find((line) => line.startsWith(`${file}:${number}: `));
  assert.match(lineOf(51) ?? '', /clients\/a b: name: must have/);
  assert.match(lineOf(52) ?? '', /must be a JSON object with a name/);
  assert.match(lineOf(53) ?? '', /must be a JSON object with a name/);
  assert.match(lineOf(54) ?? '', /clients\/bulk-x: atributes: is not a known field/);
  const again = async (replace: boolean) => {
    const lines = (async function* () {
      yield* good;
    })();
    const silent = { err: () => undefined, progress: () => undefined };
    return importClients({ client, lines, file, replace, ...silent });
  };
  assert.deepEqual(await again(false), { created: 0, updated: 0, unchanged: 0, refused: 100 });
  assert.deepEqual(await again(true), { created: 0, updated: 0, unchanged: 100, refused: 0 });
});

test('an import ends when the API cannot be reached', async () => {
  const lines = (async function* () {
    yield '{"name":"one"}';
    yield '{"name":"two"}';
  })();
  const nowhere = new ControlClient('http://127.0.0.1:1');
  const silent = { err: () => undefined, progress: () => undefined };
  const request = { client: nowhere, lines, file: 'f', replace: false, ...silent };
  await assert.rejects(importClients(request), Fault);
});

test('issue registers, makes key and certificate, and prints how to connect', async () => {
  const store = new CertificateStore(join(directory, 'certs'));
  const lines: string[] = [];
  const issue = (name: string) =>
    issueClientCertificate({
      ...{ client, store, name, host: 'broker.example', port: '8883' },
      attribute: ['type=sensor'],
      out: (line) => lines.push(line),
    });
  await assert.rejects(issue('sensor-1'), /no CA/);
  assert.equal(await client.get('clients', 'sensor-1'), undefined, 'not registered without a CA');
  await store.ensureAuthority('Test CA');
  await issue('sensor-1');
  const { certificate, key } = store.paths('sensor-1');
  assert.equal(new X509Certificate(readFileSync(certificate)).subject, 'CN=sensor-1');
  assert.deepEqual((await client.get('clients', 'sensor-1'))?.attributes, { type: 'sensor' });
  assert.match(lines[2] ?? '', /^mosquitto_pub -h broker\.example -p 8883 --cafile /);
  assert.ok(lines[2]?.includes(`-u sensor-1 --cert ${certificate} --key ${key}`));
  lines.length = 0;
  await issue('sensor-1');
  assert.match(lines.join('\n'), /^kept clients\/sensor-1\nkept /);
});
