/**
 * tidy — the house rules that a program can judge. One line per finding; exit code 1 if any.
 */
import { ROOT } from '../setup/project.mjs';
import { RULES } from './rules.ts';
import { readTree } from './tree.ts';

const tree = readTree(ROOT);
const lines = Object.entries(RULES).flatMap(([name, rule]) =>
  rule(tree).map(({ path, line, says }) => `${path}:${line} [${name}] ${says}`),
);
if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`);
process.exitCode = lines.length === 0 ? 0 : 1;
