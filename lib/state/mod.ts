/** lib/state — state logs: the durable memory of one owner per reader group and partition. */
export * from './names.ts';
export * from './port.ts';
export { StateFollower, type StateEntry, type StateFollowerOptions } from './state-follower.ts';
export { PROGRESS_MS, StateLog, type StateLogOptions } from './state-log.ts';
export { PROGRESS_START } from './state-record.ts';
