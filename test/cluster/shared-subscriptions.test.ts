/**
 * Shared subscriptions on real processes: one member gets a message, members on both gateways and
 * of both versions; what a killed gateway's members had others get; the group of a sleeping session
 * keeps its queue while dispatchers die.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { connect } from 'mqtt';
import type { IClientOptions, MqttClient } from 'mqtt';
import { startDevCluster } from '../fixtures/dev-cluster.ts';
import type { DevCluster } from '../fixtures/dev-cluster.ts';
import { ack, subscribe, unsubscribe } from '../fixtures/mqtt-client-encoder.ts';
import { MqttProbe } from '../fixtures/mqtt-probe.ts';
import { waitFor } from '../fixtures/wait-for.ts';

/** Beyond the lease of a gateway. */
const KILLED_LIMIT_MS = 30_000;

let cluster: DevCluster;
before(async () => {
  cluster = await startDevCluster({ gateways: 2, dispatchers: 2 });
});
after(() => cluster.stop());

const open: MqttClient[] = [];

async function client(
  gateway: number,
  options: IClientOptions = {},
  onMessage: (text: string) => void = () => undefined,
): Promise<MqttClient> {
  const port = cluster.ports.gateways[gateway - 1]?.plain ?? 0;
  const connecting = connect(`mqtt://127.0.0.1:${port}`, {
    protocolVersion: 5,
    reconnectPeriod: 0,
    ...options,
  });
  open.push(connecting);
  // What was queued comes right behind CONNACK.
  connecting.on('message', (_topic, payload) => onMessage(payload.toString()));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  connecting.once('connect', () => resolve()).once('error', reject);
  await promise;
  return connecting;
}

async function closeAll(): Promise<void> {
  await Promise.all(open.splice(0).map((one) => one.endAsync(true)));
}

/** A member that writes down what it gets. */
async function worker(
  gateway: number,
  filter: string,
  options: IClientOptions = {},
): Promise<{ client: MqttClient; got: string[] }> {
  const got: string[] = [];
  const connected = await client(gateway, options, (text) => got.push(text));
  await connected.subscribeAsync(filter, { qos: 1 });
  return { client: connected, got };
}

async function publishMany(
  from: MqttClient,
  topicOf: (i: number) => string,
  count: number,
  qos: 0 | 1,
): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, i) => `m${i}`);
  await Promise.all(ids.map((id, i) => from.publishAsync(topicOf(i), id, { qos })));
  return ids;
}

for (const qos of [1, 0] as const) {
  test(`each message of QoS ${qos} comes to one of three members`, async (t) => {
    t.after(closeAll);
    const filter = `$share/team/job${qos}/#`;
    const workers = [
      await worker(1, filter),
      await worker(1, filter, { protocolVersion: 4 }),
      await worker(2, filter, { properties: { receiveMaximum: 5 } }),
    ];
    const other = await worker(2, `job${qos}/#`);
    const publisher = await client(2);
    const ids = await publishMany(publisher, (i) => `job${qos}/${i % 40}`, 600, qos);
    const count = (): number => workers.reduce((sum, { got }) => sum + got.length, 0);
    await waitFor(() => count() >= 600 && other.got.length >= 600, { what: 'all have come' });
    assert.deepEqual(workers.flatMap(({ got }) => got).toSorted(), ids.toSorted());
    assert.deepEqual(other.got.toSorted(), ids.toSorted(), 'plain subscribers get everything');
    if (qos === 1) {
      for (const { got } of workers) assert.ok(got.length > 0, 'every member works');
    }
  });
}

test('[MQTT-4.8.2-3] [MQTT-4.8.2-6] QoS is the lower one; refused is done; nothing retained', async (t) => {
  t.after(closeAll);
  const publisher = await client(2);
  await publisher.publishAsync('terms/kept', 'kept', { qos: 1, retain: true });
  const port = cluster.ports.gateways[0]?.plain ?? 0;
  const probe = await MqttProbe.connected({ port, version: 5, clientIdentifier: 'terms' });
  t.after(() => probe.destroy());
  probe.send(subscribe(5, [['$share/zero/terms/#', 0]]));
  await probe.expect('suback');
  await publisher.publishAsync('terms/1', 'one', { qos: 1 });
  const first = await probe.expect('publish');
  assert.equal(`${first.topic} ${first.payload.toString()} ${first.qos}`, 'terms/1 one 0');
  probe.send(unsubscribe(5, ['$share/zero/terms/#']));
  await probe.expect('unsuback');
  probe.send(subscribe(5, [['$share/one/terms/#', 1]]));
  await probe.expect('suback');
  await publisher.publishAsync('terms/2', 'two', { qos: 2 });
  const second = await probe.expect('publish');
  assert.equal(`${second.topic} ${second.payload.toString()} ${second.qos}`, 'terms/2 two 1');
  const { got } = await worker(2, '$share/one/terms/#');
  probe.send(ack('puback', second.messageId ?? 0, Buffer.from([0x80])));
  await publisher.publishAsync('terms/2', 'three', { qos: 1 });
  probe.destroy();
  await publisher.publishAsync('terms/2', 'four', { qos: 1 });
  await waitFor(() => got.includes('four'), { what: 'the other member goes on' });
  assert.ok(!got.includes('two') && !got.includes('kept'), got.join());
});

test('a member that is gone: another gets what it has not acknowledged', async (t) => {
  t.after(closeAll);
  const port = cluster.ports.gateways[0]?.plain ?? 0;
  const filter = '$share/gone/gone/#';
  const deaf = await MqttProbe.connected({ port, version: 5, clientIdentifier: 'deaf' });
  deaf.send(subscribe(5, [[filter, 1]]));
  await deaf.expect('suback');
  const publisher = await client(2);
  const ids = await publishMany(publisher, (i) => `gone/${i}`, 20, 1);
  for (let i = 0; i < 20; i++) await deaf.expect('publish');
  const { got } = await worker(2, filter);
  deaf.destroy();
  await waitFor(() => got.length === 20, { what: 'the other member has them' });
  assert.deepEqual(got.toSorted(), ids.toSorted());
});

test('kill -9 of the gateway of two members: the third gets the rest', async (t) => {
  t.after(closeAll);
  const port = cluster.ports.gateways[0]?.plain ?? 0;
  const filter = '$share/kill/kill/#';
  const deaf = await MqttProbe.connected({ port, version: 5, clientIdentifier: 'deaf-2' });
  deaf.send(subscribe(5, [[filter, 1]]));
  await deaf.expect('suback');
  const near = await worker(1, filter);
  near.client.on('error', () => undefined);
  const far = await worker(2, filter);
  const publisher = await client(2);
  const ids = await publishMany(publisher, (i) => `kill/${i}`, 300, 1);
  await waitFor(() => near.got.length > 0 && far.got.length > 0, { what: 'all work' });
  await cluster.kill('gateway-1');
  const more = await publishMany(publisher, (i) => `kill/${i}`, 20, 1);
  const isComplete = (): boolean => {
    const all = new Set([...near.got, ...far.got]);
    return ids.every((id) => all.has(id)) && far.got.length >= more.length;
  };
  await waitFor(isComplete, { what: 'nothing is lost', limitMs: KILLED_LIMIT_MS });
  deaf.destroy();
  await cluster.restart('gateway-1');
});

test('the queue of a group whose only member sleeps outlives both dispatchers', async (t) => {
  t.after(closeAll);
  const stored: IClientOptions = {
    clientId: 'sleeper',
    clean: false,
    properties: { sessionExpiryInterval: 3_600 },
  };
  const filter = '$share/sleep/sleep/#';
  const sleeper = await worker(1, filter, stored);
  await sleeper.client.endAsync();
  const publisher = await client(2);
  const ids = await publishMany(publisher, () => 'sleep/one', 200, 1);
  for (const name of ['dispatcher-1', 'dispatcher-2']) {
    await cluster.kill(name);
    await cluster.restart(name);
  }
  const got: string[] = [];
  await client(2, stored, (text) => got.push(text));
  await waitFor(() => got.length >= 200, { what: 'the queue came', limitMs: KILLED_LIMIT_MS });
  assert.deepEqual(got, ids, 'in order');
});

const hasMosquitto = spawnSync('mosquitto_sub', ['--help']).error === undefined;

test('mosquitto_sub as members', { skip: !hasMosquitto }, async (t) => {
  t.after(closeAll);
  const port = String(cluster.ports.gateways[0]?.plain ?? 0);
  const lines: string[] = [];
  for (const version of ['mqttv311', 'mqttv5']) {
    const args = ['-h', '127.0.0.1', '-p', port, '-V', version, '-q', '1', '-t', '$share/mo/mo/#'];
    const member = spawn('mosquitto_sub', [...args, '-i', `mosquitto-${version}`]);
    t.after(() => member.kill());
    createInterface({ input: member.stdout }).on('line', (line) => lines.push(line));
  }
  const http = cluster.ports.gateways[0]?.http ?? 0;
  const haveJoined = async (): Promise<boolean> => {
    const answer = await fetch(`http://127.0.0.1:${http}/metrics`);
    return /^weir_shared_members 2$/m.test(await answer.text());
  };
  await waitFor(haveJoined, { what: 'both have subscribed' });
  const publisher = await client(2);
  // Its output shows no SUBACK: the group counts in each partition once probes come everywhere.
  const probes = new Set<string>();
  const hasProbes = async (): Promise<boolean> => {
    for (let i = 0; i < 8; i++) await publisher.publishAsync(`mo/${i}`, `probe${i}`, { qos: 1 });
    for (const line of lines) if (line.startsWith('probe')) probes.add(line);
    return probes.size === 8;
  };
  await waitFor(hasProbes, { what: 'the group counts' });
  const ids = await publishMany(publisher, (i) => `mo/${i}`, 100, 1);
  const got = (): string[] => lines.filter((line) => /^m\d+$/.test(line));
  await waitFor(() => got().length >= 100, { what: 'all have come' });
  assert.deepEqual(got().toSorted(), ids.toSorted());
});
