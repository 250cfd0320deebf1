import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { TestContext } from 'node:test';
import { readMetric } from '../fixtures/cluster-state.ts';
import { ClusterTraffic } from '../fixtures/cluster-traffic.ts';
import { startDevCluster } from '../fixtures/dev-cluster.ts';
import type { DevCluster, DevClusterOptions } from '../fixtures/dev-cluster.ts';
import { connectDevice } from '../fixtures/device.ts';
import { waitFor } from '../fixtures/wait-for.ts';

const PARTITIONS = 2;
/** Of QoS 1 delivery, from the signal on. */
const TAKE_OVER_KILLED_MS = 5_000;
const TAKE_OVER_ASKED_MS = 1_500;
/** More often than traffic pauses by itself on a busy machine. */
const PACE_SLACK_MS = 500;
/** Fewer failures in a row than let an endpoint rest. */
const FAILING = 3;
/** Fewer than go to one endpoint at a time. */
const HANGING = 10;
/** Longer than a checkpoint takes, more than the windows of two partitions hold. */
const WHILE_HANGING = 400;

suite('readers that are killed', () => {
  test('a spare dispatcher takes over from a killed one, and at once from an ended one', async (t) => {
    const { cluster, traffic } = await setUp(t, { dispatchers: 2 });
    await whenOwned(cluster, [1, 1]);
    const killedMs = performance.now();
    await cluster.kill('dispatcher-1');
    const subscriber = await connectDevice(cluster, { as: 'dashboard', gateway: 1 });
    await subscriber.subscribeAsync('demo/traffic/+', { qos: 1 });
    const subscribedMs = performance.now() - killedMs;
    await subscriber.endAsync(true);
    await traffic.whenFlowing();
    const silenceMs = traffic.arrivals.longestSilenceMs(killedMs);
    t.diagnostic(`kill -9: silent ${silenceMs.toFixed()} ms, SUBACK ${subscribedMs.toFixed()} ms`);
    assert.ok(silenceMs < TAKE_OVER_KILLED_MS, `silent for ${silenceMs} ms after kill -9`);
    assert.ok(subscribedMs < TAKE_OVER_KILLED_MS, `SUBACK ${subscribedMs} ms after kill -9`);

    await cluster.restart('dispatcher-1');
    await whenOwned(cluster, [1, 1]);
    await traffic.whenFlowing();
    const endedMs = performance.now();
    await cluster.kill('dispatcher-2', 'SIGTERM');
    await whenOwned(cluster, [PARTITIONS]);
    await traffic.whenFlowing();
    const handOverMs = traffic.arrivals.longestSilenceMs(endedMs);
    t.diagnostic(`SIGTERM: silent ${handOverMs.toFixed()} ms`);
    assert.ok(handOverMs < TAKE_OVER_ASKED_MS, `silent for ${handOverMs} ms after SIGTERM`);
    await verify(t, cluster, traffic);
  });

  test('a router that is killed loses nothing and slows down nobody', async (t) => {
    const { cluster, traffic } = await setUp(t, { env: { WEIR_ROUTER_RETRY_WAITS: '0.2,0.5' } });
    const { webhook, publisher } = traffic;
    for (let kill = 1; kill <= 2; kill++) {
      // Some fail and are deferred, some stay under way, the rest waits behind them or is deferred.
      const answered = webhook.requests;
      webhook.answer = (delivery) => (delivery <= answered + FAILING ? 500 : 'hang');
      const areHanging = (): boolean => webhook.requests >= answered + FAILING + HANGING;
      await waitFor(areHanging, { what: 'hanging deliveries' });
      const before = publisher.count;
      await waitFor(() => publisher.count > before + WHILE_HANGING, { what: 'traffic' });
      const killedMs = performance.now();
      await cluster.kill('router');
      webhook.answer = () => 204;
      await cluster.restart('router');
      await traffic.whenFlowing();
      const backMs = performance.now() - killedMs;
      const silenceMs = traffic.arrivals.longestSilenceMs(killedMs);
      t.diagnostic(
        `kill ${kill}: webhook back ${backMs.toFixed()} ms later, ` +
          `subscriber silent for ${silenceMs.toFixed()} ms at most`,
      );
      assert.ok(silenceMs < TAKE_OVER_ASKED_MS + PACE_SLACK_MS, `silent for ${silenceMs} ms`);
    }
    await verify(t, cluster, traffic);
  });
});

async function setUp(
  t: TestContext,
  options: DevClusterOptions,
): Promise<{ cluster: DevCluster; traffic: ClusterTraffic }> {
  const cluster = await startDevCluster({ plain: false, ...options });
  t.after(() => cluster.stop());
  const traffic = await ClusterTraffic.start(cluster);
  t.after(() => traffic.close());
  return { cluster, traffic };
}

async function verify(t: TestContext, cluster: DevCluster, traffic: ClusterTraffic): Promise<void> {
  const counts = await traffic.verify().catch((cause: unknown) => {
    throw new Error(`${String(cause)}\n${cluster.logs()}`, { cause });
  });
  t.diagnostic(JSON.stringify(counts));
  assert.equal(counts.publisherConnectionsLost, 0);
  assert.equal(counts.subscriberConnectionsLost, 0);
}

/** Resolves when the dispatchers, from the first on, own so many partitions each. */
async function whenOwned(cluster: DevCluster, wanted: readonly number[]): Promise<void> {
  const isSo = async (): Promise<boolean> => {
    const owned = await Promise.all(
      wanted.map((_, index) =>
        readMetric(cluster.ports.dispatchers[index] ?? 0, 'weir_dispatch_owned'),
      ),
    );
    return owned.every((count, index) => count === wanted[index]);
  };
  const what = `${wanted.join(' and ')} partitions at the dispatchers`;
  await waitFor(isSo, { limitMs: 15_000, what });
}
