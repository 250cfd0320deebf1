/**
 * Seeded histories of clusters with stored sessions (docs/adr/0012, 0014).
 *
 * More of them: `node loadtest/histories.ts COUNT FIRST_SEED stored`.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { History } from './history.ts';
import { SESSION_SETTINGS } from './session-settings.ts';
import { describeFailure, shrink } from './shrink.ts';

/** Histories per setting in a test run. */
const HISTORIES = 4;
/** Histories that a failing one may take to become shorter. */
const SHRINK_RUNS = 30;
/** Deliveries to stored sessions of an average history, at least. */
const RECEIVED_MIN = 500;

describe('histories of stored sessions', () => {
  for (const setting of SESSION_SETTINGS) {
    it(`${setting.name}: nothing lost, doubled or out of order`, (t) => {
      let received = 0;
      for (let seed = 1; seed <= HISTORIES; seed++) {
        const history = new History(setting, seed * 7_919);
        const problems = history.run();
        if (problems.length > 0) {
          const shrunk = shrink(setting, seed * 7_919, problems, SHRINK_RUNS);
          assert.fail(describeFailure(seed * 7_919, shrunk));
        }
        received += history.stats().receivedStored;
      }
      t.diagnostic(`${HISTORIES} histories, ${received} deliveries`);
      assert.ok(received > RECEIVED_MIN * HISTORIES, `only ${received} deliveries`);
    });
  }
});
