/**
 * Three nats-servers under traffic: one dies, another dies, one stands still, one is cut off, all
 * are gone. Every acknowledged message arrives, and no client loses its connection.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readClusterState } from '../fixtures/cluster-state.ts';
import { ClusterTraffic } from '../fixtures/cluster-traffic.ts';
import { startNatsDevCluster } from '../fixtures/nats-dev-cluster.ts';
import { strikeNats } from '../fixtures/nats-strikes.ts';
import type { StrikeKind } from '../fixtures/nats-strikes.ts';

/** Elections take seconds in which the publisher's window must not fill. */
const PER_SECOND = 100;
/** Kind, whether it hits the leader of LOG_00, and seconds: the shortest that shows something. */
const STRIKES: readonly [StrikeKind, 'leader' | 'other', number][] = [
  ['kill', 'leader', 0],
  ['pause', 'leader', 7],
  ['cut', 'other', 4],
  ['kill', 'other', 0],
  ['outage', 'other', 1],
];

test('nothing is lost and nobody is cut off, whatever happens to nats-servers', async (t) => {
  const target = await startNatsDevCluster({ dispatchers: 2 });
  t.after(() => target.stop());
  const { cluster } = target;
  const traffic = await ClusterTraffic.start(cluster, { perSecond: PER_SECOND });
  t.after(() => traffic.close());
  const before = await readClusterState(cluster);
  for (const [kind, who, seconds] of STRIKES) {
    const leader = await target.leaderIndex('LOG_00');
    const index = who === 'leader' ? leader : (leader + 1) % 3;
    const cost = await strikeNats(target, traffic, { kind, index, seconds });
    const pause = `PUBACK pause ${cost.pubackPauseMs.toFixed()} ms`;
    t.diagnostic(`${kind} ${who}: ${pause}, flowing after ${cost.flowMs.toFixed()} ms`);
    assert.equal(traffic.publisher.lostConnections, 0, `connections lost by ${kind} ${who}`);
    assert.equal(traffic.subscriberConnectionsLost, 0, `connections lost by ${kind} ${who}`);
  }
  const counts = await traffic.verify().catch((cause: unknown) => {
    throw new Error(`${String(cause)}\n${cluster.logs()}`, { cause });
  });
  t.diagnostic(JSON.stringify(counts));
  assert.equal(counts.repeatedByPublisher, 0, 'publishes went on by themselves');
  const after = await readClusterState(cluster);
  assert.equal(after.gatewaysEnded, before.gatewaysEnded, 'gateways ended');
  assert.equal(after.registered, before.registered, 'gateways registered');
});
