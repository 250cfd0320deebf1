/** lib/lease — leases on the lease stream: holding one, seeing all, ending another's. */
export * from './conditional-write.ts';
export * from './lease-end.ts';
export * from './lease-holder.ts';
export * from './lease-record.ts';
export * from './lease-view.ts';
export * from './names.ts';
export * from './observer-clock.ts';
