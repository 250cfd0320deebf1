/**
 * Key sets of JWT issuers: read over HTTP, kept in a registry on a real NATS.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { systemClock } from '#base';
import { connectNats } from '#bus';
import type { Bus } from '#bus';
import { RegistryStore, registryStreamConfig } from '#registry';
import { createLogger } from '#runtime';
import { JWKS_BYTES_MAX, JwksReader } from '../../services/control/jwks-reader.ts';
import { startNatsServer } from '../fixtures/nats-server.ts';
import type { TestNatsServer } from '../fixtures/nats-server.ts';
import { makeSigner } from '../fixtures/tokens.ts';
import { waitFor } from '../fixtures/wait-for.ts';

const first = makeSigner('ES256').publicKey.export({ format: 'jwk' });
const second = makeSigner('EdDSA').publicKey.export({ format: 'jwk' });

let server: TestNatsServer;
let bus: Bus;
let store: RegistryStore;
let reader: JwksReader;
let provider: Server;
let answer: (response: ServerResponse) => void;

before(async () => {
  server = await startNatsServer();
  bus = await connectNats({ servers: server.url, name: 'jwks-test' });
  await bus.ensureStream(registryStreamConfig(1));
  store = new RegistryStore({ bus, clock: systemClock, random: Math.random });
  const logger = createLogger({ name: 'control', level: 'silent' });
  reader = new JwksReader({ clock: systemClock, logger, store: () => store });
  provider = createServer((_request, response) => answer(response));
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve));
  await waitFor(() => store.ready);
});

after(async () => {
  reader.close();
  store.close();
  provider.close();
  await bus.close();
  await server.stop();
});

const keys = (...list: unknown[]) => {
  return (response: ServerResponse): void => void response.end(JSON.stringify({ keys: list }));
};

/** A change of the issuer has its keys read at once. */
async function readNow(description: string, next: typeof answer): Promise<void> {
  const { changed, unchanged, failed } = reader.outcomes;
  answer = next;
  const url = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/keys`;
  const spec = { description, tokenIssuer: 'https://i.example', audiences: ['a'], jwksUrl: url };
  const action = store.get('jwtIssuers', 'issuer') === undefined ? 'create' : 'update';
  await store.write({ kind: 'jwtIssuers', name: 'issuer', action, spec });
  const before_ = changed + unchanged + failed;
  await waitFor(() => {
    const now = reader.outcomes;
    return now.changed + now.unchanged + now.failed > before_;
  });
}

const kept = (): unknown => store.get('jwtKeySets', 'issuer')?.spec.keys.map(({ x }) => x);

test('a key set is kept, follows its provider, and outlives its failures', async () => {
  const secret = { kty: 'oct', k: 'AAAA' };
  await readNow('one', keys(secret, first, 'no key', { ...second, use: 'enc' }));
  assert.deepEqual(kept(), [first.x], 'what can sign, and nothing else');
  const revision = store.get('jwtKeySets', 'issuer')?.revision;
  await readNow('two', keys(first));
  assert.equal(store.get('jwtKeySets', 'issuer')?.revision, revision, 'nothing is written');
  await readNow('three', keys(first, second));
  assert.deepEqual(kept(), [first.x, second.x]);

  const failures: [string, typeof answer][] = [
    ['status', (response) => response.writeHead(500).end(JSON.stringify({ keys: [first] }))],
    ['redirect', (response) => response.writeHead(302, { location: '/other' }).end()],
    ['no JSON', (response) => response.end('<html>')],
    ['no set', (response) => response.end('[]')],
    ['empty', keys()],
    ['secrets only', keys(secret)],
    ['long', (response) => response.end(Buffer.alloc(JWKS_BYTES_MAX + 1, ' '))],
    ['cut off', (response) => response.destroy()],
  ];
  for (const [what, failing] of failures) {
    const { failed } = reader.outcomes;
    await readNow(what, failing);
    assert.equal(reader.outcomes.failed, failed + 1, what);
    assert.deepEqual(kept(), [first.x, second.x], what);
  }

  await store.write({ kind: 'jwtIssuers', name: 'issuer', action: 'delete' });
  await waitFor(() => store.get('jwtKeySets', 'issuer') === undefined);
});
