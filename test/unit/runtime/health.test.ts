import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { Fault } from '#base';
import { createHealth, createMetrics, serveHealth } from '#runtime';
import type { RequestTaker } from '#runtime';

async function start(parts: readonly string[], extra?: RequestTaker) {
  const health = createHealth(...parts);
  const metrics = createMetrics();
  const options = { host: '127.0.0.1', port: 0, health, metrics };
  const server = await serveHealth(extra === undefined ? options : { ...options, extra });
  const get = (path: string, init?: RequestInit): Promise<Response> =>
    fetch(`http://127.0.0.1:${server.port}${path}`, init);
  return { health, metrics, server, get };
}

test('readyz names what is missing and turns as parts do', async (context) => {
  const { health, server, get } = await start(['bus', 'registry']);
  context.after(() => server.close());
  health.setReady('bus', true);
  const before = await get('/readyz');
  assert.equal(before.status, 503);
  assert.deepEqual(await before.json(), {
    ready: false,
    parts: ['bus', 'registry'],
    missing: { registry: 'starting' },
  });
  health.setReady('registry', true);
  assert.equal((await get('/readyz')).status, 200);
  health.setReady('bus', false, 'NATS is away');
  const away = await get('/readyz?verbose');
  assert.equal(away.status, 503);
  assert.deepEqual(health.missing, { bus: 'NATS is away' });
});

test('a process without known parts is not ready', () => {
  assert.equal(createHealth().ready, false);
});

test('livez answers whatever is missing, and metrics are text', async (context) => {
  const { server, get, metrics } = await start(['bus']);
  context.after(() => server.close());
  assert.equal((await get('/livez')).status, 200);
  metrics.gauge('weir_test_gauge', 'Test', () => 9);
  const scraped = await get('/metrics');
  assert.match(scraped.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  assert.match(await scraped.text(), /^weir_test_gauge 9$/m);
});

test('other paths and methods are refused', async (context) => {
  const { server, get } = await start([]);
  context.after(() => server.close());
  assert.equal((await get('/elsewhere')).status, 404);
  const post = await get('/livez', { method: 'POST' });
  assert.equal(post.status, 405);
  assert.equal(post.headers.get('allow'), 'GET, HEAD');
});

test('a process may take other paths itself', async (context) => {
  const { server, get } = await start([], (request, response) => {
    if (request.url !== '/own') return false;
    response.end('mine');
    return true;
  });
  context.after(() => server.close());
  assert.equal(await (await get('/own')).text(), 'mine');
  assert.equal((await get('/other')).status, 404);
});

test('a metric that cannot be read answers 500 and the process lives on', async (context) => {
  const { server, get, metrics } = await start([]);
  context.after(() => server.close());
  metrics.gauge('weir_test_broken', 'Test', () => {
    throw new Error('no figure');
  });
  assert.equal((await get('/metrics')).status, 500);
  assert.equal((await get('/livez')).status, 200);
});

test('a port in use is a Fault that names it', async (context) => {
  const blocker = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => blocker.once('listening', resolve));
  context.after(() => blocker.close());
  const address = blocker.address();
  assert.ok(typeof address === 'object' && address !== null);
  const options = { host: '127.0.0.1', health: createHealth(), metrics: createMetrics() };
  await assert.rejects(serveHealth({ ...options, port: address.port }), (cause: unknown) => {
    assert.ok(cause instanceof Fault);
    assert.equal(cause.code, 'WEIR_PORT_IN_USE');
    assert.ok(cause.message.includes(String(address.port)));
    return true;
  });
});

test('close may be called twice', async () => {
  const { server, get } = await start(['bus']);
  await get('/livez');
  await server.close();
  await server.close();
  await assert.rejects(get('/livez'));
});
