/**
 * The bus on three nats-servers: what it does when one of them dies, stands still or is cut off.
 * The tests run one after another on one cluster; each leaves it whole.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as pass } from 'node:timers/promises';
import { type AppendResult, type Bus, connectNats, type GetResult } from '#bus';
import { startNatsCluster, type TestNatsCluster } from '../fixtures/nats-cluster.ts';
import { SteadyAppender } from '../fixtures/steady-appender.ts';
import { waitFor } from '../fixtures/wait-for.ts';
import { busContract } from './bus.contract.ts';

/** An election takes 4–9 s, and the machine may be busy. */
const ELECTION_LIMIT_MS = 20_000;
/** Noticed after 2–3 s; a gateway without news for 4 s would count as standing still. */
const NOTICE_LIMIT_MS = 5_000;

let cluster: TestNatsCluster;
let bus: Bus;
const buses: Bus[] = [];

/** A bus that begins on one server and knows all. */
async function connectTo(first: number, count = 3): Promise<Bus> {
  const { urls } = cluster;
  const servers = Array.from({ length: count }, (_, i) => urls[(first + i) % 3] ?? '');
  const connected = await connectNats({ servers, name: 'test', random: () => 0 });
  buses.push(connected);
  return connected;
}

before(async () => {
  cluster = await startNatsCluster();
  bus = await connectTo(0);
  await bus.ensureStream({ name: 'S', subjects: ['S.>'], replicas: 3, allowDirect: true });
});
after(async () => {
  for (const opened of buses) await opened.close();
  await cluster.stop();
});

/** What is above the streams' copies must not notice them. */
busContract(
  'three nats-servers',
  async () => {
    const unused = (): never => assert.fail('the contract is run without outages');
    return {
      connect: () => connectTo(0),
      until: (condition, msMax = 5_000) =>
        waitFor(condition, { limitMs: msMax }).then(() => undefined),
      pass: (ms) => pass(ms),
      crash: unused,
      recover: unused,
      stand: unused,
      go: unused,
      end: () => Promise.resolve(),
    };
  },
  { replicas: 3, withoutOutages: true },
);

const leaderIndex = async (stream: string): Promise<number> =>
  cluster.names.indexOf(await cluster.leaderOf(stream));

/** Index of a server that does not lead the stream. */
async function followerIndex(stream: string): Promise<number> {
  return ((await leaderIndex(stream)) + 1) % 3;
}

const ask = <T>(start: (onAnswer: (answer: T) => void) => void): Promise<T> =>
  new Promise((resolve) => start(resolve));

test('a client goes on with another server, and sends nothing of before', async () => {
  const index = await followerIndex('S');
  const client = await connectTo(index);
  const changes: boolean[] = [];
  client.onConnection((connected) => changes.push(connected));
  const got: string[] = [];
  client.subscribe('other.*', ({ payload }) => got.push(payload.toString()));
  await cluster.servers[index]?.kill();
  await waitFor(() => !client.connected);
  assert.equal(client.publish('other.a', Buffer.from('lost')), false);
  const request = { stream: 'S', subject: 'S.lost', payload: Buffer.from('x') };
  const lost = await ask<AppendResult>((on) => client.append(request, on));
  assert.equal(lost.kind, 'undecided');
  await waitFor(() => client.connected);
  assert.deepEqual(changes, [false, true]);
  client.publish('other.a', Buffer.from('kept'));
  await waitFor(() => got.length === 1);
  assert.deepEqual(got, ['kept']);
  const stored = await ask<AppendResult>((on) => client.append(request, on));
  assert.equal(stored.kind, 'stored');
  const last = await ask<GetResult>((on) => client.lastOnSubject('S', 'S.lost', on));
  assert.equal(
    last.kind === 'found' && last.message.sequence,
    stored.kind === 'stored' && stored.sequence,
  );
  await cluster.servers[index]?.restart();
});

test('a client leaves a server that stands still', async () => {
  const index = await followerIndex('S');
  const client = await connectTo(index);
  await cluster.servers[index]?.pause();
  const stoppedMs = performance.now();
  await waitFor(() => !client.connected, { what: 'the silence is noticed' });
  await waitFor(() => client.connected, { what: 'another server' });
  const goneMs = performance.now() - stoppedMs;
  cluster.servers[index]?.resume();
  assert.ok(goneMs < NOTICE_LIMIT_MS, `${goneMs.toFixed()} ms`);
});

test('a client leaves a server that is cut off, and asks no replica there', async () => {
  const index = await followerIndex('S');
  const client = await connectTo(index);
  const alone = await connectTo(index, 1);
  const appender = new SteadyAppender(client, 'S', 'S.cut');
  await waitFor(() => appender.stored > 10);
  cluster.routes.cut(index);
  const cutMs = performance.now();
  await waitFor(() => !client.connected, { what: 'the cut is noticed' });
  const stored = appender.stored;
  await waitFor(() => appender.stored > stored, { what: 'appends elsewhere' });
  const goneMs = performance.now() - cutMs;
  const sequence = appender.lastSequence;
  const late = await ask<GetResult>((on) => alone.get('S', sequence, on));
  assert.equal(late.kind, 'undecided', 'that something is not there only the leader says');
  assert.equal(alone.connected, true, 'there is no other server to go to');
  cluster.routes.heal();
  appender.stop();
  assert.ok(goneMs < NOTICE_LIMIT_MS, `${goneMs.toFixed()} ms`);
  const whole = await waitFor(
    async () => {
      const got = await ask<GetResult>((on) => alone.get('S', sequence, on));
      return got.kind === 'found' && got;
    },
    { limitMs: ELECTION_LIMIT_MS },
  );
  assert.equal(whole.message.sequence, sequence);
});

test('a follower misses and repeats nothing when the leader and its server die', async (t) => {
  const survivor = await followerIndex('S');
  const client = await connectTo(survivor);
  const sequences: number[] = [];
  const caughtUp: number[] = [];
  let longestMs = 0;
  let lastMs = performance.now();
  const follower = client.follow({
    stream: 'S',
    fromSequence: 1,
    onMessage: ({ sequence }) => {
      sequences.push(sequence);
      longestMs = Math.max(longestMs, performance.now() - lastMs);
      lastMs = performance.now();
    },
    onCaughtUp: (last) => caughtUp.push(last),
  });
  const appender = new SteadyAppender(client, 'S', 'S.kill');
  await waitFor(() => caughtUp.length === 1 && appender.stored > 10);
  longestMs = 0;
  const leader = await leaderIndex('S');
  await cluster.servers[leader]?.kill();
  const { stored } = appender;
  await waitFor(() => appender.stored > stored + 10, { limitMs: ELECTION_LIMIT_MS });
  const isThere = (): boolean => (sequences.at(-1) ?? 0) >= appender.lastSequence;
  await waitFor(isThere, { limitMs: ELECTION_LIMIT_MS, what: 'what was appended after the kill' });
  t.diagnostic(
    `appends paused ${appender.longestMs.toFixed()} ms, follower ${longestMs.toFixed()} ms`,
  );
  await cluster.servers[leader]?.restart();
  appender.stop();
  await waitFor(isThere);
  follower.close();
  const first = sequences[0] ?? 0;
  assert.deepEqual(
    sequences,
    Array.from({ length: sequences.length }, (_, i) => first + i),
  );
});

test('more copies than servers are refused with what to do', async () => {
  const config = { name: 'T', subjects: ['T.>'], replicas: 5 };
  const waits: string[] = [];
  void bus.ensureStream(config, (why) => waits.push(why)).catch(() => undefined);
  await waitFor(() => waits.length > 0);
  assert.match(waits[0] ?? '', /stream T cannot be set up yet: .*; 5 nats-servers .* must run/);
});
