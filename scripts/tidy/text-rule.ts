/**
 * Text rule — what no file of the repository may say.
 *
 * Catches: host names of package registries, paths of one machine, work marks without an issue,
 * a package-lock.json that names the registry it was made with, unresolved merges.
 */
import { type Finding, lineAt, type Tree } from './tree.ts';

interface Ban {
  readonly pattern: RegExp;
  readonly says: string;
}

const REGISTRIES = [
  'npmjs\\.(?:org|com)',
  'yarnpkg\\.com',
  'pypi\\.org',
  'pythonhosted\\.org',
  '(?:proxy|sum)\\.golang\\.org',
  'repo1?\\.maven\\.(?:org|apache\\.org)',
  '(?:index|static)\\.crates\\.io',
  'deb\\.debian\\.org',
];

const BANS: readonly Ban[] = [
  {
    pattern: new RegExp(`\\b(?:${REGISTRIES.join('|')})\\b`, 'g'),
    says: 'names the host of a package registry',
  },
  {
    pattern: /(?<![\w.$}/-])\/(?:root|home|Users|work)\/[\w.-]+/g,
    says: 'names a path of one machine',
  },
  { pattern: /(?<![\w.$}/-])\/tmp\/[\w.-]+/g, says: 'names a fixed temporary path' },
  { pattern: /\b(?:TODO|FIXME|XXX)\b(?!\(#\d+\))/g, says: 'a work mark needs its issue: (#n)' },
  { pattern: /^(?:<{7}|>{7}) /gm, says: 'an unresolved merge' },
];

/** The words that this rule looks for stand in these. */
const EXEMPT = new Set(['scripts/tidy/text-rule.ts', 'test/unit/tidy/text-rule.test.ts']);

export function checkText(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const path of tree.paths) {
    if (EXEMPT.has(path)) continue;
    const text = tree.text(path);
    for (const { pattern, says } of BANS) {
      for (const match of text.matchAll(pattern)) {
        findings.push({ path, line: lineAt(text, match.index), says: `${says}: ${match[0]}` });
      }
    }
  }
  findings.push(...checkLock(tree));
  return findings;
}

function checkLock(tree: Tree): Finding[] {
  const path = 'package-lock.json';
  const text = tree.text(path);
  const at = text.search(/"resolved":\s*"(?:https?|git)/);
  if (at < 0) return [];
  return [{ path, line: lineAt(text, at), says: 'names where packages came from (see .npmrc)' }];
}
