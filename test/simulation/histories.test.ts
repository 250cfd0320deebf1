/**
 * Seeded histories of whole clusters, and the proof that their checker sees broken rules.
 *
 * More of them: `node loadtest/histories.ts COUNT [FIRST_SEED]`. A failing one names its seed.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { History } from './history.ts';
import { PLANTED_FAULTS } from './planted-faults.ts';
import { SETTINGS } from './settings.ts';
import { describeFailure, shrink } from './shrink.ts';

/** Histories per setting in a test run: a few seconds in all. */
const HISTORIES = 4;
/** Histories that a failing one may take to become shorter. */
const SHRINK_RUNS = 30;
/** Deliveries of an average history, at least: one in which nothing happens proves nothing. */
const RECEIVED_MIN = 100;
/** A planted fault has to show within so many histories. */
const ATTEMPTS = 40;

describe('histories of a cluster', () => {
  for (const setting of SETTINGS) {
    it(`${setting.name}: nothing lost, doubled or out of order`, (t) => {
      let received = 0;
      for (let seed = 1; seed <= HISTORIES; seed++) {
        const history = new History(setting, seed * 7_919);
        const problems = history.run();
        if (problems.length > 0) {
          const shrunk = shrink(setting, seed * 7_919, problems, SHRINK_RUNS);
          assert.fail(describeFailure(seed * 7_919, shrunk));
        }
        received += history.stats().received;
      }
      t.diagnostic(`${HISTORIES} histories, ${received} deliveries`);
      assert.ok(received > RECEIVED_MIN * HISTORIES, `only ${received} deliveries`);
    });
  }
});

describe('the checker of histories', () => {
  for (const { name, expects, setting, tamper } of PLANTED_FAULTS) {
    it(`sees: ${name}`, () => {
      const all: string[] = [];
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        const problems = new History({ name, ...setting }, attempt * 101, tamper).run();
        if (problems.some((problem) => expects.test(problem))) return;
        all.push(...problems.slice(0, 2));
      }
      assert.fail(`not seen in ${ATTEMPTS} histories; instead: ${all.join('; ') || 'nothing'}`);
    });
  }
});
