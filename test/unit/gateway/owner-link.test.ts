/** The link to one partition's owner: epochs, chain of ranges, what is asked again and when. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { type GatewayMessage, RangeReader } from '#frames';
import { OwnerLink } from '../../../services/gateway/owner-link.ts';

let sent: GatewayMessage[];
let link: OwnerLink;

beforeEach(() => {
  sent = [];
  link = new OwnerLink(3, 'g1', (message) => sent.push(message));
});

function range(epoch: number, from: number, to: number, bytes = 100): RangeReader {
  return Object.assign(new RangeReader(), { partition: 3, epoch, from, to, bytes, beacon: to });
}

/** Judges it, and takes it if it is to be taken. */
function hear(r: RangeReader, nowMs = 0): string {
  const verdict = link.judge(r, nowMs);
  if (verdict === 'take') link.took(r);
  return verdict;
}

const kinds = (): string[] => sent.map(({ t }) => t);

describe('OwnerLink', () => {
  it('asks to be welcomed until it is, and starts where it is told', () => {
    link.tick(0);
    link.tick(100);
    link.tick(500);
    assert.deepEqual(kinds(), ['present', 'present']);
    assert.equal(hear(range(0, 0, 5)), 'ignore', 'no start is known');
    assert.ok(!link.unanswered(2_000));
    assert.ok(link.unanswered(2_001));
    assert.ok(link.welcome(7, 40));
    assert.deepEqual([link.epoch, link.done, link.unanswered(9_000)], [7, 40, false]);
    assert.ok(!link.welcome(8, 99), 'a welcome repeated changes nothing');
    link.tick(1_000);
    assert.equal(sent.length, 2);
    assert.deepEqual([link.epoch, link.done], [7, 40]);
  });

  it('trusts no owner of a lower epoch', () => {
    link.raiseEpoch(5);
    link.raiseEpoch(4);
    assert.ok(!link.welcome(4, 1));
    assert.ok(!link.hello(4));
    assert.ok(link.hello(6));
    assert.ok(!link.trusts(5) && link.trusts(6));
    assert.ok(link.welcome(6, 10));
    assert.equal(hear(range(5, 10, 20)), 'ignore');
    assert.equal(hear(range(6, 10, 20)), 'take');
    assert.equal(link.done, 20);
  });

  it('takes what chains, asks once per round trip for what does not', () => {
    link.welcome(1, 10);
    assert.equal(hear(range(1, 10, 20)), 'take');
    assert.equal(hear(range(1, 5, 15)), 'take', 'sent again');
    assert.equal(link.done, 20, 'done never goes back');
    assert.equal(hear(range(1, 25, 30), 1_000), 'ignore');
    assert.equal(hear(range(1, 30, 35), 1_100), 'ignore');
    assert.deepEqual(sent, [{ t: 'again', inc: 'g1', epoch: 1, from: 20, answers: 0 }]);
    assert.equal(hear(range(1, 35, 40), 1_500), 'ignore');
    assert.equal(sent.length, 2, 'the request may have been lost');
    assert.equal(hear(range(1, 20, 40), 1_501), 'take');
    assert.equal(hear(range(1, 41, 50), 1_502), 'ignore');
    assert.deepEqual(sent.at(-1), { t: 'again', inc: 'g1', epoch: 1, from: 40, answers: 0 });
    assert.deepEqual([link.gaps, link.heard], [3, 50]);
    link.hello(2);
    assert.equal(hear(range(2, 60, 70), 1_503), 'ignore');
    assert.equal(sent.length, 4, 'a new owner is asked at once');
  });

  it('tells how much was taken, well inside the window', () => {
    link.welcome(1, 0);
    for (let i = 0; i < 6; i++) hear(range(1, i, i + 1, 200 * 1024));
    assert.deepEqual(kinds(), ['taken', 'taken']);
    assert.deepEqual(sent.at(-1), { t: 'taken', inc: 'g1', epoch: 1, to: 6 });
  });

  it('asks for answers about filter versions that do not come', () => {
    link.welcome(1, 0);
    link.wantVersion(1, 0);
    assert.ok(link.effective(0, 1, 10));
    link.tick(600);
    assert.equal(sent.length, 0);
    link.wantVersion(4, 1_000);
    link.tick(1_499);
    assert.equal(sent.length, 0);
    link.tick(1_500);
    assert.deepEqual(sent, [{ t: 'effective', inc: 'g1', epoch: 1, version: 1 }]);
    assert.ok(!link.effective(2, 3, 2_100), 'an answer in between is missing');
    assert.equal(sent.length, 2);
    assert.ok(link.effective(1, 3, 2_200));
    assert.ok(!link.effective(1, 3, 2_200), 'repeated');
    assert.equal(link.answeredVersion, 3);
    assert.ok(link.unanswered(5_000));
    assert.ok(link.effective(3, 4, 5_000));
    assert.ok(!link.unanswered(50_000));
  });

  it('does not call an owner silent that answers one version after the other', () => {
    link.welcome(1, 0);
    for (let version = 1; version < 100; version++) {
      const nowMs = version * 100;
      link.wantVersion(version, nowMs);
      link.wantVersion(version + 1, nowMs);
      assert.ok(link.effective(version - 1, version, nowMs));
      assert.ok(!link.unanswered(nowMs), `silent at ${nowMs} ms`);
    }
    assert.ok(link.unanswered(99 * 100 + 2_001));
  });

  it('takes no range before the answers that were sent before it', () => {
    link.welcome(1, 10);
    const behind = (answers: number, from: number, to: number): RangeReader =>
      Object.assign(range(1, from, to), { answers });
    assert.ok(link.answer(1, 0));
    assert.ok(!link.answer(1, 0), 'repeated');
    assert.equal(hear(behind(1, 10, 20)), 'take');
    assert.equal(hear(behind(2, 20, 30)), 'ignore');
    assert.deepEqual(sent, [{ t: 'again', inc: 'g1', epoch: 1, from: 20, answers: 1 }]);
    assert.ok(!link.answer(3, 10), 'the second one is missing');
    assert.equal(sent.length, 1, 'and was asked for');
    assert.ok(link.answer(2, 20));
    assert.ok(!link.answer(4, 30));
    assert.deepEqual(sent.at(-1), { t: 'again', inc: 'g1', epoch: 1, from: 20, answers: 2 });
    assert.equal(hear(behind(2, 20, 30), 40), 'take');
    link.hello(1);
    assert.ok(!link.answer(1, 50), 'the same owner goes on counting');
    link.hello(2);
    assert.ok(link.answer(1, 60), 'another one begins anew');
  });

  it('knows the durable checkpoint, and whether its owner has begun', () => {
    link.welcome(1, 10);
    assert.ok(!link.isHeard);
    hear(Object.assign(range(1, 10, 20), { checkpoint: 9 }));
    hear(Object.assign(range(1, 20, 30), { checkpoint: 7 }));
    assert.deepEqual([link.checkpoint, link.isHeard], [9, true]);
    link.hello(2);
    assert.ok(!link.isHeard);
    hear(Object.assign(range(1, 30, 40), { checkpoint: 30 }));
    assert.deepEqual([link.checkpoint, link.isHeard], [9, false]);
  });
});
