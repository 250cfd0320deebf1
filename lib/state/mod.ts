/** lib/state — state logs: the durable memory of one owner per reader group and partition. */
export * from './names.ts';
export * from './port.ts';
