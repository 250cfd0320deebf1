/**
 * Writes docs/conformance.md: every statement of MQTT with its tests, or why it has none. A test
 * compares the two.
 *
 *   node scripts/conformance.ts
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { statementCoverage } from '../test/conformance/statement-coverage.ts';
import type { CoveringTest } from '../test/conformance/statement-coverage.ts';
import { STATEMENTS, UNOBSERVED_REASONS } from '../test/conformance/statement-list.ts';
import type { Statement, StatementVersion } from '../test/conformance/statement-list.ts';

/** A row says what is tested; all tests are found by the number. */
const TITLES_SHOWN = 2;
const VERSIONS: readonly StatementVersion[] = ['5.0', '3.1.1'];

export function renderConformance(): string {
  const coverage = statementCoverage();
  const testsOf = ({ version, id }: Statement): readonly CoveringTest[] =>
    coverage.get(`${version} ${id}`) ?? [];
  const lines = [...HEAD, '', ...summary(testsOf), ''];
  for (const [name, why] of Object.entries(UNOBSERVED_REASONS)) lines.push(`- \`${name}\`: ${why}`);
  for (const version of VERSIONS) {
    lines.push('', `## MQTT ${version}`, '', '| statement | level | in short | shown by |');
    lines.push('|---|---|---|---|');
    for (const each of STATEMENTS.filter((s) => s.version === version)) {
      const tests = testsOf(each);
      const shown = tests.length > 0 ? titles(tests) : `\`${each.unobserved ?? 'nothing'}\``;
      lines.push(`| ${each.id} | ${each.level} | ${cell(each.words)} | ${shown} |`);
    }
  }
  return `${lines.join('\n')}\n`;
}

const HEAD = [
  '# Conformance to MQTT, statement by statement',
  '',
  'Made by `scripts/conformance.ts` from the list of statements, the tests of the broker and the',
  'titles of all other tests; run it again after a change of those. The tests of a statement carry',
  'its number in their titles: `npm test -- --name MQTT-3.1.2-8`. The numbers are those of the',
  'standards (a few of 3.1.1 mean something else in 5.0). Where Weir departs or chooses, see',
  '[divergence](divergence.md).',
];

function summary(testsOf: (statement: Statement) => readonly CoveringTest[]): string[] {
  const lines = ['| version | statements | shown by tests | reason named |', '|---|---|---|---|'];
  for (const version of VERSIONS) {
    const all = STATEMENTS.filter((s) => s.version === version);
    const shown = all.filter((s) => testsOf(s).length > 0).length;
    lines.push(`| ${version} | ${all.length} | ${shown} | ${all.length - shown} |`);
  }
  return lines;
}

function titles(tests: readonly CoveringTest[]): string {
  const shown = tests
    .slice(0, TITLES_SHOWN)
    .map(({ title, file }) => `${cell(title)} (\`${file}\`)`);
  const more = tests.length - shown.length;
  return [...shown, ...(more > 0 ? [`${more} more`] : [])].join('; ');
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('`', '');

if (import.meta.main) {
  writeFileSync(join(import.meta.dirname, '../docs/conformance.md'), renderConformance());
}
