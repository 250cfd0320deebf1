/**
 * Names of the session logs: one state log per home partition, written by the home alone, followed
 * by every dispatcher (docs/adr/0012, S1, S2).
 */
import type { StreamConfig } from '#bus';
import { stateStreamConfig } from '#state';

/** The "reader group" of the session logs' streams: `STATE_sessions_<pp>`. */
export const SESSIONS_GROUP = 'sessions';

/** Table of a session log: `REVISION_KEY` → f64. */
export const META_TABLE = 0;
/** Revision of the last change, also of a deletion. */
export const REVISION_KEY = 'revision';
/** Table of a session log: client identifier → record. */
export const SESSION_TABLE = 1;

/** The stream of one session log, as control creates it. */
export function sessionStreamConfig(partition: number, replicas: number): StreamConfig {
  return stateStreamConfig(SESSIONS_GROUP, partition, replicas, true);
}
