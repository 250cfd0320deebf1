/** lib/reader — reader groups: one owner per partition, reading the log in order. */
export * from './port.ts';
