/** A broker under test: where it listens, and every process of it. */
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';

export interface Broker {
  readonly name: 'mosquitto' | 'weir';
  readonly version: string;
  readonly pids: readonly number[];
  /** Plain listeners: of publishers, and of subscribers when they are to be elsewhere. */
  readonly port: number;
  readonly otherPort: number;
  readonly tlsPort: number;
  stop(): Promise<void>;
}

/** Files of PEM: what both brokers use as server, and one client. */
export interface BenchCertificates {
  readonly ca: string;
  readonly server: { readonly cert: string; readonly key: string };
  readonly client: { readonly name: string; readonly cert: string; readonly key: string };
}

const SETTLE_LOOK_MS = 250;
const SETTLE_LIMIT_MS = 10_000;
/** Part of one core below which a broker counts as idle. */
const IDLE_CORES = 0.08;
/** USER_HZ, fixed on Linux for what /proc shows. */
const TICKS_PER_SECOND = 100;

/** Waits (bounded) until the broker has nothing left to do. → CPU seconds that it still used. */
export async function settle(broker: Broker): Promise<number> {
  const from = cpuSeconds(broker.pids);
  const deadlineMs = performance.now() + SETTLE_LIMIT_MS;
  let last = from;
  while (performance.now() < deadlineMs) {
    await setTimeout(SETTLE_LOOK_MS);
    const now = cpuSeconds(broker.pids);
    const isIdle = now - last <= (IDLE_CORES * SETTLE_LOOK_MS) / 1_000;
    last = now;
    if (isIdle) break;
  }
  return last - from;
}

export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces; user and system time follow as 12th and 13th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS_PER_SECOND;
}
