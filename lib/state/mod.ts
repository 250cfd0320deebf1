/** lib/state — state logs: the durable memory of one owner per reader group and partition. */
export * from './names.ts';
export * from './port.ts';
export { PROGRESS_MS, StateLog, type StateLogOptions } from './state-log.ts';
