import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { serveDemoWebhook } from '../../../services/cli/demo/demo-webhook.ts';
import type { CloudEvent } from '../../../services/cli/demo/demo-webhook.ts';

async function start(context: TestContext) {
  const events: CloudEvent[] = [];
  const server = await serveDemoWebhook(0, (event) => events.push(event));
  context.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const url = `http://127.0.0.1:${address.port}/events`;
  const post = (body: string) => fetch(url, { method: 'POST', body });
  return { events, url, post };
}

const EVENT = { specversion: '1.0', id: '0-1', subject: 'demo/x', data: { celsius: 20 } };

test('the handshake is answered with the origin that asked', async (context) => {
  const { url } = await start(context);
  const headers = { 'webhook-request-origin': 'weir.test' };
  const answer = await fetch(url, { method: 'OPTIONS', headers });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('webhook-allowed-origin'), 'weir.test');
});

test('events are taken one by one and in batches', async (context) => {
  const { events, post } = await start(context);
  assert.equal((await post(JSON.stringify(EVENT))).status, 204);
  assert.equal((await post(JSON.stringify([EVENT, { ...EVENT, id: '0-2' }]))).status, 204);
  assert.deepEqual(
    events.map(({ id }) => id),
    ['0-1', '0-1', '0-2'],
  );
});

test('what is no event is answered 400, other methods 405', async (context) => {
  const { events, post, url } = await start(context);
  for (const body of ['', '{', '7', '[{}]', 'x'.repeat(1_100_000)]) {
    assert.equal((await post(body)).status, 400);
  }
  assert.equal((await fetch(url, { method: 'PUT' })).status, 405);
  assert.equal(events.length, 0);
});
