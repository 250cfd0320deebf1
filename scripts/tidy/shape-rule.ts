/**
 * Shape rule — names and looks of a program file.
 *
 * Catches: lines over 100 columns, drawer names (`utils`, `helpers` …), names that are not
 * kebab-case, a missing header comment. Lengths of files and functions, cycles, `any`, `!` and
 * empty blocks are the linter's (.oxlintrc.json).
 */
import type { Finding, Tree } from './tree.ts';

export const LINE_COLUMNS_MAX = 100;
const DRAWER_NAMES = /^(utils?|helpers?|common|misc|shared|types|constants|stuff|lib)$/;
/** `manager` and `handler` need a noun in front. */
const LONELY_NAMES = /^(manager|handler|service|data|info)$/;
/** A test's title is a sentence; it stands in one line so that it can be found. */
const TEST_TITLE = /^\s*(test|it|describe)(\.\w+)?\(['"`]/;
const FILE_NAME = /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|d|contract))?\.(ts|mts|mjs)$/;

export function checkShape(tree: Tree): Finding[] {
  return tree.sourcePaths.flatMap((path) => [
    ...checkName(path),
    ...checkHeader(tree, path),
    ...checkLines(tree, path),
  ]);
}

function checkName(path: string): Finding[] {
  const parts = path.split('/');
  const file = parts.at(-1) ?? '';
  const findings: Finding[] = [];
  const stem = file.replace(/(\.(test|d|contract))?\.(ts|mts|mjs)$/, '');
  if (!FILE_NAME.test(file)) findings.push({ path, line: 0, says: 'the name is not kebab-case' });
  const bad = [...parts.slice(1, -1), stem].find(
    (name) => DRAWER_NAMES.test(name) || LONELY_NAMES.test(name),
  );
  if (bad !== undefined) {
    findings.push({ path, line: 0, says: `"${bad}" says nothing: name the noun it is about` });
  }
  return findings;
}

function checkHeader(tree: Tree, path: string): Finding[] {
  if (path.startsWith('test/') && path.endsWith('.test.ts')) return [];
  const text = tree.text(path).replace(/^#!.*\n/, '');
  if (/^\s*\/\*\*[^]*?\*\//.test(text)) return [];
  return [{ path, line: 1, says: 'the file does not begin with a header comment' }];
}

function checkLines(tree: Tree, path: string): Finding[] {
  return tree
    .text(path)
    .split('\n')
    .map((text, index) => ({ text, columns: Array.from(text).length, line: index + 1 }))
    .filter(({ columns }) => columns > LINE_COLUMNS_MAX)
    .filter(({ text }) => !(path.startsWith('test/') && TEST_TITLE.test(text)))
    .map(({ columns, line }) => ({ path, line, says: `the line has ${columns} columns` }));
}
