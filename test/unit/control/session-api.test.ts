/**
 * The session API over a bus in memory: pages of the directory, and questions to owners that are
 * made by hand: late, deaf, changing.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hashText, partitionOf } from '#base';
import { MemoryCluster, SimClock } from '#bus';
import type { Bus } from '#bus';
import {
  decodeOperatorRequest,
  encodeMessage,
  type OperatorAnswer,
  type OperatorRequest,
  operatorSubject,
} from '#frames';
import { leaseStreamConfig } from '#lease';
import {
  encodeSession,
  META_TABLE,
  REVISION_KEY,
  SESSION_TABLE,
  type SessionRecord,
  SESSIONS_GROUP,
  sessionStreamConfig,
} from '#session-store';
import { PROGRESS_START, StateLog } from '#state';
import { ApiFault } from '../../../services/control/api-fault.ts';
import { OwnerAsker } from '../../../services/control/owner-asker.ts';
import { SessionApi } from '../../../services/control/session-api.ts';
import { SessionDirectory } from '../../../services/control/session-directory.ts';
import { seededRandom } from '../../fixtures/seeded-random.ts';
import { sessionRecord } from '../../fixtures/session-record.ts';

const PARTITIONS = 2;

type Body = OperatorAnswer extends infer T
  ? T extends unknown
    ? Omit<T, 'ask' | 'p'>
    : never
  : never;
type Answer = (request: OperatorRequest, partition: number) => Body | undefined;

function homeOf(clientIdentifier: string): number {
  return partitionOf(hashText(clientIdentifier), PARTITIONS);
}

/** Control's parts over session logs that a test writes, and owners that it answers for. */
class Fixture {
  readonly clock = new SimClock();
  readonly nats = new MemoryCluster(this.clock, seededRandom(1));
  readonly bus: Bus;
  readonly logs: StateLog[] = [];
  readonly asked: OperatorRequest[] = [];
  readonly revisions: number[] = [0, 0];
  answer: Answer = () => undefined;
  readonly directory: SessionDirectory;
  readonly api: SessionApi;

  constructor() {
    const { clock } = this;
    this.nats.createStream(leaseStreamConfig(1));
    for (let p = 0; p < PARTITIONS; p++) this.nats.createStream(sessionStreamConfig(p, 1));
    const owner = this.nats.connect('owner');
    for (let partition = 0; partition < PARTITIONS; partition++) this.#own(owner, partition);
    clock.run(1_000);
    this.bus = this.nats.connect('control');
    this.directory = new SessionDirectory(this.bus, clock, PARTITIONS, () => undefined);
    const asker = new OwnerAsker(this.bus, clock);
    const { directory } = this;
    this.api = new SessionApi({ clock, partitions: PARTITIONS, directory, asker });
  }

  #own(bus: Bus, partition: number): void {
    const { clock } = this;
    const options = { bus, clock, group: SESSIONS_GROUP, partition, epoch: 1 };
    StateLog.recover(
      { ...options, expectationOf: 'subject', onFenced: () => assert.fail('fenced') },
      (log) => {
        log.begin(() => PROGRESS_START);
        this.logs[partition] = log;
      },
    );
    bus.subscribe(operatorSubject(partition), ({ payload, reply = '' }) => {
      const request = decodeOperatorRequest(payload);
      assert.ok(request !== undefined);
      this.asked.push(request);
      const body = this.answer(request, partition);
      if (body === undefined) return;
      bus.publish(reply, encodeMessage({ ...body, ask: request.ask, p: partition }));
    });
  }

  store(clientIdentifier: string, fields: Partial<SessionRecord> = {}): SessionRecord {
    const home = homeOf(clientIdentifier);
    const revision = this.#revise(home);
    const generation = revision * PARTITIONS + home;
    const record = sessionRecord(clientIdentifier, revision, { generation, ...fields });
    this.logs[home]?.put(SESSION_TABLE, clientIdentifier, encodeSession(record));
    return record;
  }

  end(clientIdentifier: string): void {
    const home = homeOf(clientIdentifier);
    this.#revise(home);
    this.logs[home]?.delete(SESSION_TABLE, clientIdentifier);
  }

  #revise(home: number): number {
    const revision = (this.revisions[home] ?? 0) + 1;
    this.revisions[home] = revision;
    const value = Buffer.alloc(8);
    value.writeDoubleBE(revision, 0);
    this.logs[home]?.put(META_TABLE, REVISION_KEY, value);
    return revision;
  }

  located(record: SessionRecord | undefined, connection: number | null = null): Body {
    const home = record === undefined ? 0 : homeOf(record.clientIdentifier);
    const holder = { incarnation: 'g1', number: connection ?? 0, authenticationName: 'Name' };
    return {
      t: 'located',
      revision: this.revisions[home] ?? 0,
      generation: record?.generation ?? null,
      connection: connection === null ? null : holder,
      inFlight: [7],
    };
  }

  /** Lets time pass until the answer or the fault is there. */
  async result(answer: Promise<unknown>, limitMs = 30_000): Promise<unknown> {
    let result: { value: unknown } | undefined;
    answer.then(
      (value) => (result = { value }),
      (fault: unknown) => (result = { value: fault }),
    );
    const endMs = this.clock.nowMs() + limitMs;
    while (result === undefined && this.clock.nowMs() < endMs) {
      this.clock.run(this.clock.nowMs() + 10);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    assert.ok(result !== undefined, 'no end');
    return result.value;
  }

  async list(request: Record<string, unknown> = {}): Promise<{ names: string[]; next: string }> {
    const page = (await this.api.call('list', request)) as {
      sessions: { clientIdentifier: string }[];
      nextPageToken: string;
    };
    const names = page.sessions.map(({ clientIdentifier }) => clientIdentifier);
    return { names, next: page.nextPageToken };
  }
}

const FILED = { mode: 'filed', messages: 2, bytes: 30, oldestAtSeconds: 1_000_000_000 };

describe('session API', () => {
  it('says so until the sessions have been read', async () => {
    const fixture = new Fixture();
    fixture.store('a');
    await assert.rejects(fixture.api.call('list', {}), { code: 'unavailable' });
    fixture.clock.run(3_000);
    assert.deepEqual(await fixture.list(), { names: ['a'], next: '' });
  });

  it('pages in a stable order while sessions come and go', async () => {
    const fixture = new Fixture();
    for (const name of ['d', 'b', 'a', 'c', 'e']) fixture.store(name);
    fixture.clock.run(3_000);
    const first = await fixture.list({ pageSize: 2 });
    assert.deepEqual(first.names, ['a', 'b']);
    fixture.end('b');
    fixture.store('aa');
    fixture.store('cc');
    fixture.clock.run(6_000);
    const second = await fixture.list({ pageSize: 2, pageToken: first.next });
    assert.deepEqual(second.names, ['c', 'cc']);
    const third = await fixture.list({ pageSize: 2, pageToken: second.next });
    assert.deepEqual(third.names, ['d', 'e']);
    const end = await fixture.list({ pageSize: 2, pageToken: third.next });
    assert.deepEqual(end, { names: [], next: '' });
  });

  it('filters, and leaves out what has expired', async () => {
    const fixture = new Fixture();
    const at = { incarnation: 'g1', connection: 4 };
    fixture.store('x/1', { at });
    fixture.store('x/2', { authenticationName: 'Other' });
    fixture.store('x/3', { expiresAtMs: fixture.clock.wallMs() + 500 });
    fixture.store('y/1', { at: { incarnation: 'g2', connection: 1 } });
    fixture.clock.run(3_000);
    const names = async (request: object) => (await fixture.list({ ...request })).names;
    assert.deepEqual(await names({}), ['x/1', 'x/2', 'y/1']);
    assert.deepEqual(await names({ clientIdentifierPrefix: 'x' }), ['x/1', 'x/2']);
    assert.deepEqual(await names({ authenticationName: 'oTHER' }), ['x/2']);
    assert.deepEqual(await names({ gateway: 'g2' }), ['y/1']);
    assert.deepEqual(await names({ connected: 'false' }), ['x/2']);
    assert.deepEqual(await names({ connected: true, clientIdentifierPrefix: 'x/' }), ['x/1']);
  });

  it('looks at a session when it has read as far as the home, and asks again', async () => {
    const fixture = new Fixture();
    fixture.clock.run(3_000);
    const record = fixture.store('a', { expiresAtMs: 2_000_000_000_000 });
    let lost = 2;
    fixture.answer = (request) => {
      if (request.t === 'locate') return lost-- > 0 ? undefined : fixture.located(record);
      // Its view is late.
      const queued = fixture.asked.filter(({ t }) => t === 'queue').length;
      return { t: 'queued', queue: queued < 4 ? null : FILED };
    };
    const session = await fixture.result(fixture.api.call('get', { clientIdentifier: 'a' }));
    const { queues, ...rest } = session as { queues: unknown[] };
    assert.deepEqual(rest, {
      clientIdentifier: 'a',
      authenticationName: 'Name',
      connected: false,
      subscriptionCount: 0,
      sessionExpirySeconds: 60,
      expireTime: '2033-05-18T03:33:20.000Z',
      subscriptions: [],
      packetIdentifiersInFlight: [7],
    });
    assert.deepEqual(queues[1], {
      partition: 1,
      mode: 'filed',
      messageCount: 2,
      messageBytes: 30,
      oldestPublishTime: '2001-09-09T01:46:40.000Z',
    });
    assert.equal(fixture.asked.filter(({ t }) => t === 'locate').length, 3);
  });

  it('finds out that a session ended while it was being looked at', async () => {
    const fixture = new Fixture();
    const record = fixture.store('a');
    fixture.clock.run(3_000);
    let current: SessionRecord | undefined = record;
    fixture.answer = (request) => {
      if (request.t === 'locate') return fixture.located(current);
      if (current !== undefined) fixture.end('a');
      current = undefined;
      return { t: 'queued', queue: null };
    };
    const fault = await fixture.result(fixture.api.call('get', { clientIdentifier: 'a' }));
    assert.ok(fault instanceof ApiFault && fault.code === 'not_found', String(fault));
  });

  it('does not ask for ever about a session that is over, though its home has not seen that', async () => {
    const fixture = new Fixture();
    const record = fixture.store('a', { expiresAtMs: fixture.clock.wallMs() + 500 });
    fixture.clock.run(3_000);
    fixture.answer = () => fixture.located(record);
    const fault = await fixture.result(fixture.api.call('get', { clientIdentifier: 'a' }));
    assert.ok(fault instanceof ApiFault && fault.code === 'not_found', String(fault));
    assert.equal(fixture.asked.length, 1);
  });

  it('names the partition whose owner does not answer, in time', async () => {
    const fixture = new Fixture();
    const record = fixture.store('a');
    fixture.clock.run(3_000);
    fixture.answer = (request, partition) => {
      if (request.t === 'locate') return fixture.located(record);
      return partition === 1 ? undefined : { t: 'queued', queue: FILED };
    };
    const startMs = fixture.clock.nowMs();
    const fault = await fixture.result(fixture.api.call('get', { clientIdentifier: 'a' }));
    assert.ok(fault instanceof ApiFault && fault.code === 'unavailable');
    assert.match(fault.message, /partition 1 does not answer/);
    assert.ok(fixture.clock.nowMs() - startMs < 13_000);
  });

  it('disconnects the connection that it saw, until that is over', async () => {
    const fixture = new Fixture();
    fixture.clock.run(3_000);
    let repeats = 0;
    fixture.answer = (request) => {
      if (request.t === 'locate') return fixture.located(undefined, 5);
      assert.ok(request.t === 'disconnect');
      assert.deepEqual([request.incarnation, request.connection], ['g1', 5]);
      return { t: 'disconnected', done: ++repeats === 3 };
    };
    const call = fixture.api.call('disconnect', { clientIdentifier: 'clean' });
    assert.deepEqual(await fixture.result(call), { wasConnected: true });
    assert.equal(repeats, 3);
    fixture.answer = () => fixture.located(undefined);
    const nobody = await fixture.result(fixture.api.call('disconnect', { clientIdentifier: 'x' }));
    assert.ok(nobody instanceof ApiFault && nobody.code === 'not_found');
  });

  it('has read a deletion before it answers', async () => {
    const fixture = new Fixture();
    const record = fixture.store('a');
    fixture.clock.run(3_000);
    fixture.answer = (request) => {
      if (request.t === 'locate') return fixture.located(record);
      assert.ok(request.t === 'delete' && request.generation === record.generation);
      fixture.end('a');
      return { t: 'deleted', done: true, revision: fixture.revisions[homeOf('a')] ?? 0 };
    };
    const call = fixture.api.call('delete', { clientIdentifier: 'a' });
    assert.deepEqual(await fixture.result(call), {});
    assert.deepEqual((await fixture.list()).names, []);
  });

  it('refuses what it does not know', async () => {
    const fixture = new Fixture();
    fixture.clock.run(3_000);
    const { api } = fixture;
    await assert.rejects(api.call('get', {}), { code: 'invalid' });
    await assert.rejects(api.call('get', { clientIdentifier: 7 }), { code: 'invalid' });
    await assert.rejects(api.call('list', { connected: 'maybe' }), { code: 'invalid' });
    await assert.rejects(api.call('list', { pageToken: 'x' }), { code: 'invalid' });
    await assert.rejects(api.call('create', { clientIdentifier: 'a' }), {
      code: 'method_not_allowed',
    });
  });
});
