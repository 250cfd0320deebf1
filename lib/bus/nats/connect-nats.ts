/** The way to a real NATS: options and the wait for the first connection. */
import { type Clock, Fault, type Random, systemClock } from '#base';
import type { Bus } from '../port.ts';
import { NatsBus } from './nats-bus.ts';
import type { NatsTls } from './nats-connection.ts';
import { Wire } from './wire.ts';

/** Longest wait for the first connection: a server that starts with its data needs seconds. */
export const FIRST_CONNECT_MS_MAX = 30_000;

export interface NatsOptions {
  /** `nats://user:password@host:port`, one or several (list or comma-separated). */
  readonly servers: string | readonly string[];
  /** Shown by the server's monitoring. */
  readonly name: string;
  /** Default: the system clock. */
  readonly clock?: Clock;
  /** Chooses the first server, and spreads attempts. Default Math.random. */
  readonly random?: Random;
  /** Default FIRST_CONNECT_MS_MAX. */
  readonly firstConnectMsMax?: number;
  /** For servers that ask for TLS, or are named `tls://`; default what Node trusts. */
  readonly tls?: NatsTls;
  /** Told what the server complains about without ending the connection: permissions. */
  readonly onTrouble?: (text: string) => void;
}

/** Connects, waiting for a server that starts. Throws Fault WEIR_BUS_UNREACHABLE. */
export function connectNats(options: NatsOptions): Promise<Bus> {
  const clock = options.clock ?? systemClock;
  const listed = typeof options.servers === 'string' ? [options.servers] : options.servers;
  const servers = listed.flatMap((entry) => entry.split(',')).map((entry) => entry.trim());
  const { name, tls, onTrouble, random = Math.random } = options;
  const wire = new Wire({ servers, name, clock, random, tls, onTrouble });
  return new Promise((resolve, reject) => {
    // Not by the clock: its timers do not keep a process alive, and nothing else does here.
    const deadline = setTimeout(() => {
      remove();
      void wire.close();
      const shown = servers.map((server) => server.replace(/\/\/.*@/, '//')).join(', ');
      const message = `Start NATS at ${shown} or set its address: ${wire.lastFailure}`;
      reject(new Fault('WEIR_BUS_UNREACHABLE', message));
    }, options.firstConnectMsMax ?? FIRST_CONNECT_MS_MAX);
    const remove = wire.onConnection((connected) => {
      if (!connected) return;
      remove();
      clearTimeout(deadline);
      resolve(new NatsBus(wire));
    });
    wire.start();
  });
}
