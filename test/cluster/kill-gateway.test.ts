import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDevCluster } from '../fixtures/dev-cluster.ts';
import { killPublishingGateway } from '../fixtures/gateway-kills.ts';
import { seededRandom } from '../fixtures/seeded-random.ts';

/** The long series is `npm run test:kill`. */
const KILLS = 6;

test('what had its PUBACK outlives kill -9 of the publishing gateway', async (t) => {
  const cluster = await startDevCluster({ plain: false });
  t.after(() => cluster.stop());
  const seed = Math.floor(Math.random() * 2 ** 32);
  t.diagnostic(`seed ${seed}`);
  const counts = await killPublishingGateway(cluster, {
    kills: KILLS,
    random: seededRandom(seed),
    onKill: ({ number, openCount, backMs }) =>
      t.diagnostic(`kill ${number}: ${openCount} open, all back ${backMs.toFixed()} ms later`),
  }).catch((cause: unknown) => {
    throw new Error(`seed ${seed}: ${String(cause)}\n${cluster.logs()}`, { cause });
  });
  t.diagnostic(JSON.stringify(counts));
  assert.equal(counts.publisherConnectionsLost, KILLS);
  assert.equal(counts.subscriberConnectionsLost, 0, 'the other gateway keeps its connections');
});
