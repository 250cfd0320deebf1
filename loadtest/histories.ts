/**
 * Runs many seeded histories: `node loadtest/histories.ts [COUNT] [FIRST_SEED] [SETTING]`.
 *
 * Prints one line per setting and every problem with its seed; the exit code says whether all held.
 */
import { History } from '../test/simulation/history.ts';
import { SESSION_SETTINGS } from '../test/simulation/session-settings.ts';
import { SETTINGS } from '../test/simulation/settings.ts';
import { describeFailure, shrink } from '../test/simulation/shrink.ts';

/** Histories that the first failure of a setting may take to become shorter. */
const SHRINK_RUNS = 30;

const count = Number(process.argv[2] ?? 100);
const firstSeed = Number(process.argv[3] ?? 1);
const only = process.argv[4];

for (const setting of [...SETTINGS, ...SESSION_SETTINGS]) {
  if (only !== undefined && !setting.name.startsWith(only)) continue;
  const startedMs = performance.now();
  let bad = 0;
  let published = 0;
  let received = 0;
  let receivedStored = 0;
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const history = new History(setting, seed);
    const problems = history.run();
    const stats = history.stats();
    published += stats.published;
    received += stats.received;
    receivedStored += stats.receivedStored;
    if (problems.length === 0) continue;
    bad++;
    process.exitCode = 1;
    console.log(`  seed ${seed}: ${problems.length} problems, first: ${problems[0]}`);
    if (bad > 1) continue;
    console.log(
      `  shortest: ${describeFailure(seed, shrink(setting, seed, problems, SHRINK_RUNS))}`,
    );
  }
  const each = (sum: number): number => Math.round(sum / count);
  const ms = each(performance.now() - startedMs);
  console.log(
    `${setting.name}: ${bad} of ${count} histories bad; ` +
      `each ${each(published)} published, ${each(received)} received by clean and ` +
      `${each(receivedStored)} by stored sessions, ${ms} ms`,
  );
}
