/** lib/interest — who wants which topics: a gateway tells it, the others and the owners follow. */
export * from './interest-publisher.ts';
export * from './interest-table.ts';
