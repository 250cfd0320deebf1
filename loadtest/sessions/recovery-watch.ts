/**
 * Recovery watch — how long a dispatcher needs from its start until it dispatches again, and what
 * memory that takes. After a kill −9 that includes the rest of its predecessor's lease.
 */
import { waitFor } from '../../test/fixtures/wait-for.ts';
import type { BenchCluster } from './bench-cluster.ts';
import { PARTITIONS } from './bench-cluster.ts';
import { LightClient } from './light-client.ts';
import { residentBytes } from './process-usage.ts';

const LIMIT_MS = 300_000;

export interface Recovery {
  /** From the start of the process to its owning all partitions. */
  readonly ownedMs: number;
  /** From the start of the process until a client could connect and subscribe. */
  readonly servedMs: number;
  readonly residentBytes: number;
  readonly residentBytesMost: number;
}

/** Starts the dispatcher, which must have ended, and waits until it serves. */
export async function watchRecovery(bench: BenchCluster): Promise<Recovery> {
  const startMs = performance.now();
  let isOver = false;
  let residentBytesMost = 0;
  const look = setInterval(() => {
    const pid = bench.pids()['dispatcher-1'];
    if (pid !== undefined) residentBytesMost = Math.max(residentBytesMost, residentBytes(pid));
  }, 100);
  try {
    // Its readiness has a bound of its own, which a large log may exceed.
    void bench.cluster.restart('dispatcher-1').catch(() => isOver);
    const isOwner = async (): Promise<boolean> => {
      try {
        return (await bench.dispatcherMetric('weir_dispatch_owned')) === PARTITIONS;
      } catch {
        // Not listening yet.
        return false;
      }
    };
    await waitFor(isOwner, { limitMs: LIMIT_MS, what: 'a dispatcher that owns all' });
    const ownedMs = performance.now() - startMs;
    await subscribeOnce(bench);
    const servedMs = performance.now() - startMs;
    const pid = bench.pids()['dispatcher-1'] ?? 0;
    return { ownedMs, servedMs, residentBytes: residentBytes(pid), residentBytesMost };
  } finally {
    isOver = true;
    clearInterval(look);
  }
}

/** SUBACK needs every partition. */
async function subscribeOnce({ ports }: BenchCluster): Promise<void> {
  const deadlineMs = performance.now() + LIMIT_MS;
  for (;;) {
    try {
      const client = await LightClient.open({
        port: ports[0],
        identifier: 'after',
        expirySeconds: 0,
      });
      await client.subscribe(['after/recovery']);
      return await client.leave();
    } catch (cause) {
      if (performance.now() > deadlineMs) throw cause;
    }
  }
}
