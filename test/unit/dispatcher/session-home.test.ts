/** The home of client identifiers: sessions, take-over, expiry, wills, QoS 2 deliveries. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryCluster, SimClock } from '#bus';
import type { ClaimDecision, ClaimedWill, GatewayMessage, GrantedSession } from '#frames';
import { logStreamConfig, RecordReader } from '#log';
import { decodeSession, type SessionRecord } from '#session-store';
import { HomeClaims } from '../../../services/dispatcher/home-claims.ts';
import { OutTable } from '../../../services/dispatcher/out-table.ts';
import { SessionHome } from '../../../services/dispatcher/session-home.ts';
import { SessionRecords } from '../../../services/dispatcher/session-records.ts';
import { WillAppender } from '../../../services/dispatcher/will-appender.ts';
import { WillKeeper } from '../../../services/dispatcher/will-keeper.ts';
import { MemoryTables, NOTHING_DURABLE } from '../../fixtures/memory-tables.ts';
import { topicTextOf } from '../../fixtures/publish-view.ts';
import { seededRandom } from '../../fixtures/seeded-random.ts';

type Claim = Extract<GatewayMessage, { t: 'claim' }>;
const PARTITIONS = 2;
const HOME = 1;
const SESSION_TABLE = 1;

function will(topic: string, options: Partial<ClaimedWill> = {}): ClaimedWill {
  return {
    topic,
    payload: Buffer.from('gone').toString('base64'),
    properties: Buffer.from([0]).toString('base64'),
    qos: 1,
    retain: false,
    delaySeconds: 0,
    messageExpirySeconds: -1,
    ...options,
  };
}

/** A home on tables that become durable when told to, and a log in memory. */
class Fixture {
  readonly clock = new SimClock();
  readonly nats = new MemoryCluster(this.clock, seededRandom(1));
  readonly alive = new Set(['g1', 'g2']);
  readonly ended: string[] = [];
  readonly decisions: [string, ClaimDecision][] = [];
  readonly published: string[] = [];
  log = new MemoryTables(this.clock, NOTHING_DURABLE);
  state = new MemoryTables(this.clock, NOTHING_DURABLE);
  home: SessionHome;

  constructor() {
    for (let p = 0; p < PARTITIONS; p++) this.nats.createStream(logStreamConfig(p, 1));
    const last = new Map<string, number>();
    this.nats.onStored((_stream, { subject, payload }) => {
      const number = payload.readUIntBE(4, 6);
      if (number <= (last.get(subject) ?? 0)) return;
      last.set(subject, number);
      const reader = new RecordReader(payload);
      while (reader.next() >= 0) this.published.push(topicTextOf(reader.view));
    });
    this.home = this.#make();
  }

  #make(): SessionHome {
    const { clock, log, state } = this;
    const records = [...log.keys(SESSION_TABLE)].map((key) =>
      decodeSession(log.peek(SESSION_TABLE, key) as Buffer),
    );
    const bus = this.nats.connect(`home-${this.decisions.length}-${clock.nowMs()}`);
    const isAlive = (incarnation: string): boolean => this.alive.has(incarnation);
    const appender = new WillAppender({ bus, clock, state, home: HOME, holds: () => true });
    return new SessionHome({
      clock,
      home: HOME,
      partitions: PARTITIONS,
      claims: new HomeClaims(clock.nowMs(), (e) =>
        this.ended.push(`${e.incarnation}.${e.connection}`),
      ),
      records: new SessionRecords(
        clock,
        log,
        records,
        Math.max(0, ...records.map((r) => r.revision)),
      ),
      state,
      wills: new WillKeeper({ clock, state, partitions: PARTITIONS, appender, isAlive }),
      outs: new OutTable(state),
      isAlive,
      checkpoints: () => [100, 100],
      decide: (incarnation, decision) => this.decisions.push([incarnation, decision]),
    });
  }

  /** The next owner, with what is durable. */
  takeOver(): void {
    this.home.close();
    this.log = new MemoryTables(this.clock, this.log.durable);
    this.state = new MemoryTables(this.clock, this.state.durable);
    this.home = this.#make();
  }

  claim(inc: string, connection: number, options: Partial<Claim> = {}): void {
    this.home.claim({
      t: 'claim',
      inc,
      connection,
      clientIdentifier: 'c',
      authenticationName: 'n',
      cleanStart: false,
      sessionExpirySeconds: 60,
      ...options,
    });
  }

  /** Lets time pass and both logs become durable. */
  settle(spanMs = 1): void {
    for (let i = 0; i < 5; i++) {
      this.state.commit(0);
      this.log.commit(0);
      this.clock.run(this.clock.nowMs() + spanMs / 5);
      this.home.tick();
    }
    this.state.commit(0);
    this.log.commit(0);
  }

  session(connection: number): GrantedSession {
    const found = this.decisions.find(
      ([, d]) => d.connection === connection && 'granted' in d && d.granted,
    );
    assert.ok(found !== undefined, `connection ${connection} was not granted`);
    const [, decision] = found;
    assert.ok('session' in decision && decision.session !== undefined, 'it got a session');
    return decision.session;
  }

  record(): SessionRecord | undefined {
    const value = this.log.peek(SESSION_TABLE, 'c');
    return value === undefined ? undefined : decodeSession(value);
  }

  leave(inc: string, connection: number, cursor: (number | null)[], expiry = 60): void {
    const { stay } = this.session(connection);
    const leaving = { stay, cursor, inFlight: [], sessionExpirySeconds: expiry };
    this.home.release({ t: 'release', inc, connection, clientIdentifier: 'c', leaving });
  }
}

describe('session home', () => {
  it('answers when the record is durable, and the same when asked again', () => {
    const fixture = new Fixture();
    fixture.claim('g1', 1);
    fixture.clock.run(50);
    assert.deepEqual(fixture.decisions, [], 'nothing is durable yet');
    fixture.settle();
    const first = fixture.session(1);
    assert.equal(first.present, false);
    assert.equal(first.generation % PARTITIONS, HOME);
    fixture.claim('g1', 1);
    fixture.settle();
    assert.equal(fixture.decisions.length, 2);
    assert.deepEqual(fixture.decisions[1], fixture.decisions[0]);
  });

  it('hands a session on with cursor and subscriptions', () => {
    const fixture = new Fixture();
    fixture.claim('g1', 1);
    fixture.settle();
    const subscription = {
      topicFilter: 'a/#',
      qos: 1,
      noLocal: false,
      retainAsPublished: false,
      subscriptionIdentifier: 0,
      starts: [200, 5],
    } as const;
    const change = { inc: 'g1', connection: 1, clientIdentifier: 'c', number: 1 } as const;
    fixture.home.change({ t: 'change', ...change, add: [subscription], remove: [] });
    fixture.settle();
    fixture.home.change({ t: 'change', ...change, add: [], remove: ['a/#'] });
    fixture.settle();
    assert.equal(fixture.record()?.subscriptions.length, 1, 'a repeated number changes nothing');
    fixture.leave('g1', 1, [300, null]);
    fixture.settle();
    fixture.takeOver();
    fixture.claim('g2', 2);
    fixture.settle();
    const session = fixture.session(2);
    assert.equal(session.present, true);
    assert.deepEqual(session.subscriptions, [subscription]);
    assert.deepEqual(session.cursor, [300, 0]);
    assert.equal(session.generation, fixture.session(1).generation);
    assert.ok(session.stay > fixture.session(1).stay);
  });

  it('asks the older connection to leave, and waits for its cursor', () => {
    const fixture = new Fixture();
    fixture.claim('g1', 1);
    fixture.settle();
    fixture.claim('g2', 2);
    fixture.clock.run(fixture.clock.nowMs() + 100);
    assert.deepEqual(fixture.ended, ['g1.1']);
    assert.equal(fixture.record()?.at?.connection, 1, 'not taken yet');
    fixture.leave('g1', 1, [7, 8]);
    fixture.settle();
    assert.deepEqual(fixture.session(2).cursor, [7, 8]);
  });

  it('does not wait for ever', () => {
    const fixture = new Fixture();
    fixture.claim('g1', 1);
    fixture.settle();
    fixture.claim('g2', 2);
    fixture.settle(500);
    assert.equal(fixture.session(2).present, true);
    // The late release changes nothing, and is answered.
    fixture.leave('g1', 1, [700, 800]);
    fixture.settle();
    assert.deepEqual(fixture.record()?.cursor, [0, 0]);
    assert.ok(fixture.decisions.some(([inc, d]) => inc === 'g1' && 'released' in d));
  });

  it('refuses another authentication name, also while nobody is connected', () => {
    const fixture = new Fixture();
    fixture.claim('g1', 1);
    fixture.settle();
    fixture.leave('g1', 1, [1, 1]);
    fixture.claim('g2', 2, { authenticationName: 'thief' });
    fixture.claim('g2', 3, { authenticationName: 'N' });
    fixture.settle();
    const [refused] = fixture.decisions.filter(([, d]) => d.connection === 2);
    assert.deepEqual(refused?.[1], { connection: 2, granted: false, reason: 'session_name_owned' });
    assert.equal(fixture.session(3).present, true);
  });

  it('begins a new generation with clean start, and none for a clean session', () => {
    const fixture = new Fixture();
    fixture.claim('g1', 1);
    fixture.settle();
    fixture.leave('g1', 1, [1, 1]);
    fixture.claim('g1', 2, { cleanStart: true });
    fixture.settle();
    assert.equal(fixture.session(2).present, false);
    assert.notEqual(fixture.session(2).generation, fixture.session(1).generation);
    fixture.leave('g1', 2, [1, 1]);
    fixture.claim('g1', 3, { cleanStart: true, sessionExpirySeconds: 0 });
    fixture.settle();
    const [last] = fixture.decisions.filter(([, d]) => d.connection === 3);
    assert.ok(last !== undefined && 'granted' in last[1] && !('session' in last[1]));
    assert.equal(fixture.record(), undefined);
  });

  it('ends sessions when they expire, and those of an ended gateway later', () => {
    const fixture = new Fixture();
    fixture.claim('g1', 1, { sessionExpirySeconds: 5 });
    fixture.settle();
    fixture.alive.delete('g1');
    fixture.home.gatewayEnded('g1');
    fixture.settle(2_000);
    assert.equal(fixture.record()?.at, undefined);
    fixture.settle(2_000);
    assert.ok(fixture.record() !== undefined);
    fixture.settle(10_000);
    assert.equal(fixture.record(), undefined);
  });
});

describe('wills at their home', () => {
  it('are published when the connection is lost, once, over a change of owners', () => {
    const fixture = new Fixture();
    fixture.claim('g1', 1, { will: will('w/1'), sessionExpirySeconds: 0, cleanStart: true });
    fixture.settle();
    fixture.alive.delete('g1');
    fixture.home.gatewayEnded('g1');
    fixture.state.commit(0);
    // Decided, perhaps appended, perhaps not.
    fixture.takeOver();
    fixture.settle(100);
    fixture.takeOver();
    fixture.settle(100);
    assert.deepEqual(fixture.published, ['w/1']);
    assert.equal(fixture.state.count(7), 0);
    assert.equal(fixture.state.count(8), 0);
  });

  it('are not published after an orderly end', () => {
    const fixture = new Fixture();
    fixture.claim('g1', 1, { will: will('w/1') });
    fixture.settle();
    fixture.leave('g1', 1, [0, 0]);
    fixture.settle(100);
    fixture.alive.delete('g1');
    fixture.home.gatewayEnded('g1');
    fixture.settle(100);
    assert.deepEqual(fixture.published, []);
  });

  it('wait for their delay or the end of the session, and not when it is resumed', () => {
    const fixture = new Fixture();
    const delayed = will('w/1', { delaySeconds: 10 });
    const lose = (connection: number, sessionExpirySeconds: number): void => {
      const { stay } = fixture.session(connection);
      const leaving = { stay, cursor: [0, 0], inFlight: [], sessionExpirySeconds };
      const at = { inc: 'g1', connection, clientIdentifier: 'c', publishesWill: true };
      fixture.home.release({ t: 'release', ...at, leaving });
    };
    fixture.claim('g1', 1, { will: delayed });
    fixture.settle();
    lose(1, 60);
    fixture.settle(5_000);
    fixture.claim('g1', 2, { will: delayed });
    fixture.settle(20_000);
    assert.deepEqual(fixture.published, [], 'resumed in time');
    lose(2, 60);
    fixture.settle(5_000);
    assert.deepEqual(fixture.published, []);
    fixture.settle(10_000);
    assert.deepEqual(fixture.published, ['w/1'], 'after the delay');
    fixture.claim('g1', 3, { will: delayed });
    fixture.settle();
    lose(3, 2);
    fixture.settle(5_000);
    assert.deepEqual(fixture.published, ['w/1', 'w/1'], 'with the session');
  });

  it('of an older connection are decided when a new one comes', () => {
    const fixture = new Fixture();
    fixture.claim('g1', 1, { will: will('w/0') });
    fixture.settle();
    fixture.claim('g2', 2, { will: will('w/2', { delaySeconds: 5 }) });
    fixture.settle(500);
    assert.deepEqual(fixture.published, ['w/0'], 'without delay');
    fixture.claim('g1', 3, {});
    fixture.settle(10_000);
    assert.deepEqual(fixture.published, ['w/0'], 'resumed within the delay');
    fixture.claim('g1', 4, { will: will('w/4', { delaySeconds: 5 }) });
    fixture.settle(500);
    fixture.claim('g1', 5, { cleanStart: true });
    fixture.settle(500);
    assert.deepEqual(fixture.published, ['w/0', 'w/4'], 'its session has ended');
  });
});

describe('QoS 2 deliveries at their home', () => {
  const step = (fixture: Fixture, steps: [number, number, number, number][], upTo = 0): void => {
    const at = { inc: 'g1', connection: 1, clientIdentifier: 'c' } as const;
    fixture.home.out({ t: 'out', ...at, number: 1, steps, acknowledged: [upTo, null] });
  };

  it('are handed on with the session, forgotten below what is acknowledged', () => {
    const fixture = new Fixture();
    fixture.claim('g1', 1);
    fixture.settle();
    step(fixture, [
      [1, 0, 100, 0],
      [2, 0, 200, 0],
      [3, 1, 50, 0],
    ]);
    step(fixture, [
      [1, 0, 100, 1],
      [2, 0, 200, 1],
      [2, 0, 200, 2],
    ]);
    fixture.settle();
    assert.ok(fixture.decisions.some(([, d]) => 'stepped' in d && d.stepped === 1));
    fixture.takeOver();
    fixture.claim('g1', 2);
    fixture.settle(500);
    const outs = fixture.session(2).outs?.toSorted((a, b) => a[0] - b[0]);
    assert.deepEqual(outs, [
      [1, 0, 100, 1],
      [2, 0, 200, 2],
      [3, 1, 50, 0],
    ]);
  });

  it('are finished when their identifier is used again', () => {
    const fixture = new Fixture();
    fixture.claim('g1', 1);
    fixture.settle();
    step(fixture, [[1, 0, 100, 1]]);
    step(fixture, [[1, 0, 300, 0]]);
    step(fixture, [[1, 0, 300, 0]]);
    fixture.settle();
    fixture.claim('g2', 2);
    fixture.settle(500);
    assert.deepEqual(fixture.session(2).outs, [
      [1, 0, 100, 2],
      [1, 0, 300, 0],
    ]);
    step(fixture, [], 150);
    assert.equal(fixture.state.count(6), 2, 'not its connection any more');
  });
});
