/** lib/runtime — configuration, log, metrics, health, end of life: what each process needs once. */
export * from './config.ts';
export * from './config-reference.ts';
export * from './common-settings.ts';
export * from './logger.ts';
export * from './metrics.ts';
export * from './health.ts';
export * from './reader-metrics.ts';
export * from './shutdown.ts';
export * from './bus-health.ts';
