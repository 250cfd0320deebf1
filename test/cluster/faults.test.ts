/** The short form of `npm run test:faults`, and a fault that it must find. */
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { runFaults } from '../faults/fault-run.ts';
import { renderReport } from '../faults/report.ts';
import { startDevCluster } from '../fixtures/dev-cluster.ts';
import { SwallowingProxy } from '../fixtures/swallowing-proxy.ts';

const QUICK_RETRIES = { WEIR_ROUTER_RETRY_WAITS: '0.2,0.5,1' };
const SEED = 20_251_125;
const FAULT_MS = 32_000;
/** Longer ones would leave no time for others. */
const OUTAGE_MS_MAX = 5_000;
const DRAIN_LIMIT_MS = 25_000;
const CALM_MS = 2_500;
const SWALLOWED = 50;

suite('faults on real processes', () => {
  test('all that was acknowledged is everywhere after a minute of kills and stops', async (t) => {
    const cluster = await startDevCluster({ gateways: 3, dispatchers: 2, env: QUICK_RETRIES });
    t.after(() => cluster.stop());
    const report = await runFaults({
      ...{ cluster, seed: SEED, faultMs: FAULT_MS, outageMsMax: OUTAGE_MS_MAX },
      drainLimitMs: DRAIN_LIMIT_MS,
    });
    const lines = renderReport(report);
    for (const line of lines) t.diagnostic(line);
    assert.deepEqual(report.broken, [], `${lines.join('\n')}\n${cluster.logs()}`);
    assert.ok(report.history.strikes.length >= 5, 'faults were struck');
    assert.ok(report.ledger.count('acknowledged') > 500, 'messages got through');
  });

  test('one swallowed PUBLISH is found, in a calm run in which all else is whole', async (t) => {
    const cluster = await startDevCluster({ gateways: 2, dispatchers: 1, env: QUICK_RETRIES });
    t.after(() => cluster.stop());
    const port = cluster.ports.gateways[1]?.plain ?? 0;
    const proxy = await SwallowingProxy.start({ port, swallow: SWALLOWED });
    t.after(() => proxy.close());
    const report = await runFaults({
      ...{ cluster, seed: SEED, faultMs: CALM_MS, calm: true, drainLimitMs: 2_500 },
      roles: ['clean', 'webhook'],
      onEntrance: (entrance, run) => entrance.detour(`${run}-clean-v5`, proxy.port),
    });
    assert.ok(proxy.hasSwallowed);
    const found = report.broken.filter(({ who }) => who !== 'run');
    assert.deepEqual(
      found.map(({ what, who }) => `${what} ${who}`),
      [`lost ${report.run}-clean-v5`],
    );
    assert.ok(report.sums.every(({ who, lost }) => lost === (who === 'clean-v5' ? 1 : 0)));
  });
});
