/**
 * Shared subscriptions in whole clusters: nothing acknowledged to a publisher is lost, whoever
 * fails; nothing comes twice while all ends are orderly; topics stay in order while members stay.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GroupHistory } from './group-history.ts';
import { SETTINGS } from './group-settings.ts';
import { PLANTED_GROUP_FAULTS } from './planted-group-faults.ts';

const SEEDS = 2;

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

/** A planted fault has to show within so many histories. */
const HISTORIES_MAX = 6;

describe('planted faults of shared subscriptions', () => {
  for (const { name, expects, setting, tamper } of PLANTED_GROUP_FAULTS) {
    it(`show: ${name}`, () => {
      const seen: string[] = [];
      for (let seed = 1; seed <= HISTORIES_MAX; seed++) {
        const problems = new GroupHistory({ ...setting, name }, seed, tamper).run();
        if (problems.some((problem) => expects.test(problem))) return;
        seen.push(...problems);
      }
      assert.fail(`it does not show; instead: ${seen.slice(0, 5).join('; ')}`);
    });
  }
});
