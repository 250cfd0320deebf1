/**
 * Stored sessions, QoS 2 and wills in a real cluster, by statement: two gateways, and a client that
 * comes back is always at the other one.
 */
import { after, before } from 'node:test';
import { startDevCluster } from '../fixtures/dev-cluster.ts';
import type { DevCluster } from '../fixtures/dev-cluster.ts';
import { Clients } from './clients.ts';
import { qos2Cases, willCases } from './qos2-cases.ts';
import { sessionCases } from './session-cases.ts';

let cluster: DevCluster;
before(async () => {
  cluster = await startDevCluster({ gateways: 2, dispatchers: 2 });
});
after(() => cluster.stop());

const ports = (): number[] => cluster.ports.gateways.map((gateway) => gateway.plain ?? 0);

const clients = new Clients(() => ({ ports: ports() }));
sessionCases(clients);
qos2Cases(clients);
willCases(clients);
