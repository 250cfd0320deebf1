/**
 * Reader groups on a real nats-server: shares, hand-over, take-over, outage, copies.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pass } from 'node:timers/promises';
import { type Clock, systemClock } from '#base';
import { type Bus, connectNats } from '#bus';
import { LEASE_MARGIN_MS, leaseStreamConfig } from '#lease';
import { logStream, logStreamConfig, logSubject, positionAfterRecord } from '#log';
import { type ReaderEvent, ReaderGroup } from '#reader';
import { stateStreamConfig } from '#state';
import { startNatsServer, type TestNatsServer } from '../../fixtures/nats-server.ts';
import { waitFor } from '../../fixtures/wait-for.ts';
import { CountingLogic } from './counting-logic.ts';
import { emptyRecord } from './empty-record.ts';

const PARTITIONS = 2;

let server: TestNatsServer;
let setUp: Bus;
let groups = 0;

before(async () => {
  server = await startNatsServer();
  setUp = await connectNats({ servers: server.url, name: 'reader test' });
  await setUp.ensureStream(leaseStreamConfig(1));
  for (let partition = 0; partition < PARTITIONS; partition++) {
    await setUp.ensureStream(logStreamConfig(partition, 1));
  }
});

after(async () => {
  await setUp.close();
  await server.stop();
});

async function newGroup(): Promise<string> {
  const group = `r${++groups}`;
  for (let partition = 0; partition < PARTITIONS; partition++) {
    await setUp.ensureStream(stateStreamConfig(group, partition, 1));
  }
  return group;
}

interface Process {
  readonly bus: Bus;
  readonly group: ReaderGroup;
  readonly events: ReaderEvent[];
  logic(partition: number): CountingLogic | undefined;
  close(): Promise<void>;
}

async function start(group: string, member: string, clock: Clock = systemClock): Promise<Process> {
  const bus = await connectNats({ servers: server.url, name: member });
  const events: ReaderEvent[] = [];
  const reader = new ReaderGroup({
    bus,
    clock,
    random: Math.random,
    group,
    partitions: PARTITIONS,
    instance: member,
    member: `${member}-${group}`,
    makeLogic: (context) => new CountingLogic(context),
    onEvent: (event) => events.push(event),
  });
  reader.start();
  return {
    bus,
    group: reader,
    events,
    logic: (partition) => reader.owned.get(partition) as CountingLogic | undefined,
    async close() {
      reader.kill();
      await bus.close();
    },
  };
}

const reads = (process: Process): number[] =>
  [0, 1].filter((p) => process.group.partitions.get(p)?.phase === 'reading');

let appended = 0;
function append(partition: number, writer: string, number: number): Promise<number> {
  const subject = logSubject(partition, writer, 0);
  const payload = emptyRecord(number);
  const request = { stream: logStream(partition), subject, payload, messageId: `${++appended}` };
  return new Promise((resolve, reject) => {
    setUp.append(request, (result) => {
      if (result.kind === 'stored') resolve(result.sequence);
      else reject(new Error(result.kind));
    });
  });
}

describe('reader group', () => {
  test('one process takes all, a second its share, and both partitions are read', async () => {
    const group = await newGroup();
    const one = await start(group, 'one');
    await waitFor(() => reads(one).length === 2);
    const sequence = await append(0, 'w1', 1);
    await waitFor(() => one.logic(0)?.sequences.at(-1) === sequence);
    const two = await start(group, 'two');
    await waitFor(() => reads(one).length === 1 && reads(two).length === 1);
    await one.close();
    await two.close();
  });

  test('on leaving, the successor continues at once behind the last checkpoint', async () => {
    const group = await newGroup();
    const one = await start(group, 'one');
    await waitFor(() => reads(one).length === 2);
    const first = await append(0, 'w2', 1);
    await waitFor(() => one.logic(0)?.sequences.at(-1) === first);
    const two = await start(group, 'two');
    await waitFor(() => two.group.leases.members(group).size === 2);
    const startedAt = performance.now();
    await new Promise<void>((resolve) => one.group.leave(resolve));
    await waitFor(() => reads(two).length === 2);
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs < 1_000, `hand-over took ${tookMs} ms`);
    assert.equal(two.logic(0)?.context.checkpoint, positionAfterRecord(first));
    const next = await append(0, 'w2', 2);
    await waitFor(() => two.logic(0)?.sequences.at(-1) === next);
    assert.deepEqual(two.logic(0)?.sequences, [next]);
    await one.close();
    await two.close();
  });

  test('after a kill the successor reads within five seconds, from the checkpoint', async () => {
    const group = await newGroup();
    const one = await start(group, 'one');
    await waitFor(() => reads(one).length === 2);
    const two = await start(group, 'two');
    await waitFor(() => reads(one).length === 1 && reads(two).length === 1);
    const logic = one.logic(0);
    assert.ok(logic !== undefined);
    const held = await append(0, 'w3', 1);
    logic.heldAt = positionAfterRecord(held - 1);
    await append(0, 'w3', 2);
    const copy = await append(0, 'w3', 2);
    await waitFor(() => logic.copies.at(-1) === copy);
    await waitFor(() => (one.group.partitions.get(0)?.state?.durableCheckpoint ?? 0) > 0);
    await waitFor(() => one.group.partitions.get(0)?.state?.unansweredMs === 0);
    await new Promise<void>((resolve) => {
      one.group.partitions.get(0)?.state?.flush(resolve);
    });
    const startedAt = performance.now();
    await one.close();
    await waitFor(() => reads(two).length === 2);
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs < 5_000, `take-over took ${tookMs} ms`);
    const last = await append(0, 'w3', 3);
    await waitFor(() => two.logic(0)?.sequences.at(-1) === last);
    assert.deepEqual(two.logic(0)?.sequences, [held, held + 1, last]);
    assert.deepEqual(two.logic(0)?.copies, [copy], 'the copy stays skipped');
    await two.close();
  });

  test('an outage longer than every lease ends nobody', async () => {
    const group = await newGroup();
    const one = await start(group, 'one');
    await waitFor(() => reads(one).length === 2);
    const two = await start(group, 'two');
    await waitFor(() => reads(one).length === 1 && reads(two).length === 1);
    const epochs = (): (number | undefined)[] =>
      [one, two].flatMap((p) => [0, 1].map((n) => p.group.partitions.get(n)?.epoch));
    const before = epochs();
    await server.kill();
    const stopped = (process: Process): boolean =>
      process.events.some((event) => event.kind === 'standing still');
    await waitFor(() => stopped(one) && stopped(two));
    // The outage itself: whoever stands still does so a margin before its lease is over.
    await pass(2 * LEASE_MARGIN_MS);
    await server.restart();
    const goes = (process: Process): boolean =>
      process.events.some((event) => event.kind === 'going on');
    await waitFor(() => goes(one) && goes(two));
    const sequence = await waitFor(() => append(0, 'w4', 1).catch(() => undefined));
    const owner = one.logic(0) ?? two.logic(0);
    await waitFor(() => owner?.sequences.at(-1) === sequence);
    assert.deepEqual(epochs(), before);
    assert.deepEqual(owner?.calls, ['prepare', 'standStill', 'goOn']);
    await one.close();
    await two.close();
  });
});
