/**
 * A storm: clients connect, subscribe to filters of their own and leave, each millisecond, so that
 * something is always under way. Nobody stands still by that, and nothing is left behind.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { SimCluster } from './sim-cluster.ts';
import type { SimClient } from './sim-client.ts';

const STORM_MS = 8_000;
const STAY_MS = 20;
/** A few round trips. */
const ANSWER_MS_MAX = 100;

it('a storm of subscribers ends no gateway and leaves nothing behind', () => {
  const cluster = new SimCluster({ seed: 5, gateways: 3, dispatchers: 2, partitions: 2 });
  assert.ok(cluster.runUntilReady());
  cluster.nats.faults.linkMs = [1, 3];
  const { clock } = cluster;
  const open: { client: SimClient; sinceMs: number }[] = [];
  let count = 0;
  let served = 0;
  let worstMs = 0;
  const endMs = clock.nowMs() + STORM_MS;
  while (clock.nowMs() < endMs) {
    for (const gateway of cluster.gateways) {
      const client = cluster.client(gateway, `c${++count}`);
      const sinceMs = clock.nowMs();
      const topicFilter = `storm/${count}`;
      client.connect(() => {
        client.subscribe(topicFilter, () => {
          served++;
          worstMs = Math.max(worstMs, clock.nowMs() - sinceMs);
        });
      });
      open.push({ client, sinceMs });
      gateway.clients.length = 0;
    }
    while ((open[0]?.sinceMs ?? Infinity) < clock.nowMs() - STAY_MS)
      open.shift()?.client.disconnect();
    cluster.runFor(1);
  }
  cluster.runFor(1_000);
  for (const { client } of open) client.disconnect();
  cluster.runFor(1_000);
  assert.deepEqual(
    cluster.gateways.map(({ ended }) => ended),
    [false, false, false],
  );
  assert.equal(served, count);
  assert.ok(worstMs < ANSWER_MS_MAX, `${worstMs} ms to the slowest SUBACK`);
  const owners = cluster.dispatchers.flatMap(({ dispatcher }) => dispatcher.owners);
  assert.equal(
    owners.reduce((sum, owner) => sum + owner.claimCount, 0),
    0,
  );
  for (const { dispatcher } of cluster.dispatchers) assert.equal(dispatcher.board.filterCount, 0);
});
