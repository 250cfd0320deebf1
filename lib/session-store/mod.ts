/** lib/session-store — stored sessions: their records, and the view that dispatchers follow. */
export * from './names.ts';
export * from './record.ts';
export * from './session-view.ts';
