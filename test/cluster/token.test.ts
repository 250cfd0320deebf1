/**
 * Clients that come by JSON Web Token, with real keys, a real key set over HTTP, two gateways.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, suite, test } from 'node:test';
import type { IClientOptions, MqttClient } from 'mqtt';
import { ControlClient } from '../../services/cli/registry/control-client.ts';
import { startDevCluster } from '../fixtures/dev-cluster.ts';
import type { DevCluster } from '../fixtures/dev-cluster.ts';
import { connectDevice } from '../fixtures/device.ts';
import { auth, field, properties, property } from '../fixtures/mqtt-client-encoder.ts';
import { makeSigner, makeToken, TOKEN_AUDIENCE, TOKEN_ISSUER } from '../fixtures/tokens.ts';
import { waitFor } from '../fixtures/wait-for.ts';

const PROTOCOL_ERROR = 0x82;
const NOT_AUTHORIZED = 0x87;
const NOT_AUTHORIZED_V4 = 0x05;
const MAXIMUM_CONNECT_TIME = 0xa0;
const METHOD = 'CUSTOM-JWT';
const RE_AUTHENTICATE = 0x19;

const signer = makeSigner('ES256');
const next = makeSigner('RS256');

suite('token', () => {
  let cluster: DevCluster;
  let control: ControlClient;
  let keySet: Server;
  const keys: Record<string, unknown>[] = [{ ...signer.publicKey.export({ format: 'jwk' }) }];
  const issuer = (more: object = {}) => ({
    ...{ tokenIssuer: TOKEN_ISSUER, audiences: [TOKEN_AUDIENCE], jwksRefreshSeconds: 10 },
    jwksUrl: `http://127.0.0.1:${(keySet.address() as AddressInfo).port}/keys`,
    ...more,
  });

  before(async () => {
    keySet = createServer((_request, response) => response.end(JSON.stringify({ keys })));
    await new Promise<void>((resolve) => keySet.listen(0, '127.0.0.1', resolve));
    cluster = await startDevCluster({ plain: false });
    control = new ControlClient(cluster.apiUrl);
    await control.create('topicSpaces', 'sites', {
      topicTemplates: ['sites/${client.attributes.site}/#'],
    });
    await control.create('clientGroups', 'engineers', { query: 'attributes.role = "engineer"' });
    await control.create('permissionBindings', 'engineers-sites', {
      ...{ clientGroupName: 'engineers', topicSpaceName: 'sites', permission: 'Publisher' },
    });
    await control.create('jwtIssuers', 'issuer', issuer());
    await waitFor(() =>
      connect('probe')
        .then((client) => client.endAsync(true))
        .then(
          () => true,
          () => false,
        ),
    );
  });
  after(async () => {
    await cluster.stop();
    keySet.close();
  });

  const token = (sub: string, claims: object = {}) =>
    makeToken(signer, sub, { role: 'engineer', site: 'north', ...claims });

  const bare = (more: IClientOptions): IClientOptions => {
    // No certificate: the fixture's own would be of nobody.
    return { username: '', ...more, cert: '', key: '' } as IClientOptions;
  };

  const connectWith = (jwt: string, gateway = 1, id = 'token-client'): Promise<MqttClient> =>
    connectDevice(cluster, {
      ...{ as: 'thermostat', gateway, clientId: id },
      more: bare({
        properties: { authenticationMethod: METHOD, authenticationData: Buffer.from(jwt) },
      }),
    });

  const connect = async (sub: string, claims: object = {}, gateway = 1): Promise<MqttClient> =>
    connectWith(await token(sub, claims), gateway, `id-${sub}`);

  test('claims decide what a client may do', async (t) => {
    const client = await connect('maria');
    t.after(() => client.endAsync(true));
    await client.publishAsync('sites/north/x', 'x', { qos: 1 });
    await assert.rejects(client.publishAsync('sites/south/x', 'x', { qos: 1 }), {
      code: NOT_AUTHORIZED,
    });
  });

  test('a client of 3.1.1 sends its token as password', async (t) => {
    const options = { as: 'thermostat', gateway: 2, version: 4, clientId: 'old' } as const;
    const password = await token('old-client');
    const client = await connectDevice(cluster, {
      ...options,
      more: bare({ username: 'x', password }),
    });
    t.after(() => client.endAsync(true));
    await client.publishAsync('sites/north/y', 'y', { qos: 1 });
    const wrong = bare({ username: 'x', password: `${password.slice(0, -8)}AAAAAAAA` });
    await assert.rejects(connectDevice(cluster, { ...options, clientId: 'o2', more: wrong }), {
      code: NOT_AUTHORIZED_V4,
    });
  });

  test('a connection ends with its token, unless AUTH brings a new one in time', async () => {
    const now = Math.floor(Date.now() / 1_000);
    // The leeway for clocks keeps it for five seconds more.
    const exp = now - 3;
    const [brief, renewed] = await Promise.all([
      connect('brief', { exp }),
      connect('renewed', { exp }, 2),
    ]);
    const end = whenEnded(brief);
    const answer = authAnswer(renewed);
    renewed.stream.write(authPacket(await token('renewed', { site: 'south' })));
    assert.equal(await answer, 0);
    assert.equal((await end).code, MAXIMUM_CONNECT_TIME);
    assert.ok(renewed.connected);
    await renewed.publishAsync('sites/south/x', 'x', { qos: 1 });
    renewed.end(true);
  });

  test('[MQTT-4.12.1-1] [MQTT-4.12.1-2] AUTH changes neither who a client is nor its method', async () => {
    const [other, another] = await Promise.all([connect('other'), connect('another', {}, 2)]);
    const ends = [whenEnded(other), whenEnded(another)];
    other.stream.write(authPacket(await token('somebody-else')));
    another.stream.write(authPacket(await token('another'), 'OAUTH2-JWT'));
    const codes = (await Promise.all(ends)).map(({ code }) => code);
    assert.deepEqual(codes, [NOT_AUTHORIZED, PROTOCOL_ERROR]);
  });

  test('a disabled client of the same name shuts a token out, within a second', async () => {
    const client = await connect('Insider');
    const end = whenEnded(client);
    const startMs = performance.now();
    await control.create('clients', 'insider', { state: 'Disabled' });
    assert.equal((await end).code, NOT_AUTHORIZED);
    assert.ok((await end).atMs - startMs < 1_000);
    await assert.rejects(connect('Insider'), { code: NOT_AUTHORIZED });
  });

  test('keys rotate, and an issuer that goes takes its connections along', async (t) => {
    const clients = [await connect('one'), await connect('two', {}, 2)];
    keys.push({ ...next.publicKey.export({ format: 'jwk' }), kid: 'next' });
    await control.update('jwtIssuers', 'issuer', issuer({ description: 'read again now' }));
    const rotated = await makeToken(next, 'three', {}, { kid: 'next' });
    const third = await waitFor(() => connectWith(rotated, 2).catch(() => undefined));
    t.after(() => third.endAsync(true));
    assert.ok(
      clients.every((client) => client.connected),
      'the key before still counts',
    );
    const ends = clients.map(whenEnded);
    const startMs = performance.now();
    await control.delete('jwtIssuers', 'issuer');
    for (const end of ends) {
      assert.equal((await end).code, NOT_AUTHORIZED);
      assert.ok((await end).atMs - startMs < 1_000);
    }
  });
});

function authPacket(jwt: string, method = METHOD): Buffer {
  return auth(
    RE_AUTHENTICATE,
    properties(property(0x15, field(method)), property(0x16, field(jwt))),
  );
}

function authAnswer(client: MqttClient): Promise<unknown> {
  return new Promise((resolve) => {
    client.on('packetreceive', (packet) => {
      if (packet.cmd === 'auth') resolve(packet.reasonCode);
    });
  });
}

function whenEnded(client: MqttClient): Promise<{ atMs: number; code: number | undefined }> {
  let code: number | undefined;
  client.on('error', () => undefined);
  client.on('disconnect', (packet) => (code = packet.reasonCode));
  return new Promise((resolve) => {
    client.once('close', () => resolve({ atMs: performance.now(), code }));
  });
}
