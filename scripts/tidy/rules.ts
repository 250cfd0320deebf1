/**
 * Rules — all of tidy, by name. The pages of faults and reasons are compared with the live tables.
 */
import { FAULTS, REASONS } from '#base';
import { checkBannedCalls } from './banned-calls-rule.ts';
import { checkDirections } from './direction-rule.ts';
import {
  checkDecisions,
  checkDependencies,
  checkLinks,
  checkNamedFiles,
  compareTable,
} from './document-rule.ts';
import { checkOrphans } from './orphan-rule.ts';
import { checkShape } from './shape-rule.ts';
import { checkText } from './text-rule.ts';
import type { Finding, Rule, Tree } from './tree.ts';

export const RULES: Readonly<Record<string, Rule>> = {
  directions: checkDirections,
  bannedCalls: checkBannedCalls,
  orphans: checkOrphans,
  shape: checkShape,
  text: checkText,
  dependencies: checkDependencies,
  links: checkLinks,
  namedFiles: checkNamedFiles,
  decisions: checkDecisions,
  faults: checkFaults,
  reasons: checkReasons,
};

function checkFaults(tree: Tree): Finding[] {
  const wanted = new Map(
    Object.entries(FAULTS).map(([code, { retry, blame, says }]) => [code, [retry, blame, says]]),
  );
  return compareTable(tree, 'docs/errors.md', wanted);
}

function checkReasons(tree: Tree): Finding[] {
  const wanted = new Map(
    Object.entries(REASONS).map(([name, { kind, code, connack }]) => [
      name,
      [kind, hexOrDash(code), hexOrDash(connack)],
    ]),
  );
  return compareTable(tree, 'docs/reasons.md', wanted);
}

function hexOrDash(code: number): string {
  return code === 0 ? '–' : `0x${code.toString(16).toUpperCase().padStart(2, '0')}`;
}
