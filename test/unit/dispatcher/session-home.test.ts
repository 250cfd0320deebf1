/** The home of client identifiers: sessions, take-over, expiry, wills, QoS 2 deliveries. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HOME, HomeFixture, PARTITIONS, will } from '../../fixtures/session-home.ts';
describe('session home', () => {
  it('answers when the record is durable, and the same when asked again', () => {
    const fixture = new HomeFixture();
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
    const fixture = new HomeFixture();
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
    const fixture = new HomeFixture();
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
    const fixture = new HomeFixture();
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
    const fixture = new HomeFixture();
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
    const fixture = new HomeFixture();
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
    const fixture = new HomeFixture();
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
    const fixture = new HomeFixture();
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
    const fixture = new HomeFixture();
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
    const fixture = new HomeFixture();
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
    const fixture = new HomeFixture();
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
  const step = (
    fixture: HomeFixture,
    steps: [number, number, number, number][],
    upTo = 0,
  ): void => {
    const at = { inc: 'g1', connection: 1, clientIdentifier: 'c' } as const;
    fixture.home.out({ t: 'out', ...at, number: 1, steps, acknowledged: [upTo, null] });
  };

  it('are handed on with the session, forgotten below what is acknowledged', () => {
    const fixture = new HomeFixture();
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
    const fixture = new HomeFixture();
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

  it('of no queue stay until they are finished', () => {
    const fixture = new HomeFixture();
    fixture.claim('g1', 1);
    fixture.settle();
    step(fixture, [[7, 0, -7, 0]], 1_000);
    fixture.settle();
    fixture.takeOver();
    fixture.claim('g1', 2);
    fixture.settle(500);
    assert.deepEqual(fixture.session(2).outs, [[7, 0, -7, 0]]);
    const at = { inc: 'g1', connection: 2, clientIdentifier: 'c' } as const;
    const steps = [[7, 0, -7, 2]] as const;
    fixture.home.out({ t: 'out', ...at, number: 1, steps, acknowledged: [1_000, null] });
    // What stays is up to where all is acknowledged.
    assert.deepEqual([...fixture.state.keys(6)], [fixture.session(2).generation.toString(36)]);
  });
});
