/** lib/log — positions, record layout, the appender of gateways. Reading in order: lib/reader. */
export * from './names.ts';
export * from './partition-appender.ts';
export * from './position.ts';
export * from './record.ts';
