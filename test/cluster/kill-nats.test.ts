import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readClusterState } from '../fixtures/cluster-state.ts';
import { ClusterTraffic } from '../fixtures/cluster-traffic.ts';
import { startDevCluster } from '../fixtures/dev-cluster.ts';
import { waitFor } from '../fixtures/wait-for.ts';

/** Shorter than every lease, and longer than every lease, stillness and readiness. */
const OUTAGES_SECONDS = [1, 15];

test('nats-server is killed and comes back on its data: all go on where they stood', async (t) => {
  const cluster = await startDevCluster({ plain: false, dispatchers: 2 });
  t.after(() => cluster.stop());
  const traffic = await ClusterTraffic.start(cluster);
  t.after(() => traffic.close());
  const before = await readClusterState(cluster);
  for (const seconds of OUTAGES_SECONDS) {
    await cluster.kill('nats');
    // The outage itself: nothing to wait for.
    await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
    const acked = traffic.publisher.acked.size;
    const backMs = performance.now();
    await cluster.restart('nats');
    await waitFor(() => traffic.publisher.acked.size > acked, { what: 'a PUBACK' });
    const pubackMs = performance.now() - backMs;
    await traffic.whenFlowing();
    const flowMs = performance.now() - backMs;
    t.diagnostic(
      `${seconds} s away: PUBACK ${pubackMs.toFixed()} ms, all ${flowMs.toFixed()} ms after its return`,
    );
    assert.equal(traffic.publisher.lostConnections, 0, `connections lost by ${seconds} s`);
    assert.equal(traffic.subscriberConnectionsLost, 0, `connections lost by ${seconds} s`);
  }
  const counts = await traffic.verify().catch((cause: unknown) => {
    throw new Error(`${String(cause)}\n${cluster.logs()}`, { cause });
  });
  t.diagnostic(JSON.stringify(counts));
  assert.equal(counts.repeatedByPublisher, 0, 'publishes went on by themselves');
  assert.deepEqual(await readClusterState(cluster), before, 'processes, leases and epochs');
});
