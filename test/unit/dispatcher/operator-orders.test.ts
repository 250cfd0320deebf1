/** Orders of operators at the home of a client identifier: disconnect, delete. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HomeFixture } from '../../fixtures/session-home.ts';

/** What the home answers to one order of an operator. */
function order(fixture: HomeFixture, generation: number): () => boolean | undefined {
  let answered: boolean | undefined;
  fixture.home.delete('c', generation, (isDone) => (answered = isDone));
  return () => answered;
}

describe('orders of operators at the home', () => {
  it('disconnect one connection; who comes next waits for its release', () => {
    const fixture = new HomeFixture();
    fixture.claim('g1', 1);
    fixture.settle();
    const at = { incarnation: 'g1', connection: 1 };
    assert.equal(fixture.claims.disconnect('c', at), true);
    assert.equal(fixture.claims.disconnect('c', at), true, 'asked again');
    assert.equal(fixture.reasons[0], 'administrative_action');
    fixture.claim('g1', 2);
    fixture.clock.run(fixture.clock.nowMs() + 50);
    assert.equal(fixture.record()?.at?.connection, 1);
    fixture.leave('g1', 1, [7, 8]);
    fixture.settle();
    assert.deepEqual(fixture.session(2).cursor, [7, 8]);
    assert.equal(fixture.claims.disconnect('c', at), false, 'over: the next one is left alone');
    assert.equal(fixture.record()?.at?.connection, 2);
    assert.deepEqual(new Set(fixture.reasons), new Set(['administrative_action']));
    assert.equal(fixture.claims.takenOver, 1);
  });

  it('disconnect who has not been let in, and whose gateway has forgotten it', () => {
    const fixture = new HomeFixture();
    fixture.claim('g1', 1);
    assert.equal(fixture.claims.disconnect('c', { incarnation: 'g1', connection: 1 }), true);
    fixture.home.release({ t: 'release', inc: 'g1', connection: 1, clientIdentifier: '' });
    fixture.settle();
    assert.equal(fixture.record()?.at, undefined, 'offline');
    fixture.claim('g1', 2);
    fixture.settle();
    fixture.claim('g2', 3);
    assert.equal(fixture.claims.disconnect('c', { incarnation: 'g2', connection: 3 }), true);
    fixture.home.release({ t: 'release', inc: 'g2', connection: 3, clientIdentifier: '' });
    fixture.settle(500);
    assert.ok(!fixture.decisions.some(([, d]) => d.connection === 3 && 'granted' in d));
    assert.equal(fixture.claims.holder('c'), undefined);
    assert.equal(fixture.record()?.at?.connection, 2, 'until its release');
  });

  it('delete a session nobody is connected to, durably, once', () => {
    const fixture = new HomeFixture();
    fixture.claim('g1', 1);
    fixture.settle();
    const { generation } = fixture.session(1);
    fixture.leave('g1', 1, [1, 1]);
    fixture.settle();
    assert.equal(fixture.home.look('c').generation, generation);
    const first = order(fixture, generation);
    assert.equal(first(), undefined, 'not durable yet');
    fixture.settle();
    assert.equal(first(), true);
    assert.deepEqual(fixture.home.look('c'), { revision: fixture.home.look('c').revision });
    fixture.takeOver();
    assert.equal(fixture.record(), undefined);
    fixture.claim('g1', 2);
    fixture.settle();
    assert.equal(fixture.session(2).present, false);
    const again = order(fixture, generation);
    fixture.settle();
    assert.equal(again(), true);
    assert.equal(fixture.record()?.generation, fixture.session(2).generation, 'a later one stays');
  });

  it('delete a connected session with its release; who comes meanwhile begins a new one', () => {
    const fixture = new HomeFixture();
    fixture.claim('g1', 1);
    fixture.settle();
    const { generation } = fixture.session(1);
    assert.equal(order(fixture, generation)(), false);
    assert.deepEqual([fixture.ended, fixture.reasons], [['g1.1'], ['administrative_action']]);
    assert.equal(order(fixture, generation)(), false);
    fixture.claim('g2', 2);
    fixture.leave('g1', 1, [1, 1]);
    fixture.settle();
    const answer = order(fixture, generation);
    fixture.settle();
    assert.equal(answer(), true);
    const next = fixture.session(2);
    assert.deepEqual([next.present, next.subscriptions], [false, []]);
    assert.notEqual(next.generation, generation);
  });

  it('delete without a release when the gateway is late, or has ended', () => {
    const late = new HomeFixture();
    late.claim('g1', 1);
    late.settle();
    order(late, late.session(1).generation);
    late.settle(4_000);
    assert.ok(late.record() !== undefined);
    late.settle(2_000);
    assert.equal(late.record(), undefined);
    const ended = new HomeFixture();
    ended.claim('g1', 1);
    ended.settle();
    ended.alive.delete('g1');
    const answer = order(ended, ended.session(1).generation);
    ended.settle();
    assert.equal(answer(), true);
  });
});
