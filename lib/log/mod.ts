/** lib/log — positions, record layout, the appender of gateways. Reading in order: lib/reader. */
export * from './exactly-once-key.ts';
export * from './key-reader.ts';
export * from './names.ts';
export * from './partition-appender.ts';
export * from './position.ts';
export * from './record.ts';
export {
  MESSAGE_PREFIX_BYTES,
  MESSAGE_PUBLISHER_OFFSET,
  RECORD_HEADER_BYTES,
  RECORD_VERSION,
  RELEASE_BYTES,
} from './record-layout.ts';
export * from './record-reader.ts';
