/** lib/bus — all that Weir asks of NATS, on real servers and in memory for the simulation. */
export * from './port.ts';
export { connectNats, type NatsOptions } from './nats/connect-nats.ts';
export { calmFaults, type Faults, type SpanMs } from './memory/faults.ts';
export { type MemoryBus, type ProcessControl } from './memory/memory-bus.ts';
export { MemoryCluster } from './memory/memory-cluster.ts';
export { SimClock, SIM_WALL_START_MS } from './memory/sim-clock.ts';
