import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { Clock } from '#base';
import { DEAF_MS, QuorumWatch } from '../../../lib/bus/nats/quorum-watch.ts';

let nowMs = 1;
let changes = 0;
let watch: QuorumWatch;
const clock = { nowMs: () => nowMs } as Clock;

beforeEach(() => {
  nowMs = 1;
  changes = 0;
  watch = new QuorumWatch(clock, () => changes++);
});

describe('quorum watch', () => {
  it('asks for another server when no append was decided for a while', () => {
    watch.sent();
    nowMs += DEAF_MS - 1;
    watch.sent();
    watch.undecided();
    assert.equal(changes, 0);
    nowMs += 1;
    watch.undecided();
    assert.equal(changes, 1);
  });

  it('is content as long as some append is decided', () => {
    for (let i = 0; i < 10; i++) {
      watch.sent();
      nowMs += DEAF_MS - 1;
      watch.undecided();
      watch.decided();
    }
    assert.equal(changes, 0);
  });

  it('waits twice as long after each change, until an append is decided', () => {
    const deafFor = (spanMs: number): number => {
      const before = changes;
      watch.reset();
      watch.sent();
      nowMs += spanMs;
      watch.undecided();
      return changes - before;
    };
    assert.equal(deafFor(DEAF_MS), 1);
    assert.equal(deafFor(DEAF_MS), 0);
    assert.equal(deafFor(2 * DEAF_MS), 1);
    for (let i = 0; i < 5; i++) deafFor(64 * DEAF_MS);
    assert.equal(deafFor(8 * DEAF_MS - 1), 0);
    assert.equal(deafFor(8 * DEAF_MS), 1);
    watch.decided();
    assert.equal(deafFor(DEAF_MS), 1);
  });

  it('forgets what was sent over a connection that is gone', () => {
    watch.sent();
    nowMs += DEAF_MS;
    watch.reset();
    watch.undecided();
    assert.equal(changes, 0);
  });
});
