/**
 * The control API from outside: a real process, asked with fetch, with @grpc/grpc-js and with
 * `weir apply`, all on one port.
 */
import assert from 'node:assert/strict';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { systemClock } from '#base';
import { connectNats } from '#bus';
import { openRegistryView, readClusterSettings } from '#registry';
import { applyResources } from '../../services/cli/registry/apply-command.ts';
import { writeCheck } from '../../services/cli/registry/allow-command.ts';
import { ControlClient, ControlRefusal } from '../../services/cli/registry/control-client.ts';
import { readResourceFile } from '../../services/cli/registry/resource-file.ts';
import { makeCertificate } from '../fixtures/certificates.ts';
import { isReady, startControl } from '../fixtures/control.ts';
import type { TestControl } from '../fixtures/control.ts';
import { startNatsServer } from '../fixtures/nats-server.ts';
import type { TestNatsServer } from '../fixtures/nats-server.ts';
import { waitFor } from '../fixtures/wait-for.ts';

let server: TestNatsServer;
let control: TestControl;
let client: ControlClient;

before(async () => {
  server = await startNatsServer();
  control = await startControl(server.url, { WEIR_PARTITIONS: '3' });
  await waitFor(() => isReady(control));
  client = new ControlClient(control.url);
});

after(async () => {
  await control.stop();
  await server.stop();
});

async function call(method: string, path: string, body?: unknown, headers: object = {}) {
  const response = await fetch(`${control.url}/v1/namespaces/default/${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const json = (await response.json()) as Record<string, unknown> & {
    error?: { status: string; message: string; details?: { fieldViolations: unknown[] }[] };
  };
  return { http: response.status, json };
}

test('a first start makes the streams and writes the settings once', async () => {
  const bus = await connectNats({ servers: server.url, name: 'test' });
  const settings = await readClusterSettings(bus);
  assert.deepEqual(settings, { partitions: 3, replicas: 1, layoutVersion: 1 });
  const streams = ['KV_registry', 'GW', 'LOG_02', 'STATE_dispatch_02', 'STATE_router_02'];
  for (const stream of streams) {
    const state = await new Promise((resolve) => bus.state(stream, resolve));
    assert.notEqual(state, undefined, stream);
  }
  const second = await startControl(server.url, { WEIR_PARTITIONS: '5' });
  await waitFor(() => isReady(second));
  assert.deepEqual(await readClusterSettings(bus), settings);
  assert.match(
    second.lines.join('\n'),
    /"partitions":3.*"asked":\{"partitions":5.*keeps its settings/,
  );
  assert.equal(await second.stop(), 0);
  await bus.close();
});

test('JSON over HTTP: create, get, list, update, delete', async () => {
  const spec = { attributes: { site: 'north', floor: 3, zones: ['a'] } };
  const made = await call('POST', 'clients', { name: 'dev:1', ...spec });
  assert.equal(made.http, 200);
  assert.equal(made.json['state'], 'Enabled');
  assert.deepEqual(made.json['attributes'], spec.attributes);
  assert.match(String(made.json['createTime']), /^20\d\d-.*Z$/);
  assert.deepEqual((await call('GET', 'clients/dev%3A1')).json, made.json);
  const again = await call('POST', 'clients', { name: 'dev:1' });
  assert.equal(again.http, 409);
  assert.equal(again.json.error?.status, 'ALREADY_EXISTS');
  await call('POST', 'clients', { name: 'dev.2' });
  const page = await call('GET', 'clients?pageSize=1');
  assert.deepEqual(
    (page.json['clients'] as { name: string }[]).map(({ name }) => name),
    ['dev.2'],
  );
  const rest = await call(
    'GET',
    `clients?pageSize=1&pageToken=${String(page.json['nextPageToken'])}`,
  );
  assert.deepEqual((rest.json['clients'] as unknown[])[0], made.json);
  assert.equal(rest.json['nextPageToken'], '');
  const etag = made.json['etag'];
  const changed = await call('PUT', 'clients/dev:1', { state: 'Disabled', etag });
  assert.equal(changed.http, 200);
  assert.deepEqual(changed.json['attributes'], {}, 'an update replaces');
  const stale = await call('PUT', 'clients/dev:1', { state: 'Enabled', etag });
  assert.equal(stale.http, 409);
  assert.equal(stale.json.error?.status, 'ABORTED');
  assert.equal((await call('DELETE', `clients/dev:1?etag=${String(etag)}`)).http, 409);
  assert.deepEqual(await call('DELETE', 'clients/dev:1'), { http: 200, json: {} });
  assert.equal((await call('GET', 'clients/dev:1')).http, 404);
});

test('what is wrong is said with its field', async () => {
  const bad = await call('POST', 'clients', { name: 'a b', state: 'x', attributes: { k: true } });
  assert.equal(bad.http, 400);
  assert.deepEqual(
    bad.json.error?.details?.[0]?.fieldViolations.map((one) => (one as { field: string }).field),
    ['name', 'state', 'attributes.k'],
  );
  const faults: [string, string, unknown, number, RegExp][] = [
    ['POST', 'clients', '{"name"', 400, /not valid JSON/],
    ['POST', 'clients', '[]', 400, /must be an object/],
    ['POST', 'clients', { name: 7 }, 400, /name: must be a text/],
    ['POST', 'clients', `"${'x'.repeat(600_000)}"`, 413, /524288 bytes/],
    ['PUT', 'clients/a', { name: 'b' }, 400, /name: is "a" in the path/],
    ['GET', 'clients?colour=red', undefined, 400, /colour: is not a parameter/],
    ['GET', 'clients?pageSize=-1', undefined, 400, /pageSize: /],
    ['GET', 'clients?pageToken=x', undefined, 400, /pageToken: /],
    ['GET', 'clients/%zz', undefined, 400, /percent-encoded/],
    ['GET', 'nothing', undefined, 404, /no such path/],
    ['PATCH', 'clients', {}, 405, /POST, GET/],
  ];
  for (const [method, path, body, http, says] of faults) {
    const answer = await call(method, path, body);
    assert.equal(answer.http, http, `${method} ${path}`);
    assert.match(answer.json.error?.message ?? '', says);
  }
  const type = { 'content-type': 'text/plain' };
  assert.equal((await call('POST', 'clients', '{}', type)).http, 415);
  assert.equal(
    (await call('GET', 'clients', undefined, { origin: 'http://evil.example' })).http,
    403,
  );
});

test('a request that came under a foreign name is refused', async () => {
  const socket = connect(control.port, '127.0.0.1');
  socket.write('GET /v1/namespaces/default/clients HTTP/1.1\r\nHost: evil.example\r\n\r\n');
  const [first] = (await new Promise<Buffer[]>((resolve) => {
    socket.on('data', (chunk) => resolve([chunk]));
  })) as [Buffer];
  assert.match(first.toString(), /^HTTP\/1\.1 403 /);
  socket.destroy();
});

test('gRPC clients speak to the same port, and get fields in the details', async () => {
  const root = join(import.meta.dirname, '../../proto');
  const definition = loadSync('weir/v1/topic_spaces.proto', { includeDirs: [root] });
  const { weir } = grpc.loadPackageDefinition(definition) as unknown as {
    weir: { v1: { TopicSpaceService: grpc.ServiceClientConstructor } };
  };
  const credentials = grpc.credentials.createInsecure();
  const stub = new weir.v1.TopicSpaceService(`127.0.0.1:${control.port}`, credentials);
  const unary = (method: string, request: object) =>
    new Promise<Record<string, unknown>>((resolve, reject) => {
      const [, run] = [method, stub[method]];
      assert.ok(typeof run === 'function');
      run.call(
        stub,
        request,
        (error: grpc.ServiceError | null, answer: Record<string, unknown>) => {
          if (error === null) resolve(answer);
          else reject(error);
        },
      );
    });
  const topicSpace = { name: 'grpc-space', topicTemplates: ['a/${client.attributes.x}/#'] };
  const made = await unary('CreateTopicSpace', { topicSpace });
  assert.deepEqual(made['topicTemplates'], topicSpace.topicTemplates);
  const listed = await unary('ListTopicSpaces', {});
  assert.equal((listed['topicSpaces'] as unknown[]).length, 1);
  await assert.rejects(unary('CreateTopicSpace', { topicSpace }), {
    code: grpc.status.ALREADY_EXISTS,
  });
  await assert.rejects(
    unary('CreateTopicSpace', { topicSpace: { name: 'bad-space', topicTemplates: ['a/#/b'] } }),
    (error: grpc.ServiceError) => {
      assert.equal(error.code, grpc.status.INVALID_ARGUMENT);
      const [details] = error.metadata.get('grpc-status-details-bin');
      assert.match(String(details), /google\.rpc\.BadRequest.*topicTemplates\[0\]/s);
      return true;
    },
  );
  const etag = 'x';
  await assert.rejects(unary('DeleteTopicSpace', { name: 'grpc-space', etag }), {
    code: grpc.status.ABORTED,
  });
  await unary('DeleteTopicSpace', { name: 'grpc-space' });
  await assert.rejects(unary('GetTopicSpace', { name: 'grpc-space' }), {
    code: grpc.status.NOT_FOUND,
  });
  stub.close();
});

test('HTTP/2 without TLS serves JSON, too; a slow preface is waited for', async () => {
  const session = connectHttp2(control.url);
  const stream = session.request({ ':path': '/v1/namespaces/default/clientGroups' });
  stream.setEncoding('utf8');
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  assert.deepEqual(JSON.parse(text), { clientGroups: [], nextPageToken: '' });
  session.close();

  const socket = connect({ port: control.port, host: '127.0.0.1', noDelay: true });
  const answered = new Promise((resolve) => socket.once('data', resolve));
  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0';
  for (const letter of preface)
    await new Promise((resolve) => socket.write(letter, 'latin1', resolve));
  const frame = (await answered) as Buffer;
  assert.equal(frame[3], 0x04, 'a SETTINGS frame');
  socket.destroy();
});

const YAML = `
kind: PermissionBinding
name: sensors-publish
spec:
  clientGroupName: sensors
  topicSpaceName: telemetry
  permission: Publisher
---
kind: ClientGroup
name: sensors
query: attributes.type = "sensor"
---
# a comment
kind: TopicSpace
name: telemetry
topicTemplates:
  - site/\${client.attributes.site}/#
  - TEMPLATE
`;

async function apply(yaml: string): Promise<{ out: string[]; err: string[]; failed: number }> {
  const { resources, faults } = readResourceFile('f.yaml', yaml);
  assert.deepEqual(faults, []);
  const out: string[] = [];
  const err: string[] = [];
  const failed = await applyResources(
    client,
    resources,
    (line) => out.push(line),
    (line) => err.push(line),
  );
  return { out, err, failed };
}

test('apply goes by dependence and names line and field of what is refused', async () => {
  const bad = await apply(YAML.replace('TEMPLATE', 'a/#/b'));
  assert.deepEqual(bad.out, ['created clientGroups/sensors']);
  assert.deepEqual(bad.err, [
    'f.yaml:18: topicSpaces/telemetry: topicTemplates[1]: not a valid topic filter',
    'f.yaml:6: permissionBindings/sensors-publish: topicSpaceName: ' +
      'there is no topic space "telemetry"',
  ]);
  assert.equal(bad.failed, 2);
  const good = await apply(YAML.replace('TEMPLATE', 'a/b'));
  assert.deepEqual(good, {
    out: [
      'unchanged clientGroups/sensors',
      'created topicSpaces/telemetry',
      'created permissionBindings/sensors-publish',
    ],
    err: [],
    failed: 0,
  });
  const next = await apply(YAML.replace('TEMPLATE', 'a/c'));
  assert.equal(next.out[1], 'updated topicSpaces/telemetry');
});

test('the client lists all pages and tells what is missing', async () => {
  const names: string[] = [];
  for await (const { name } of client.list('clientGroups')) names.push(name);
  assert.deepEqual(names, ['sensors']);
  assert.equal(await client.get('clients', 'nobody'), undefined);
  assert.equal(await client.delete('clients', 'nobody'), false);
  await assert.rejects(
    client.delete('clientGroups', 'sensors'),
    (cause) => cause instanceof ControlRefusal && cause.status === 'FAILED_PRECONDITION',
  );
  await assert.rejects(new ControlClient('http://127.0.0.1:1').get('clients', 'x'), {
    code: 'WEIR_API_UNREACHABLE',
  });
});

test('a change through the API reaches the directory of a gateway within a second', async () => {
  const ca = await makeCertificate({ commonName: 'CA', authority: true });
  const device = await makeCertificate({ commonName: 'quick', issuer: ca });
  const made = await client.create('caCertificates', 'quick-ca', { encodedCertificate: ca.pem });
  assert.match(String((made as { expiryTime?: string }).expiryTime), /Z$/);
  await client.create('clients', 'quick', {});
  const bus = await connectNats({ servers: server.url, name: 'test-gateway' });
  const view = openRegistryView({ bus, clock: systemClock });
  await new Promise<void>((resolve) => view.whenReady(resolve));
  const credentials = {
    clientIdentifier: 'c',
    userName: 'quick',
    leaf: device.certificate,
    chain: [],
  };
  const ask = () =>
    new Promise<string>((resolve) => {
      view.authenticate(credentials, (answer) => resolve(answer.ok ? 'ok' : answer.reason));
    });
  assert.equal(await ask(), 'ok');
  const told = new Promise<string | undefined>((resolve) => view.onChange(resolve));
  const startMs = performance.now();
  await client.update('clients', 'quick', { state: 'Disabled' });
  assert.equal(await told, 'quick');
  assert.ok(performance.now() - startMs < 1_000);
  assert.equal(await ask(), 'client_disabled');
  view.close();
  await bus.close();
});

test('while NATS is away reads go on, and writes wait for it', async () => {
  await server.kill();
  assert.equal((await call('GET', 'clientGroups/sensors')).http, 200);
  assert.equal((await fetch(`${control.url}/livez`)).status, 200);
  const writing = call('POST', 'clients', { name: 'during-outage' });
  await server.restart();
  assert.equal((await writing).http, 200);
  await waitFor(() => isReady(control));
});

test('an access check tells which group, space and binding decide', async () => {
  await client.create('clients', 'checked-1', {
    authenticationName: 'Checked',
    attributes: { site: 'north' },
  });
  const check = (operation: 'publish' | 'subscribe', topic: string, who = 'checked-1') =>
    client.checkAccess(who, operation, topic);
  const none = await check('publish', 'sites/north/t');
  assert.equal(none.allowed, false);
  assert.match(none.explanation, /what no binding allows is denied$/);
  await client.create('clientGroups', 'checked-south', { query: 'attributes.site = "south"' });
  const topicTemplates = ['other', 'sites/${client.attributes.site}/#'];
  await client.create('topicSpaces', 'checked-sites', { topicTemplates });
  const bind = (name: string, clientGroupName: string) =>
    client.create('permissionBindings', name, {
      ...{ clientGroupName, topicSpaceName: 'checked-sites', permission: 'Publisher' },
    });
  await bind('checked-a', 'checked-south');
  const outside = await check('publish', 'sites/north/t');
  assert.equal(outside.allowed, false);
  assert.match(outside.explanation, /in no group that a binding names/);
  await bind('checked-b', '$all');
  const allowed = await check('publish', 'sites/north/t', 'CHECKED');
  assert.equal(allowed.allowed, true);
  assert.deepEqual(allowed.bindings.slice(0, 2), [
    {
      ...{ permissionBindingName: 'checked-a', clientGroupName: 'checked-south' },
      ...{ topicSpaceName: 'checked-sites', isMember: false, effect: 'Allow' },
      ...{ topicTemplate: topicTemplates[1], topicFilter: 'sites/north/#' },
    },
    {
      ...{ permissionBindingName: 'checked-b', clientGroupName: '$all' },
      ...{ topicSpaceName: 'checked-sites', isMember: true, effect: 'Allow' },
      ...{ topicTemplate: topicTemplates[1], topicFilter: 'sites/north/#' },
    },
  ]);
  assert.match((await check('publish', 'sites/south/t')).explanation, /no template.*covers/);
  assert.equal((await check('subscribe', 'sites/north/t')).allowed, false);
  const lines: string[] = [];
  writeCheck(allowed, 'table', (line) => lines.push(line));
  assert.match(lines.join('\n'), /^allowed: .*checked-b.*\n.*does not have it.*\n.*has it, space/);
  await assert.rejects(check('publish', 'a/+'), { status: 'INVALID_ARGUMENT' });
  await assert.rejects(check('publish', 'a', 'nobody'), { status: 'NOT_FOUND' });
  await client.update('clients', 'checked-1', { state: 'Disabled' });
  assert.match((await check('publish', 'sites/north/t')).explanation, /is disabled/);
});
