/**
 * How often the checker of histories notices a broken rule:
 * `node loadtest/planted-faults.ts [HISTORIES] [FIRST_SEED] [TEXT]`, TEXT of the fault's name.
 */
import { History } from '../test/simulation/history.ts';
import { PLANTED_FAULTS } from '../test/simulation/planted-faults.ts';
import { PLANTED_SESSION_FAULTS } from '../test/simulation/planted-session-faults.ts';

const count = Number(process.argv[2] ?? 20);
const firstSeed = Number(process.argv[3] ?? 1);
const only = process.argv[4] ?? '';

for (const { name, setting, expects, tamper } of [...PLANTED_FAULTS, ...PLANTED_SESSION_FAULTS]) {
  if (!name.includes(only)) continue;
  let seen = 0;
  let otherwise = 0;
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const problems = new History({ name, ...setting }, seed, tamper).run();
    if (problems.some((problem) => expects.test(problem))) seen++;
    else if (problems.length > 0) otherwise++;
  }
  console.log(`${seen} of ${count} (${otherwise} in another way): ${name}`);
}
