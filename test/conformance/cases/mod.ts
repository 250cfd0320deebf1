/**
 * All cases of a whole broker, by file.
 */
import type { StatementCase } from '../statement-case.ts';
import { CONNECT_CASES } from './connects.ts';
import { PUBLISH_CASES } from './publishes.ts';
import { QOS2_CASES } from './qos2.ts';
import { RETAINED_CASES } from './retained.ts';
import { SESSION_CASES } from './sessions.ts';
import { SIZE_CASES } from './sizes.ts';
import { SUBSCRIPTION_CASES } from './subscriptions.ts';
import { TOPIC_CASES } from './topics.ts';
import { WILL_CASES } from './wills.ts';

export const CASES_BY_FILE: Readonly<Record<string, readonly StatementCase[]>> = {
  connects: CONNECT_CASES,
  publishes: PUBLISH_CASES,
  subscriptions: SUBSCRIPTION_CASES,
  retained: RETAINED_CASES,
  sizes: SIZE_CASES,
  topics: TOPIC_CASES,
  sessions: SESSION_CASES,
  qos2: QOS2_CASES,
  wills: WILL_CASES,
};

export const CASES: readonly StatementCase[] = Object.values(CASES_BY_FILE).flat();
