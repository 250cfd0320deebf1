/** The way to a real NATS: options and the wait for the first connection. */
import { type Clock, Fault } from '#base';
import type { Bus } from '../port.ts';

export interface NatsOptions {
  /** `nats://host:port`, one or several (list or comma-separated). */
  readonly servers: string | readonly string[];
  /** Shown by the server's monitoring. */
  readonly name: string;
  /** Default: the system clock. */
  readonly clock?: Clock;
}

/** Connects, waiting for a server that starts. Throws Fault WEIR_BUS_UNREACHABLE. */
export function connectNats(_options: NatsOptions): Promise<Bus> {
  return Promise.reject(new Fault('WEIR_BUS_UNREACHABLE', 'NATS cannot be reached'));
}
