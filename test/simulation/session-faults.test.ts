/**
 * The proof that the checker of stored sessions sees broken rules.
 *
 * How often: `node loadtest/planted-faults.ts HISTORIES FIRST_SEED TEXT`.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { History } from './history.ts';
import { PLANTED_SESSION_FAULTS } from './planted-session-faults.ts';

/** A planted fault has to show within so many histories. */
const ATTEMPTS = 20;

describe('the checker of stored sessions', () => {
  for (const { name, expects, setting, tamper } of PLANTED_SESSION_FAULTS) {
    it(`sees: ${name}`, (t) => {
      const all: string[] = [];
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        const problems = new History({ name, ...setting }, attempt * 101, tamper).run();
        if (problems.some((problem) => expects.test(problem))) {
          t.diagnostic(`seen in history ${attempt}`);
          return;
        }
        all.push(...problems.slice(0, 2));
      }
      assert.fail(`not seen in ${ATTEMPTS} histories; instead: ${all.join('; ') || 'nothing'}`);
    });
  }
});
