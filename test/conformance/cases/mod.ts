/**
 * All cases of a whole broker, by file.
 */
import type { StatementCase } from '../statement-case.ts';
import { QOS2_CASES } from './qos2.ts';
import { SESSION_CASES } from './sessions.ts';
import { WILL_CASES } from './wills.ts';

export const CASES_BY_FILE: Readonly<Record<string, readonly StatementCase[]>> = {
  sessions: SESSION_CASES,
  qos2: QOS2_CASES,
  wills: WILL_CASES,
};

export const CASES: readonly StatementCase[] = Object.values(CASES_BY_FILE).flat();
