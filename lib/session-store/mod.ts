/** lib/session-store — stored sessions: their records, and the view that dispatchers follow. */
export * from './record.ts';
