/**
 * Banned-calls rule — where the surroundings may be touched.
 *
 * Catches: `process.env` outside lib/runtime, scripts and the services' mains; `console` outside
 * lib/runtime, services/cli, scripts and loadtest; time, timers and randomness in pure rooms;
 * lint suppressions without a reason.
 */
import { isPure } from './layering.ts';
import { type Finding, lineAt, type Tree } from './tree.ts';

interface Ban {
  readonly pattern: RegExp;
  readonly says: string;
  readonly appliesTo: (path: string) => boolean;
}

const BANS: readonly Ban[] = [
  {
    pattern: /\bprocess\s*\.\s*env\b|\bprocess\s*\[/g,
    says: 'process.env is read only in lib/runtime, scripts and services/*/main.ts',
    appliesTo: (path) =>
      isProduct(path) && !/^lib\/runtime\/|^services\/[^/]+\/main\.ts$/.test(path),
  },
  {
    pattern: /\bconsole\s*\./g,
    says: 'console is for lib/runtime, services/cli, scripts and loadtest',
    appliesTo: (path) => isProduct(path) && !/^lib\/runtime\/|^services\/cli\//.test(path),
  },
  {
    pattern: /\b(?:setTimeout|setInterval|setImmediate|queueMicrotask|clearTimeout)\s*\(/g,
    says: 'a pure room waits through Clock of #base',
    appliesTo: isPure,
  },
  {
    pattern: /\bDate\s*\.\s*now\b|\bnew\s+Date\s*\(\s*\)|\bperformance\s*\.\s*now\b/g,
    says: 'a pure room learns the time through Clock of #base',
    appliesTo: isPure,
  },
  {
    pattern: /\bprocess\s*\.\s*(?:hrtime|nextTick|pid|memoryUsage|exit|on)\b/g,
    says: 'a pure room knows no process',
    appliesTo: isPure,
  },
  {
    pattern: /\bMath\s*\.\s*random\b|\bcrypto\s*\.\s*\w/g,
    says: 'a pure room gets randomness through Random of #base',
    appliesTo: isPure,
  },
];

export function checkBannedCalls(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const path of tree.sourcePaths) {
    const { bare } = tree.source(path);
    for (const ban of BANS.filter(({ appliesTo }) => appliesTo(path))) {
      for (const match of bare.matchAll(ban.pattern)) {
        findings.push({ path, line: lineAt(bare, match.index), says: ban.says });
      }
    }
    findings.push(...checkSuppressions(tree, path));
  }
  return findings;
}

function isProduct(path: string): boolean {
  return /^(lib|services)\//.test(path);
}

/** `// oxlint-disable-next-line rule -- reason`: the reason must be there. */
function checkSuppressions(tree: Tree, path: string): Finding[] {
  const text = tree.text(path);
  const { code } = tree.source(path);
  return [...text.matchAll(/\/[/*]\s*(?:oxlint|eslint)-disable.*$/gm)]
    .filter((match) => code[match.index] === ' ' && !/ -- \S/.test(match[0]))
    .map((match) => ({
      path,
      line: lineAt(text, match.index),
      says: 'a lint suppression needs its reason after " -- "',
    }));
}
