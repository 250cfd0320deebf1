/** lib/reader — reader groups: one owner per partition, reading the log in order. */
export * from './port.ts';
export { ReaderGroup } from './reader-group.ts';
export { SKIPPED_TABLE } from './skipped-messages.ts';
export { WRITERS_TABLE } from './writer-numbers.ts';
