/**
 * The cases of all statements against a real cluster of two gateways and two dispatchers, in the
 * spreads of WEIR_TEST_SPREADS, by default all.
 */
import { after, before } from 'node:test';
import { startDevCluster } from '../fixtures/dev-cluster.ts';
import type { DevCluster } from '../fixtures/dev-cluster.ts';
import { CASES } from './cases/mod.ts';
import { SPREADS } from './clients.ts';
import { runCases } from './statement-case.ts';

const wanted = (process.env['WEIR_TEST_SPREADS'] ?? SPREADS.join()).split(',');

let cluster: DevCluster;
before(async () => {
  cluster = await startDevCluster({ gateways: 2, dispatchers: 2 });
});
after(() => cluster.stop());

runCases(
  CASES,
  () => ({ ports: cluster.ports.gateways.map((gateway) => gateway.plain ?? 0) }),
  SPREADS.filter((spread) => wanted.includes(spread)),
);
