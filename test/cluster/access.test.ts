import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { MqttClient } from 'mqtt';
import { CertificateStore } from '../../services/cli/certs/store.ts';
import { ControlClient } from '../../services/cli/registry/control-client.ts';
import { makeCertificate, makeRevocationList } from '../fixtures/certificates.ts';
import { startDevCluster } from '../fixtures/dev-cluster.ts';
import type { CertificateFiles, DevCluster } from '../fixtures/dev-cluster.ts';
import { connectDevice } from '../fixtures/device.ts';
import { waitFor } from '../fixtures/wait-for.ts';

const NOT_AUTHORIZED = 0x87;
/** CONNACK of MQTT 3.1.1. */
const NOT_AUTHORIZED_V4 = 0x05;
/** DISCONNECT of MQTT 5. */
const MAXIMUM_CONNECT_TIME = 0xa0;
const REVOKED_WITHIN_MS = 1_000;

suite('access', () => {
  let cluster: DevCluster;
  let control: ControlClient;
  let directory: string;
  before(async () => {
    cluster = await startDevCluster({ plain: false });
    control = new ControlClient(cluster.apiUrl);
    directory = mkdtempSync(join(tmpdir(), 'weir-access-'));
  });
  after(async () => {
    await cluster.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** A certificate under the cluster's CA, as `weir certs client` makes it. */
  const certify = async (name: string): Promise<void> => {
    await new CertificateStore(dirname(cluster.certificates(name).cert)).ensureClient(name);
  };

  const register = async (name: string): Promise<void> => {
    await certify(name);
    await control.create('clients', name, { attributes: { type: 'sensor' } });
  };

  /** A certificate of a CA that the cluster does not know. */
  const certifyElsewhere = async (name: string): Promise<CertificateFiles> => {
    const issuer = await makeCertificate({ commonName: 'Somebody', authority: true });
    const leaf = await makeCertificate({ commonName: name, issuer });
    return writeCertificate(directory, name, leaf, cluster.certificates(name).ca);
  };

  const revocations: [string, (name: string) => Promise<unknown>][] = [
    ['disabled', (name) => disable(control, name)],
    ['deleted', (name) => control.delete('clients', name)],
  ];
  for (const [what, revoke] of revocations) {
    test(`a client that is ${what} is disconnected within a second, on all gateways`, async (t) => {
      const name = `robot-${what}`;
      await register(name);
      const options = { as: name, clientId: `${name}-1` };
      const clients = [
        await connectDevice(cluster, { ...options, gateway: 1 }),
        await connectDevice(cluster, { ...options, gateway: 2, clientId: `${name}-2`, version: 4 }),
      ];
      t.after(() => Promise.all(clients.map((client) => client.endAsync(true))));
      const ends = clients.map(whenEnded);
      const startMs = performance.now();
      await revoke(name);
      const answeredMs = performance.now() - startMs;
      const endings = await Promise.all(ends);
      const tookMs = endings.map(({ atMs }) => Math.round(atMs - startMs));
      t.diagnostic(`API ${Math.round(answeredMs)} ms, ends after ${tookMs.join(' and ')} ms`);
      assert.ok(Math.max(...tookMs) < REVOKED_WITHIN_MS, `ended after ${tookMs.join(' and ')} ms`);
      assert.equal(endings[0]?.code, NOT_AUTHORIZED, 'DISCONNECT of MQTT 5 says why');
      await assert.rejects(connectDevice(cluster, { ...options, gateway: 1 }), {
        code: NOT_AUTHORIZED,
      });
    });
  }

  test('a certificate ends an open connection by revocation, within a second, and by its end', async (t) => {
    const issuer = await makeCertificate({ commonName: 'Own', authority: true });
    await control.create('caCertificates', 'own-ca', { encodedCertificate: issuer.pem });
    await control.create('clients', 'own', {});
    const short = new Date(Math.ceil(Date.now() / 1_000) * 1_000 + 3_000);
    const taken = await makeCertificate({ commonName: 'own', issuer });
    const brief = await makeCertificate({ commonName: 'own', issuer, notAfter: short });
    const connect = (leaf: typeof taken, gateway: number) => {
      const name = `own-${gateway}`;
      const files = writeCertificate(directory, name, leaf, cluster.certificates('own').ca);
      return connectDevice(cluster, { as: 'own', gateway, clientId: name, files });
    };
    const revoked = await waitFor(() => connect(taken, 1).catch(() => undefined));
    const expiring = await connect(brief, 2);
    t.after(() => expiring.endAsync(true));
    const [revocation, expiry] = [whenEnded(revoked), whenEnded(expiring)];
    const startMs = performance.now();
    await control.create('revocationLists', 'own-crl', {
      caCertificateName: 'own-ca',
      encodedList: await makeRevocationList({ issuer, revoked: [taken] }),
    });
    assert.equal((await revocation).code, NOT_AUTHORIZED);
    assert.ok((await revocation).atMs - startMs < REVOKED_WITHIN_MS);
    await assert.rejects(connect(taken, 2), { code: NOT_AUTHORIZED });
    assert.equal((await expiry).code, MAXIMUM_CONNECT_TIME);
    const lateMs = Date.now() - short.getTime();
    assert.ok(lateMs >= 0 && lateMs < 2_500, `ended ${lateMs} ms after the certificate`);
  });

  test('a publish outside the topic spaces gets PUBACK 0x87, and reaches nobody', async (t) => {
    const sensor = await connectDevice(cluster, { as: 'thermostat', gateway: 1 });
    const viewer = await connectDevice(cluster, { as: 'dashboard', gateway: 2 });
    t.after(() => Promise.all([sensor.endAsync(true), viewer.endAsync(true)]));
    const seen: string[] = [];
    viewer.on('message', (topic) => seen.push(topic));
    await viewer.subscribeAsync('demo/#', { qos: 1 });
    for (const topic of ['demo/dashboard/t', 'demo/thermostat2/t', 'other', 'demo']) {
      await assert.rejects(sensor.publishAsync(topic, 'x', { qos: 1 }), { code: NOT_AUTHORIZED });
    }
    const arrived = new Promise((resolve) => viewer.once('message', resolve));
    await sensor.publishAsync('demo/thermostat/t', 'x', { qos: 1 });
    await arrived;
    assert.deepEqual(seen, ['demo/thermostat/t']);
    assert.ok(sensor.connected, 'MQTT 5 goes on after a refused publish');
  });

  test('a subscription outside the topic spaces gets SUBACK 0x87', async (t) => {
    const viewer = await connectDevice(cluster, { as: 'dashboard', gateway: 1 });
    t.after(() => viewer.endAsync(true));
    for (const filter of ['#', 'other/#', '+/thermostat']) {
      const granted = await subscribeCodes(viewer, filter);
      assert.deepEqual(granted, [NOT_AUTHORIZED], filter);
    }
    assert.deepEqual(await subscribeCodes(viewer, 'demo/+/t'), [1]);
  });

  test('who is unknown or not who it claims to be is refused with 0x87', async () => {
    await certify('stranger');
    const elsewhere = await certifyElsewhere('thermostat');
    const own = cluster.certificates('thermostat');
    for (const gateway of [1, 2]) {
      for (const [version, code] of [
        [5, NOT_AUTHORIZED],
        [4, NOT_AUTHORIZED_V4],
      ] as const) {
        const shape = { gateway, version };
        const unregistered = connectDevice(cluster, { ...shape, as: 'stranger' });
        await assert.rejects(unregistered, { code }, 'not in the registry');
        const foreign = connectDevice(cluster, { ...shape, as: 'thermostat', files: elsewhere });
        await assert.rejects(foreign, { code }, 'the certificate of another CA');
        const other = connectDevice(cluster, { ...shape, as: 'operator', files: own });
        await assert.rejects(other, { code }, 'the certificate of another client');
      }
    }
  });
});

function writeCertificate(
  directory: string,
  name: string,
  leaf: { readonly pem: string; readonly keyPem: string },
  ca: string,
): CertificateFiles {
  const cert = join(directory, `${name}.pem`);
  const key = join(directory, `${name}.key`);
  writeFileSync(cert, leaf.pem);
  writeFileSync(key, leaf.keyPem);
  return { ca, cert, key };
}

async function disable(control: ControlClient, name: string): Promise<void> {
  const stored = await control.get('clients', name);
  if (stored === undefined) throw new Error(`${name} is not registered`);
  const { description, attributes, authenticationName, clientCertificateAuthentication } = stored;
  const spec = { description, attributes, authenticationName, clientCertificateAuthentication };
  await control.update('clients', name, { ...spec, state: 'Disabled' });
}

/** When the connection ended and the reason code of a DISCONNECT, if there was one. */
function whenEnded(client: MqttClient): Promise<{ atMs: number; code: number | undefined }> {
  let code: number | undefined;
  client.on('error', () => undefined);
  client.on('disconnect', (packet) => (code = packet.reasonCode));
  return new Promise((resolve) => {
    client.once('close', () => resolve({ atMs: performance.now(), code }));
  });
}

/** Reason codes of SUBACK; MQTT.js makes an error of a refusal and hands the packet over beside. */
function subscribeCodes(client: MqttClient, filter: string): Promise<unknown> {
  return new Promise((resolve) => {
    client.once('packetreceive', (packet) => {
      resolve(packet.cmd === 'suback' ? packet.granted : packet.cmd);
    });
    client.subscribe(filter, { qos: 1 }, () => undefined);
  });
}
