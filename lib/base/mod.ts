/** lib/base — ports for time and randomness, faults, reasons, hashes. Imports nothing of Weir. */
export * from './clock.ts';
export * from './fault.ts';
export * from './hash.ts';
export * from './reason.ts';
