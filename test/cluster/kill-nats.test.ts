import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as pass } from 'node:timers/promises';
import { readClusterState } from '../fixtures/cluster-state.ts';
import { ClusterTraffic } from '../fixtures/cluster-traffic.ts';
import { startDevCluster } from '../fixtures/dev-cluster.ts';
import type { DevCluster } from '../fixtures/dev-cluster.ts';
import { packet } from '../fixtures/mqtt-client-encoder.ts';
import { MqttProbe } from '../fixtures/mqtt-probe.ts';
import { waitFor } from '../fixtures/wait-for.ts';

/** Shorter than every lease, and longer than every lease, stillness and readiness. */
const OUTAGES_SECONDS = [1, 15];
const PATIENT_KEEP_ALIVE_SECONDS = 4;
const PINGREQ = packet(0xc0);

test('nats-server is killed and comes back on its data: all go on where they stood', async (t) => {
  const cluster = await startDevCluster({ plain: false, dispatchers: 2 });
  t.after(() => cluster.stop());
  const traffic = await ClusterTraffic.start(cluster);
  t.after(() => traffic.close());
  const before = await readClusterState(cluster);
  const patient = await connectPatientClient(t, cluster);
  for (const seconds of OUTAGES_SECONDS) {
    await cluster.kill('nats');
    // The outage itself: nothing to wait for.
    await pass(seconds * 1_000);
    const acked = traffic.publisher.acked.size;
    const backMs = performance.now();
    await cluster.restart('nats');
    await waitFor(() => traffic.publisher.acked.size > acked, { what: 'a PUBACK' });
    const pubackMs = performance.now() - backMs;
    await traffic.whenFlowing();
    const flowMs = performance.now() - backMs;
    const times = `PUBACK ${pubackMs.toFixed()} ms, all ${flowMs.toFixed()} ms`;
    t.diagnostic(`${seconds} s away: ${times} after its return`);
    assert.equal(traffic.publisher.lostConnections, 0, `connections lost by ${seconds} s`);
    assert.equal(traffic.subscriberConnectionsLost, 0, `connections lost by ${seconds} s`);
  }
  assert.equal(patient.isClosed, false, 'nobody is ended for silence while nobody listens');
  const heardBytes = patient.receivedBytes;
  await waitFor(() => patient.receivedBytes > heardBytes, { what: 'PINGRESP after the outage' });
  const counts = await traffic.verify().catch((cause: unknown) => {
    throw new Error(`${String(cause)}\n${cluster.logs()}`, { cause });
  });
  t.diagnostic(JSON.stringify(counts));
  assert.equal(counts.repeatedByPublisher, 0, 'publishes went on by themselves');
  assert.deepEqual(await readClusterState(cluster), before, 'processes, leases and epochs');
});

/** A client with a short keep-alive that goes on pinging, and does not mind to get no answer. */
async function connectPatientClient(t: TestContext, cluster: DevCluster): Promise<MqttProbe> {
  const { ca, cert, key } = cluster.certificates('thermostat');
  const client = await MqttProbe.connected({
    port: cluster.ports.gateways[0]?.tls ?? 0,
    tls: { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key) },
    userName: 'thermostat',
    clientIdentifier: 'patient',
    keepAliveSeconds: PATIENT_KEEP_ALIVE_SECONDS,
  });
  const timer = setInterval(() => client.send(PINGREQ), PATIENT_KEEP_ALIVE_SECONDS * 500);
  t.after(() => {
    clearInterval(timer);
    client.destroy();
  });
  return client;
}
