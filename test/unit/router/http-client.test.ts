import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type TestContext } from 'node:test';
import { systemClock } from '#base';
import { positionOf } from '#log';
import type { HttpResult } from '../../../services/router/attempt-outcome.ts';
import type { Delivery } from '../../../services/router/delivery.ts';
import { HttpClient } from '../../../services/router/http-client.ts';
import type { HttpClientOptions } from '../../../services/router/http-client.ts';
import { storeEvent } from '../../../services/router/stored-event.ts';
import { messageBytes } from './logged-message.ts';

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?key=1`;
}

function client(t: TestContext, options: Partial<HttpClientOptions> = {}): HttpClient {
  const made = new HttpClient({
    clock: systemClock,
    requestOrigin: 'weir.test',
    allowPrivate: true,
    answerTimeoutMs: 300,
    ...options,
  });
  t.after(() => made.close());
  return made;
}

const MESSAGE = messageBytes({ topic: 'demo/t', payload: '{"v":1}', properties: { isText: true } });

function delivery(endpointUrl: string): Delivery {
  return {
    subscription: {
      name: 'sub',
      revision: 1,
      topicFilters: ['demo/#'],
      endpointUrl,
      deliveryAttemptsMax: 3,
      eventTtlSeconds: 60,
    },
    partition: 1,
    position: positionOf(9, 2),
    attempts: 0,
    event: storeEvent(MESSAGE, 0, MESSAGE.length, 1_700_000_000_000),
    maySend: () => true,
    onOutcome: () => undefined,
  };
}

function post(by: HttpClient, url: string): Promise<HttpResult> {
  return new Promise((resolve) => {
    by.post(url, delivery(url), resolve);
  });
}

function ask(by: HttpClient, url: string): Promise<boolean> {
  return new Promise((resolve) => {
    by.askConsent(url, resolve);
  });
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

test('an event is posted as structured JSON with the origin of the handshake', async (t) => {
  const seen: { request: IncomingMessage; body: string }[] = [];
  const url = await serve(t, (request, response) => {
    void bodyOf(request).then((body) => {
      seen.push({ request, body });
      response.writeHead(202).end('thanks');
    });
  });
  const result = await post(client(t), url);
  assert.deepEqual(result, { kind: 'answer', status: 202, retryAfterMs: 0 });
  const { request, body } = seen[0] as (typeof seen)[0];
  assert.equal(request.method, 'POST');
  assert.equal(request.url, '/hook?key=1');
  assert.equal(request.headers['content-type'], 'application/cloudevents+json; charset=utf-8');
  assert.equal(request.headers['webhook-request-origin'], 'weir.test');
  const event = JSON.parse(body) as Record<string, unknown>;
  assert.deepEqual([event['id'], event['subject'], event['data']], ['1-9-2', 'demo/t', { v: 1 }]);
});

test('consent is the allowed origin and not the status', async (t) => {
  const answers: [number, string | undefined][] = [
    [200, 'weir.test'],
    [405, '*'],
    [200, 'other.test, WEIR.test'],
    [200, 'other.test'],
    [200, undefined],
  ];
  let next = 0;
  const asked: (string | undefined)[] = [];
  const url = await serve(t, (request, response) => {
    const [status, allowed] = answers[next++] ?? [500, undefined];
    asked.push(`${request.method} ${String(request.headers['webhook-request-origin'])}`);
    if (allowed !== undefined) response.setHeader('WebHook-Allowed-Origin', allowed);
    response.writeHead(status).end();
  });
  const by = client(t);
  const consents: boolean[] = [];
  for (let i = 0; i < answers.length; i++) consents.push(await ask(by, url));
  assert.deepEqual(consents, [true, true, true, false, false]);
  assert.deepEqual(new Set(asked), new Set(['OPTIONS weir.test']));
});

test('redirects are not followed and Retry-After is read', async (t) => {
  let requests = 0;
  const url = await serve(t, (request, response) => {
    requests++;
    request.resume();
    if (requests === 1) response.writeHead(302, { location: '/elsewhere' }).end();
    else response.writeHead(429, { 'retry-after': '7' }).end();
  });
  const by = client(t);
  assert.deepEqual(await post(by, url), { kind: 'answer', status: 302, retryAfterMs: 0 });
  assert.deepEqual(await post(by, url), { kind: 'answer', status: 429, retryAfterMs: 7_000 });
  assert.equal(requests, 2);
});

test('an endpoint that is silent, away or endless costs a bounded time', async (t) => {
  const silent = await serve(t, (request) => request.resume());
  const by = client(t);
  assert.deepEqual(await post(by, silent), { kind: 'none', why: 'UND_ERR_HEADERS_TIMEOUT' });
  const away = silent.replace(/:\d+/, ':1');
  assert.deepEqual(await post(by, away), { kind: 'none', why: 'ECONNREFUSED' });
  let cut = false;
  const endless = await serve(t, (request, response) => {
    request.resume();
    response.writeHead(200);
    const chunk = Buffer.alloc(8_192);
    const more = (): void => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on('drain', more).on('close', () => {
      cut = true;
    });
    more();
  });
  assert.deepEqual(await post(by, endless), { kind: 'answer', status: 200, retryAfterMs: 0 });
  const deadline = Date.now() + 2_000;
  while (!cut && Date.now() < deadline) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(cut, 'the connection of the endless answer is cut');
});

test('a private address is not even connected to unless that is allowed', async (t) => {
  let requests = 0;
  const url = await serve(t, (_request, response) => {
    requests++;
    response.end();
  });
  const strict = client(t, { allowPrivate: false });
  assert.deepEqual(await post(strict, url), { kind: 'none', why: 'not https' });
  const literal = url.replace('http:', 'https:');
  assert.deepEqual(await post(strict, literal), { kind: 'none', why: 'address is not public' });
  // The name resolves to the loopback address: refused at the connection itself.
  const resolve: NonNullable<HttpClientOptions['resolve']> = (_name, done) =>
    done(null, [{ address: '127.0.0.1', family: 4 }]);
  const named = literal.replace('127.0.0.1', 'hook.example');
  const rebound = client(t, { allowPrivate: false, resolve });
  assert.deepEqual(await post(rebound, named), { kind: 'none', why: 'WEIR_EGRESS_FORBIDDEN' });
  assert.equal(requests, 0);
});
