/**
 * Store and view of the registry on a real NATS: what one process writes, another sees.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '#base';
import { connectNats } from '#bus';
import type { Bus } from '#bus';
import {
  openRegistryView,
  readClusterSettings,
  RegistryFault,
  RegistryStore,
  registryStreamConfig,
  writeClusterSettings,
} from '#registry';
import type { Authentication, Credentials, RegistryView } from '#registry';
import { makeCertificate, makeRevocationList } from '../fixtures/certificates.ts';
import { startNatsServer } from '../fixtures/nats-server.ts';
import type { TestNatsServer } from '../fixtures/nats-server.ts';
import { waitFor } from '../fixtures/wait-for.ts';

const ca = await makeCertificate({ commonName: 'CA', authority: true });
const device = await makeCertificate({ commonName: 'Dev-1', issuer: ca });

let server: TestNatsServer;
let bus: Bus;
let otherBus: Bus;
let store: RegistryStore;
let view: RegistryView;

function openStore(on: Bus): RegistryStore {
  return new RegistryStore({ bus: on, clock: systemClock, random: Math.random });
}

before(async () => {
  server = await startNatsServer();
  bus = await connectNats({ servers: server.url, name: 'registry-test' });
  otherBus = await connectNats({ servers: server.url, name: 'registry-test-2' });
  await bus.ensureStream(registryStreamConfig(1));
  store = openStore(bus);
  view = openRegistryView({ bus: otherBus, clock: systemClock });
  await waitFor(() => store.ready && view.ready);
});

after(async () => {
  store.close();
  view.close();
  await bus.close();
  await otherBus.close();
  await server.stop();
});

function authenticate(credentials: Partial<Credentials>): Promise<Authentication> {
  return new Promise((resolve) => {
    const { certificate } = device;
    const whole = { clientIdentifier: 'c', userName: 'dev-1', leaf: certificate, chain: [] };
    let returned = false;
    view.authenticate({ ...whole, ...credentials }, (outcome) => {
      assert.ok(returned, 'never synchronously');
      resolve(outcome);
    });
    returned = true;
  });
}

async function refusal(credentials: Partial<Credentials> = {}): Promise<string> {
  const outcome = await authenticate(credentials);
  return outcome.ok ? 'accepted' : outcome.reason;
}

function fault(code: string, says: RegExp) {
  return (cause: unknown) => {
    assert.ok(cause instanceof RegistryFault, String(cause));
    assert.equal(cause.code, code);
    assert.match(cause.message, says);
    return true;
  };
}

const create = (kind: Parameters<typeof store.get>[0], name: string, spec: unknown) =>
  store.write({ kind, name, action: 'create', spec });
const update = (kind: Parameters<typeof store.get>[0], name: string, spec: unknown, etag = '') =>
  store.write({ kind, name, action: 'update', spec, etag });
const remove = (kind: Parameters<typeof store.get>[0], name: string, etag = '') =>
  store.write({ kind, name, action: 'delete', etag });

test('a client is refused by name until its certificate, record and state fit', async () => {
  assert.equal(await refusal({ leaf: undefined }), 'certificate_missing');
  assert.equal(await refusal(), 'client_unknown');
  await create('clients', 'device:1', { authenticationName: 'dev-1' });
  await waitFor(async () => (await refusal()) !== 'client_unknown');
  assert.equal(await refusal(), 'certificate_untrusted');
  await create('caCertificates', 'test-ca', { encodedCertificate: ca.pem });
  await waitFor(async () => (await refusal()) === 'accepted');
  const outcome = await authenticate({ userName: 'DEV-1' });
  assert.ok(outcome.ok);
  assert.deepEqual(
    { ...outcome.identity },
    {
      clientName: 'device:1',
      authenticationName: 'dev-1',
      attributes: {},
      source: 'ca_certificate',
    },
  );
  assert.equal(await refusal({ userName: undefined }), 'client_unknown');
  await create('clients', 'other', {});
  await waitFor(async () => (await refusal({ userName: 'other' })) === 'certificate_name_mismatch');
  const thumb = device.certificate.fingerprint256.toLowerCase();
  const byThumbprint = (thumbprint: string) => ({
    clientCertificateAuthentication: {
      validationScheme: 'ThumbprintMatch',
      allowedThumbprints: [thumbprint],
    },
  });
  await update('clients', 'other', byThumbprint(thumb));
  await waitFor(async () => (await refusal({ userName: 'other' })) === 'accepted');
  await update('clients', 'other', byThumbprint('00'.repeat(32)));
  const mismatch = 'certificate_thumbprint_mismatch';
  await waitFor(async () => (await refusal({ userName: 'other' })) === mismatch);
});

test('without a user name the certificate names the client, by the sources that are set', async () => {
  const sources = (...alternativeAuthenticationNameSources: string[]) => ({
    alternativeAuthenticationNameSources,
  });
  await create('namespaceSettings', 'default', sources('ClientCertificateDns'));
  await update('namespaceSettings', 'default', sources('ClientCertificateCommonName'));
  await waitFor(async () => (await refusal({ userName: undefined })) === 'accepted');
  assert.equal(await refusal({ userName: '' }), 'accepted');
  assert.equal(await refusal({ userName: 'other' }), 'certificate_thumbprint_mismatch');
  await remove('namespaceSettings', 'default');
  await waitFor(async () => (await refusal({ userName: undefined })) === 'client_unknown');
});

test('a revocation list counts while it stands, and only a newer one replaces it', async () => {
  const list = async (revoked: (typeof device)[], ageMs = 0, issuer = ca) => ({
    caCertificateName: 'test-ca',
    encodedList: await makeRevocationList({
      ...{ issuer, revoked, thisUpdate: new Date(Date.now() - ageMs) },
    }),
  });
  const kind = 'revocationLists';
  const stranger = await makeCertificate({ commonName: 'CA', authority: true });
  const forged = await list([device], 0, stranger);
  await assert.rejects(create(kind, 'test-crl', forged), fault('invalid', /not signed by the key/));
  const astray = { ...(await list([])), caCertificateName: 'nobody' };
  await assert.rejects(create(kind, 'test-crl', astray), fault('invalid', /no CA certificate/));
  await create(kind, 'test-crl', await list([device]));
  await waitFor(async () => (await refusal()) === 'certificate_revoked');
  await assert.rejects(
    update(kind, 'test-crl', await list([], 60_000)),
    fault('invalid', /older than the list/),
  );
  await assert.rejects(remove('caCertificates', 'test-ca'), fault('in_use', /test-crl/));
  await remove(kind, 'test-crl');
  await waitFor(async () => (await refusal()) === 'accepted');
});

test('disabling a client is told, by its name, within a second', async () => {
  const told: (string | undefined)[] = [];
  const remover = view.onChange((name) => told.push(name));
  // Changes of the tests above may still be collected; told together, they would be told as "all".
  await create('clients', 'last-of-before', {});
  await waitFor(() => told.includes('last-of-before') || told.includes(undefined));
  told.length = 0;
  const startMs = performance.now();
  await update('clients', 'device:1', { state: 'Disabled' });
  await waitFor(() => told.includes('device:1'));
  assert.ok(performance.now() - startMs < 1_000);
  assert.equal(await refusal(), 'client_disabled');
  await update('clients', 'device:1', { state: 'Enabled' });
  await waitFor(async () => (await refusal()) === 'accepted');
  remover();
});

test('access follows groups, spaces and bindings, and stays one object while they do', async () => {
  await update('clients', 'device:1', { attributes: { site: 'north', zones: ['a', 'b'] } });
  await waitFor(async () => {
    const outcome = await authenticate({});
    return outcome.ok && outcome.identity.attributes['site'] === 'north';
  });
  const outcome = await authenticate({});
  assert.ok(outcome.ok);
  const { identity } = outcome;
  assert.equal(view.access(identity).mayPublish('site/north/t'), false);
  const publisher = {
    clientGroupName: 'north-side',
    topicSpaceName: 'telemetry',
    permission: 'Publisher',
  };
  await assert.rejects(
    create('permissionBindings', 'pub', publisher),
    (cause) =>
      cause instanceof RegistryFault &&
      cause.violations.map(({ field }) => field).join() === 'clientGroupName,topicSpaceName',
  );
  const templates = ['site/${client.attributes.site}/#', 'zone/${client.attributes.zones}'];
  await create('clientGroups', 'north-side', { query: 'attributes.site IN ["north"]' });
  await create('topicSpaces', 'telemetry', { topicTemplates: templates });
  await create('topicSpaces', 'own-only', {
    topicTemplates: ['device/${client.authenticationName}/+'],
  });
  const told: (string | undefined)[] = [];
  const remover = view.onChange((name) => told.push(name));
  await create('permissionBindings', 'pub', publisher);
  await create('permissionBindings', 'sub', {
    clientGroupName: '$all',
    topicSpaceName: 'own-only',
    permission: 'Subscriber',
  });
  // The view may have told of the first binding before the second is in it.
  await waitFor(
    () => told.includes(undefined) && view.access(identity).maySubscribe('device/dev-1/x'),
  );
  remover();
  const access = view.access(identity);
  assert.equal(access.mayPublish('site/north/t/1'), true);
  assert.equal(access.mayPublish('site/south/t'), false);
  assert.equal(access.mayPublish('zone/b'), true);
  assert.equal(access.mayPublish('device/dev-1/x'), false);
  assert.equal(access.maySubscribe('device/dev-1/x'), true);
  assert.equal(access.maySubscribe('device/dev-1/+'), true);
  assert.equal(access.maySubscribe('device/dev-1/#'), false);
  assert.equal(access.maySubscribe('device/+/x'), false);
  assert.equal(access.maySubscribe('#'), false);
  assert.equal(
    view.access({ ...identity, source: 'anonymous' }).maySubscribe('device/dev-1/x'),
    false,
  );

  const again: (string | undefined)[] = [];
  const removeAgain = view.onChange((name) => again.push(name));
  await update('topicSpaces', 'own-only', {
    description: 'told, but means the same',
    topicTemplates: ['device/${client.authenticationName}/+'],
  });
  await waitFor(() => again.includes(undefined));
  removeAgain();
  assert.equal(view.access(identity), access);
  await assert.rejects(
    remove('topicSpaces', 'telemetry'),
    fault('in_use', /permissionBindings\/pub/),
  );
  await remove('permissionBindings', 'pub');
  await waitFor(() => !view.access(identity).mayPublish('site/north/t'));
});

test('create, update and delete keep to their conditions', async () => {
  const made = await create('clientGroups', 'group-1', { query: 'attributes.a = 1' });
  assert.ok(made !== undefined && made.createdAtMs === made.updatedAtMs);
  await assert.rejects(
    create('clientGroups', 'group-1', { query: 'attributes.a = 1' }),
    fault('already_exists', /clientGroups\/group-1/),
  );
  const same = await update('clientGroups', 'group-1', { query: 'attributes.a = 1' });
  assert.equal(same?.revision, made.revision, 'nothing to write');
  const next = await update('clientGroups', 'group-1', { query: 'attributes.a = 2' });
  assert.ok(next !== undefined && next.revision > made.revision);
  assert.equal(next.createdAtMs, made.createdAtMs);
  const stale = String(made.revision);
  const query = { query: 'attributes.a = 3' };
  await assert.rejects(
    update('clientGroups', 'group-1', query, stale),
    fault('stale_etag', /etag/),
  );
  await assert.rejects(remove('clientGroups', 'group-1', stale), fault('stale_etag', /etag/));
  await remove('clientGroups', 'group-1', String(next.revision));
  assert.equal(store.get('clientGroups', 'group-1'), undefined);
  await assert.rejects(remove('clientGroups', 'group-1'), fault('not_found', /group-1/));
  await assert.rejects(update('clientGroups', 'group-1', query), fault('not_found', /group-1/));
  const back = await create('clientGroups', 'group-1', query);
  assert.ok(back !== undefined && back.createdAtMs >= next.updatedAtMs);
});

test('authentication names are unique without case and cannot be changed', async () => {
  await create('clients', 'Name.A', { authenticationName: 'Möbius' });
  await assert.rejects(
    create('clients', 'Name.B', { authenticationName: 'MÖBIUS' }),
    fault('invalid', /authenticationName: is that of client "Name\.A"/),
  );
  await assert.rejects(
    update('clients', 'Name.A', { authenticationName: 'x' }),
    fault('invalid', /cannot be changed/),
  );
  const kept = await update('clients', 'Name.A', { description: 'kept' });
  assert.equal(
    kept?.kind === 'clients' && store.get('clients', 'Name.A')?.spec.authenticationName,
    'Möbius',
  );
  await remove('clients', 'Name.A');
  await create('clients', 'Name.B', { authenticationName: 'MÖBIUS' });
});

test('two stores that write at once both win, one after the other, and rules hold', async () => {
  const second = openStore(otherBus);
  await waitFor(() => second.ready);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) =>
      (index % 2 === 0 ? store : second).write({
        kind: 'clients',
        name: `racer-${index}`,
        action: 'create',
        spec: { authenticationName: `race-${index >> 1}` },
      }),
    ),
  );
  const won = outcomes.filter(({ status }) => status === 'fulfilled');
  assert.equal(won.length, 10, 'one of each pair');
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') fault('invalid', /is that of client/)(outcome.reason);
  }
  second.close();
});

test('pages come in the order of names and end', () => {
  const names: string[] = [];
  let last = '';
  for (let page = 0; page < 20; page++) {
    const { resources, lastName } = store.list('clients', last, 3);
    assert.ok(resources.length <= 3);
    names.push(...resources.map(({ name }) => name));
    if (lastName === undefined) break;
    last = lastName;
  }
  assert.deepEqual(names, [...names].sort());
  assert.equal(names.length, store.count('clients'));
  assert.deepEqual(store.list('clients', 'zzz', 3), { resources: [], lastName: undefined });
});

test('event subscriptions reach the router and the gateway', async () => {
  let calls = 0;
  const remover = view.onEventSubscriptions(() => calls++);
  await create('eventSubscriptions', 'hook', {
    topicFilters: ['demo/#', 'x/+'],
    destination: { webhook: { endpointUrl: 'http://127.0.0.1:9/hook' } },
  });
  await waitFor(() => calls > 0);
  const [subscription, ...rest] = view.eventSubscriptions();
  assert.equal(rest.length, 0);
  assert.equal(subscription?.endpointUrl, 'http://127.0.0.1:9/hook');
  assert.equal(subscription?.deliveryAttemptsMax, 30);
  assert.deepEqual(view.eventFilters(), ['demo/#', 'x/+']);
  assert.equal(view.eventFilters(), view.eventFilters(), 'one array until something changes');
  await remove('eventSubscriptions', 'hook');
  await waitFor(() => view.eventSubscriptions().length === 0);
  assert.deepEqual(view.eventFilters(), []);
  remover();
});

test('cluster settings are written once, and waited for', async () => {
  await assert.rejects(readClusterSettings(bus, { waitMs: 1 }), { code: 'WEIR_BUS_TIMEOUT' });
  const waiting = readClusterSettings(otherBus);
  const first = { partitions: 2, replicas: 1, layoutVersion: 1 };
  assert.deepEqual(await writeClusterSettings(bus, first), first);
  assert.deepEqual(await waiting, first);
  assert.deepEqual(await writeClusterSettings(bus, { ...first, partitions: 8 }), first);
  await create('clients', 'after-settings', {});
});

test('an outage costs nothing that was written', async () => {
  await server.restart();
  const made = await create('clients', 'after-outage', {});
  assert.ok(made !== undefined);
  const late = openStore(otherBus);
  await waitFor(() => late.ready);
  assert.equal(late.count('clients'), store.count('clients'));
  assert.ok(late.get('clients', 'after-outage') !== undefined);
  assert.equal(view.unreadableRecords, 0);
  late.close();
});
