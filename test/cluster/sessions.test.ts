/**
 * Sessions through the API and `weir sessions`, on real processes: lists, what waits, disconnect,
 * delete, while a dispatcher is away.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ControlClient } from '../../services/cli/registry/control-client.ts';
import {
  deleteSession,
  disconnectSession,
  getSession,
  listSessions,
} from '../../services/cli/sessions/session-client.ts';
import type { ListedSession, SessionFilter } from '../../services/cli/sessions/session-client.ts';
import { startDevCluster } from '../fixtures/dev-cluster.ts';
import type { DevCluster } from '../fixtures/dev-cluster.ts';
import {
  connect,
  properties,
  property,
  publish,
  subscribe,
  u32,
} from '../fixtures/mqtt-client-encoder.ts';
import type { ConnectFields, Version } from '../fixtures/mqtt-client-encoder.ts';
import { MqttProbe } from '../fixtures/mqtt-probe.ts';
import { waitFor } from '../fixtures/wait-for.ts';

const MAIN = join(import.meta.dirname, '../../services/cli/main.ts');
const ADMINISTRATIVE_ACTION = 0x98;
/** Session expiry interval. */
const HOUR = properties(property(0x11, u32(3_600)));

let cluster: DevCluster;
let api: ControlClient;
before(async () => {
  cluster = await startDevCluster({ gateways: 2, dispatchers: 1 });
  api = new ControlClient(cluster.apiUrl);
});
after(() => cluster.stop());

function connected(
  gateway: number,
  clientIdentifier: string,
  fields: ConnectFields = {},
  version: Version = 5,
): Promise<MqttProbe> {
  const port = cluster.ports.gateways[gateway]?.plain ?? 0;
  return MqttProbe.connected({ port, version, clientIdentifier, ...fields });
}

/** Connects with a session that is kept for an hour, and subscribes. */
async function stored(gateway: number, name: string, filter = 's/#'): Promise<MqttProbe> {
  const probe = await connected(gateway, name, { cleanStart: false, properties: HOUR });
  probe.send(subscribe(5, [[filter, 1]]));
  await probe.expect('suback');
  return probe;
}

/** Ends the connection; returns when its home has put the session away. */
async function leave(probe: MqttProbe, name: string): Promise<void> {
  probe.destroy();
  const isOffline = async (): Promise<boolean> => !(await getSession(api, name)).connected;
  await waitFor(isOffline, { what: `${name} is offline` });
}

async function send(topic: string, count: number): Promise<void> {
  const probe = await connected(0, 'sender');
  for (let packetIdentifier = 1; packetIdentifier <= count; packetIdentifier++) {
    probe.send(publish(5, { topic, qos: 1, packetIdentifier }));
    await probe.expect('puback');
  }
  probe.destroy();
}

async function list(filter: SessionFilter): Promise<ListedSession[]> {
  const found: ListedSession[] = [];
  for await (const session of listSessions(api, filter)) found.push(session);
  return found;
}

async function names(filter: SessionFilter): Promise<string[]> {
  return (await list(filter)).map(({ clientIdentifier }) => clientIdentifier);
}

async function weir(...words: readonly string[]) {
  const child = spawn(process.execPath, [MAIN, 'sessions', ...words, '--api', cluster.apiUrl]);
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  await once(child, 'close');
  return { code: child.exitCode, out, err };
}

test('stored sessions are listed in order, by page and filter; clean ones are not', async () => {
  const probes = await Promise.all(
    ['list/b', 'list/a', 'list/c'].map((name, i) => stored(i % 2, name)),
  );
  const clean = await connected(0, 'list/clean');
  await leave(probes[2] as MqttProbe, 'list/c');
  const clientIdentifierPrefix = 'list/';
  assert.deepEqual(await names({ clientIdentifierPrefix }), ['list/a', 'list/b', 'list/c']);
  assert.deepEqual(await names({ clientIdentifierPrefix, connected: false }), ['list/c']);
  assert.deepEqual(await names({ clientIdentifierPrefix, connected: true }), ['list/a', 'list/b']);
  assert.deepEqual(await names({ clientIdentifierPrefix, gateway: 'gateway-1' }), ['list/b']);
  const [one] = await list({ clientIdentifierPrefix: 'list/b' });
  assert.ok(one !== undefined);
  const { gatewayIncarnation: gateway, authenticationName } = one;
  assert.deepEqual(await names({ clientIdentifierPrefix, gateway }), ['list/b']);
  assert.ok((await names({ authenticationName: authenticationName.toUpperCase() })).length >= 3);
  assert.deepEqual(await names({ authenticationName: 'nobody' }), []);
  const page = (query: string) =>
    api.call('GET', `/sessions?clientIdentifierPrefix=list/&${query}`);
  const first = await page('pageSize=2');
  assert.equal((first['sessions'] as unknown[]).length, 2);
  const next = await page(`pageSize=2&pageToken=${String(first['nextPageToken'])}`);
  assert.equal((next['sessions'] as { clientIdentifier: string }[])[0]?.clientIdentifier, 'list/c');
  assert.equal(next['nextPageToken'], '');
  await assert.rejects(page('connected=maybe'), { status: 'INVALID_ARGUMENT' });
  await assert.rejects(page('pageSize=x'), { status: 'INVALID_ARGUMENT' });
  await assert.rejects(page('order=x'), { status: 'INVALID_ARGUMENT' });
  for (const probe of [...probes, clean]) probe.destroy();
});

test('one session tells where it is, what it wants and what waits', async () => {
  const probe = await stored(1, 'get-1', 'get/+');
  const online = await getSession(api, 'get-1');
  assert.deepEqual(
    [online.connected, online.gateway, online.sessionExpirySeconds, online.expireTime],
    [true, 'gateway-2', 3_600, undefined],
  );
  assert.deepEqual(
    online.subscriptions.map(({ topicFilter, qos }) => `${topicFilter} ${qos}`),
    ['get/+ 1'],
  );
  const isLive = async (): Promise<boolean> =>
    (await getSession(api, 'get-1')).queues.every(({ mode }) => mode === 'live');
  await waitFor(isLive, { what: 'live in all partitions' });
  await leave(probe, 'get-1');
  await send('get/x', 3);
  const waits = async (): Promise<boolean> => {
    const { queues } = await getSession(api, 'get-1');
    return queues.reduce((sum, { messageCount }) => sum + messageCount, 0) === 3;
  };
  await waitFor(waits, { what: 'three messages wait' });
  const offline = await getSession(api, 'get-1');
  const ends = Date.parse(offline.expireTime ?? '') - Date.now();
  assert.ok(ends > 3_500_000 && ends <= 3_600_000, `ends in ${ends} ms`);
  assert.equal(offline.queues.length, 2);
  const queue = offline.queues.find(({ messageCount }) => messageCount === 3);
  assert.ok(queue !== undefined && Number(queue.messageBytes) > 30, JSON.stringify(queue));
  const age = Date.now() - Date.parse(queue.oldestPublishTime ?? '');
  assert.ok(age > -1_000 && age < 30_000, `${age} ms old`);
  assert.equal(queue.mode, 'filed');

  const back = await connected(0, 'get-1', { cleanStart: false, properties: HOUR });
  for (let i = 0; i < 3; i++) await back.expect('publish');
  await leave(back, 'get-1');
  const { packetIdentifiersInFlight: inFlight } = await getSession(api, 'get-1');
  assert.equal(inFlight.length, 3, 'handed out, not acknowledged');
});

test('disconnect ends the connection with 0x98, and the session stays', async () => {
  const probe = await stored(0, 'cut-1');
  assert.equal(await disconnectSession(api, 'cut-1'), true);
  const farewell = await probe.expect('disconnect');
  assert.equal(farewell.reasonCode, ADMINISTRATIVE_ACTION);
  await probe.closed();
  assert.equal((await getSession(api, 'cut-1')).connected, false);
  assert.equal(await disconnectSession(api, 'cut-1'), false, 'nobody is connected any more');

  const older = await connected(1, 'cut-2', { cleanStart: true }, 4);
  assert.equal(await disconnectSession(api, 'cut-2'), true, 'a clean session');
  assert.deepEqual(await older.closed(), [], 'MQTT 3.1.1 just closes');
  await assert.rejects(disconnectSession(api, 'cut-2'), { status: 'NOT_FOUND' });
});

test('delete ends the session, its connection first; who comes back begins anew', async () => {
  const probe = await stored(1, 'end-1');
  await deleteSession(api, 'end-1');
  assert.equal((await probe.expect('disconnect')).reasonCode, ADMINISTRATIVE_ACTION);
  await assert.rejects(getSession(api, 'end-1'), { status: 'NOT_FOUND' });
  assert.deepEqual(await names({ clientIdentifierPrefix: 'end-' }), []);
  await assert.rejects(deleteSession(api, 'end-1'), { status: 'NOT_FOUND' });
  const offline = await stored(0, 'end-2');
  await leave(offline, 'end-2');
  await deleteSession(api, 'end-2');
  assert.deepEqual(await names({ clientIdentifierPrefix: 'end-' }), []);
  const again = await MqttProbe.open({ port: cluster.ports.gateways[0]?.plain ?? 0 });
  again.send(connect(5, { clientIdentifier: 'end-2', cleanStart: false, properties: HOUR }));
  assert.equal((await again.expect('connack')).sessionPresent, false);
  again.destroy();
});

test('gRPC has the same methods', async () => {
  const root = join(import.meta.dirname, '../../proto');
  const definition = loadSync('weir/v1/sessions.proto', { includeDirs: [root] });
  const { weir: packages } = grpc.loadPackageDefinition(definition) as unknown as {
    weir: { v1: { SessionService: grpc.ServiceClientConstructor } };
  };
  const target = new URL(cluster.apiUrl).host;
  const stub = new packages.v1.SessionService(target, grpc.credentials.createInsecure());
  const unary = (method: string, request: object): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => {
      const run = stub[method];
      assert.ok(typeof run === 'function');
      run.call(stub, request, (error: Error | null, answer: Record<string, unknown>) => {
        if (error === null) resolve(answer);
        else reject(error);
      });
    });
  const probe = await stored(0, 'grpc-1');
  const filter = { clientIdentifierPrefix: 'grpc-', connected: true };
  const { sessions } = await unary('ListSessions', filter);
  assert.equal((sessions as { clientIdentifier: string }[])[0]?.clientIdentifier, 'grpc-1');
  const offline = await unary('ListSessions', { ...filter, connected: false });
  assert.deepEqual(offline['sessions'] ?? [], []);
  const one = await unary('GetSession', { clientIdentifier: 'grpc-1' });
  assert.equal((one['queues'] as unknown[]).length, 2);
  const answer = await unary('DisconnectSession', { clientIdentifier: 'grpc-1' });
  assert.deepEqual(answer, { wasConnected: true });
  assert.equal((await probe.expect('disconnect')).reasonCode, ADMINISTRATIVE_ACTION);
  await unary('DeleteSession', { clientIdentifier: 'grpc-1' });
  const code = grpc.status.NOT_FOUND;
  await assert.rejects(unary('GetSession', { clientIdentifier: 'grpc-1' }), { code });
  await assert.rejects(unary('GetSession', {}), { code: grpc.status.INVALID_ARGUMENT });
  stub.close();
});

test('the command line shows, disconnects and deletes', async () => {
  const probe = await stored(0, 'cli-1', 'cli/#');
  const offline = await stored(1, 'cli-2');
  await leave(offline, 'cli-2');
  const [table, listed, json, details] = await Promise.all([
    weir('list', '--prefix', 'cli-'),
    weir('list', '--prefix', 'cli-', '--offline', '-o', 'name'),
    weir('list', '--prefix', 'cli-', '--limit', '1', '-o', 'json'),
    weir('get', 'cli-1'),
  ]);
  assert.match(
    table.out,
    /^CLIENT IDENTIFIER .*\ncli-1 .* gateway-1 +1 .*\ncli-2 .* - +1 +in 59 min/,
  );
  assert.deepEqual(listed, { code: 0, out: 'cli-2\n', err: '' });
  assert.equal((JSON.parse(json.out) as unknown[]).length, 1);
  assert.match(details.out, /connected +to gateway-1, connection \d+\n[^]*\ncli\/# +1\n[^]*\n1 +/);
  const cut = await weir('disconnect', 'cli-1', 'cli-2', 'cli-3');
  assert.equal(cut.out, 'disconnected sessions/cli-1\nsessions/cli-2 is not connected\n');
  assert.equal(cut.code, 1);
  assert.match(
    cut.err,
    /^weir: no session of client identifier "cli-3" is stored.*weir sessions list/,
  );
  await probe.closed();
  const gone = await weir('delete', 'cli-1', 'cli-2');
  assert.deepEqual(gone, {
    code: 0,
    out: 'deleted sessions/cli-1\ndeleted sessions/cli-2\n',
    err: '',
  });
});

test('an order waits for a dispatcher; lists go on without', async () => {
  const probe = await stored(0, 'away-1');
  await cluster.kill('dispatcher-1');
  const waiting = disconnectSession(api, 'away-1');
  assert.deepEqual(await names({ clientIdentifierPrefix: 'away-' }), ['away-1']);
  await cluster.restart('dispatcher-1');
  assert.equal(await waiting, true, 'asked again until there was one');
  await probe.closed();
});
