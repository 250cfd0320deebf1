/**
 * Document rule — documents and code say the same, in both directions.
 *
 * Catches: a dependency without a line in docs/dependencies.md and a line without a dependency; a
 * dependency that nothing imports; a fault or reason that its page lacks or tells differently; a
 * relative link or a named file that is not there; an ADR that the index lacks.
 */
import { importsOf, resolveRelative } from './imports.ts';
import { type Finding, lineAt, type Tree } from './tree.ts';

/** First cells of a table's rows, in backquotes, with the rest of the row. */
export function tableRows(text: string): Map<string, string[]> {
  const rows = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim());
    const key = /^`([^`]+)`$/.exec(cells[1] ?? '')?.[1];
    if (key !== undefined) rows.set(key, cells.slice(2, -1));
  }
  return rows;
}

/** Compares a page's table with `wanted`: key → cells that must stand in this order. */
export function compareTable(
  tree: Tree,
  path: string,
  wanted: ReadonlyMap<string, readonly string[]>,
): Finding[] {
  const findings: Finding[] = [];
  const text = tree.text(path);
  const rows = tableRows(text);
  for (const [key, cells] of wanted) {
    const row = rows.get(key);
    if (row === undefined) findings.push({ path, line: 0, says: `no row for ${key}` });
    else if (cells.some((cell, index) => row[index] !== cell)) {
      const line = lineAt(text, text.indexOf(`\`${key}\``));
      findings.push({ path, line, says: `row ${key} must say: ${cells.join(' | ')}` });
    }
  }
  for (const key of rows.keys()) {
    if (wanted.has(key)) continue;
    const line = lineAt(text, text.indexOf(`\`${key}\``));
    findings.push({ path, line, says: `row ${key} is in no code` });
  }
  return findings;
}

export function checkDependencies(tree: Tree): Finding[] {
  const names = dependencyNames(tree);
  const path = 'docs/dependencies.md';
  const wanted = new Map([...names].map((name) => [name, []] as const));
  return [...compareTable(tree, path, wanted), ...checkUnused(tree)];
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

function manifestOf(tree: Tree): Manifest {
  return JSON.parse(tree.text('package.json') || '{}') as Manifest;
}

function dependencyNames(tree: Tree): Set<string> {
  const { dependencies, devDependencies, optionalDependencies } = manifestOf(tree);
  return new Set(Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies }));
}

/** A runtime dependency must be imported by the product itself. */
function checkUnused(tree: Tree): Finding[] {
  const used = new Set<string>();
  for (const path of tree.paths.filter((name) => /^(lib|services)\/.*\.m?[tj]s$/.test(name))) {
    for (const { specifier } of importsOf(tree, path)) used.add(specifier);
  }
  const isUsed = (name: string) =>
    [...used].some((specifier) => specifier === name || specifier.startsWith(`${name}/`));
  return Object.keys(manifestOf(tree).dependencies ?? {})
    .filter((name) => !isUsed(name))
    .map((name) => ({
      path: 'package.json',
      line: lineAt(tree.text('package.json'), tree.text('package.json').indexOf(`"${name}"`)),
      says: `dependency ${name} is imported nowhere in lib or services`,
    }));
}

export function checkLinks(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  const directories = new Set(tree.paths.flatMap(parentsOf));
  for (const path of tree.paths.filter((name) => name.endsWith('.md'))) {
    const text = tree.text(path);
    for (const match of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      const link = (match[1] ?? '').replace(/#.*$/, '');
      if (link === '' || /^[a-z]+:/.test(link)) continue;
      const target = resolveRelative(path, link).replace(/\/$/, '');
      if (tree.has(target) || directories.has(target)) continue;
      findings.push({ path, line: lineAt(text, match.index), says: `link to ${link} is broken` });
    }
  }
  return findings;
}

/** Files that a page names in backquotes: a path from the root, or the end of one. */
export function checkNamedFiles(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const path of tree.paths.filter((name) => name.endsWith('.md'))) {
    const text = tree.text(path);
    for (const match of text.matchAll(/`([\w./-]+\.(?:ts|mjs|json))`/g)) {
      const name = match[1] ?? '';
      if (tree.paths.some((file) => file === name || file.endsWith(`/${name}`))) continue;
      findings.push({ path, line: lineAt(text, match.index), says: `there is no file ${name}` });
    }
  }
  return findings;
}

function parentsOf(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
}

export function checkDecisions(tree: Tree): Finding[] {
  const index = tree.text('docs/adr/README.md');
  const findings: Finding[] = [];
  for (const path of tree.paths.filter((name) => /^docs\/adr\/\d{4}-/.test(name))) {
    const name = path.slice('docs/adr/'.length);
    if (!index.includes(`(${name})`)) {
      findings.push({ path, line: 0, says: 'docs/adr/README.md does not list it' });
    }
    for (const heading of ['## Context', '## Decision', '## Consequences']) {
      if (tree.text(path).includes(`\n${heading}\n`)) continue;
      findings.push({ path, line: 0, says: `has no section "${heading}"` });
    }
  }
  return findings;
}
