/**
 * Shared subscriptions in whole clusters: nothing acknowledged to a publisher is lost, whoever
 * fails; nothing comes twice while all ends are orderly; topics stay in order while members stay.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GroupHistory } from './group-history.ts';
import { SETTINGS } from './group-settings.ts';

const SEEDS = 3;

describe('shared subscriptions', () => {
  for (const setting of SETTINGS) {
    it(`lose nothing with ${setting.name}`, () => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        const history = new GroupHistory(setting, seed);
        const problems = history.run();
        assert.deepEqual(problems.slice(0, 5), [], `seed ${seed}`);
        const count = history.deliveries.reduce((sum, { length }) => sum + length, 0);
        assert.ok(count > 500, `only ${count} deliveries`);
      }
    });
  }
});
