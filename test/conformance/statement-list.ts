/**
 * Statement list — the normative statements of MQTT 3.1.1 and 5.0, from statements.tsv.
 *
 * Numbers, sections and levels are those of the standards; the words are ours. Statements with the
 * same number may differ between the versions. `unobserved` says why no test can show one.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export type StatementVersion = '3.1.1' | '5.0';

/** Why a test of a server cannot show a statement. */
export const UNOBSERVED_REASONS = {
  client_duty: 'a duty of the client; a server does not see that it is neglected',
  not_offered: 'about something optional that Weir does not offer or limit',
  other_choice: 'the standard lets the server choose, and Weir chooses otherwise',
  not_observable: 'happens inside the server, and no client can bring it about',
} as const;
export type UnobservedReason = keyof typeof UNOBSERVED_REASONS;

export interface Statement {
  readonly version: StatementVersion;
  /** With `MQTT-` in front. */
  readonly id: string;
  readonly level: 'MUST' | 'MUST NOT' | 'MAY';
  readonly section: string;
  readonly unobserved: UnobservedReason | undefined;
  readonly words: string;
}

const LEVELS = ['MUST', 'MUST NOT', 'MAY'] as const;
const VERSIONS = ['3.1.1', '5.0'] as const;

function parseStatement(line: string): Statement {
  const [version, id, level, section, unobserved, words] = line.split('\t');
  const known = {
    version: VERSIONS.find((v) => v === version),
    level: LEVELS.find((l) => l === level),
  };
  const { version: v, level: l } = known;
  if (v === undefined || l === undefined || !id || !section || !words) {
    throw new Error(`statements.tsv: ${line}`);
  }
  const why = unobserved === '' ? undefined : (unobserved as UnobservedReason);
  if (why !== undefined && !(why in UNOBSERVED_REASONS)) throw new Error(`unknown reason: ${why}`);
  return { version: v, id, level: l, section, unobserved: why, words };
}

export const STATEMENTS: readonly Statement[] = readFileSync(
  join(import.meta.dirname, 'statements.tsv'),
  'utf8',
)
  .trimEnd()
  .split('\n')
  .slice(1)
  .map(parseStatement);
