/**
 * Statement coverage — which tests name which statement in their titles.
 *
 * Tags in titles: `[MQTT-3.1.2-4]` is of 5.0, `[3.1.1 MQTT-3.1.2-4]` of 3.1.1, and `[both MQTT-…]`
 * of both, where the number means the same. Titles of cases and of bad input are made from data,
 * and so are read from there; all others from the text of the tests.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BAD_INPUT } from './bad-input/mod.ts';
import { CASES_BY_FILE } from './cases/mod.ts';
import { statementsOf, versionsOf } from './statement-case.ts';
import type { StatementVersion } from './statement-list.ts';

export interface CoveringTest {
  /** Below test/. */
  readonly file: string;
  readonly title: string;
}

/** By version and id: `5.0 MQTT-3.1.2-4`. */
export type StatementCoverage = ReadonlyMap<string, readonly CoveringTest[]>;

const TESTS = join(import.meta.dirname, '..');
const TITLE = /\b(?:test|it)\(\s*(['"`])((?:(?!\1).)*)\1/g;
const TAG = /\[(?:(3\.1\.1|both) )?(MQTT-\d+(?:\.\d+)+-\d+)\],? ?/g;

const nameOf = (version: 4 | 5): StatementVersion => (version === 4 ? '3.1.1' : '5.0');

export function statementCoverage(): StatementCoverage {
  const tests = new Map<string, CoveringTest[]>();
  const add = (version: StatementVersion, id: string, test: CoveringTest): void => {
    const key = `${version} ${id}`;
    const known = tests.get(key);
    if (known === undefined) tests.set(key, [test]);
    else if (!known.some((t) => t.title === test.title)) known.push(test);
  };
  addCases(add);
  addBadInput(add);
  addWrittenTitles(add);
  return tests;
}

type Add = (version: StatementVersion, id: string, test: CoveringTest) => void;

function addCases(add: Add): void {
  for (const [name, cases] of Object.entries(CASES_BY_FILE)) {
    const file = `conformance/cases/${name}.ts`;
    for (const each of cases) {
      for (const version of versionsOf(each)) {
        for (const id of statementsOf(each, version)) {
          add(nameOf(version), id, { file, title: each.says });
        }
      }
    }
  }
}

function addBadInput(add: Add): void {
  for (const [name, rows] of Object.entries(BAD_INPUT)) {
    const test = { file: 'conformance/bad-input.test.ts', title: `bad input: ${name}` };
    for (const { version, clause } of rows) add(nameOf(version), clause, test);
  }
}

function addWrittenTitles(add: Add): void {
  for (const file of globSync('**/*.test.ts', { cwd: TESTS }).sort()) {
    for (const [, , written = ''] of readFileSync(join(TESTS, file), 'utf8').matchAll(TITLE)) {
      const title = written.replace(TAG, '').replace(/^\$\{version\}: /, '');
      for (const [, which, id = ''] of written.matchAll(TAG)) {
        if (which !== '3.1.1') add('5.0', id, { file, title });
        if (which !== undefined) add('3.1.1', id, { file, title });
      }
    }
  }
}
