/** lib/bus — all that Weir asks of NATS, on real servers and in memory for the simulation. */
export * from './port.ts';
export { connectNats, type NatsOptions } from './nats/connect-nats.ts';
export { SimClock, SIM_WALL_START_MS } from './memory/sim-clock.ts';
