/**
 * Stored sessions at a gateway, driven by chance: each message comes once per connection and in
 * order, whatever is lost, late or of another owner; floor, cursor and consumed never pass what is
 * not acknowledged.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StayWorld } from './stay-world.ts';

const WORLDS = 60;
const STEPS = 1_500;

describe('a stay', () => {
  it('gets everything once and in order, and tells no more than is acknowledged', () => {
    const seen = { slow: 0, lag: 0, got: 0 };
    for (let seed = 1; seed <= WORLDS; seed++) {
      const world = new StayWorld(seed);
      try {
        for (let i = 0; i < STEPS; i++) world.step();
        world.drain();
        assert.deepEqual(world.missing.slice(0, 5), []);
        assert.equal(world.queued, 0, 'what was acknowledged left the queues');
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
      const { slow, lag } = world.stays.refilings;
      seen.slow += slow;
      seen.lag += lag;
      seen.got += world.stays.delivered;
    }
    // A run in which nothing happens proves nothing.
    assert.ok(seen.slow > 10 && seen.lag > 10 && seen.got > 100 * WORLDS, JSON.stringify(seen));
  });
});
