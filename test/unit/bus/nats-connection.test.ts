/** One connection, against a server that says what the test wants. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { systemClock } from '#base';
import { NatsConnection } from '../../../lib/bus/nats/nats-connection.ts';
import { readServerAddress } from '../../../lib/bus/nats/server-address.ts';
import { waitFor } from '../../fixtures/wait-for.ts';

const INFO = 'INFO {"max_payload":1000}\r\n';

let server: Server;
let port = 0;
let sockets: Socket[] = [];
/** What the server says at once, and what it got. */
let greeting = INFO;
let heard = '';
let events: string[] = [];

before(async () => {
  server = createServer((socket) => {
    sockets.push(socket);
    socket.write(greeting);
    socket.setEncoding('latin1');
    socket.on('error', () => undefined);
    socket.on('data', (text: string) => {
      heard += text;
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
after(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
});
beforeEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  greeting = INFO;
  heard = '';
  events = [];
});

function dial(text = `nats://127.0.0.1:${port}`, timeoutMs = 5_000): NatsConnection {
  const address = readServerAddress(text);
  assert.ok(address !== undefined);
  return new NatsConnection({
    server: address,
    name: 'test',
    clock: systemClock,
    timeoutMs,
    tls: undefined,
    onReady: () => events.push('ready'),
    onEnd: (_, why) => events.push(`end: ${why}`),
    onTrouble: (trouble) => events.push(`trouble: ${trouble}`),
  });
}

const happens = (event: string): Promise<unknown> =>
  waitFor(() => events.some((got) => got.includes(event)), {
    what: `${event} in ${events.join()}`,
  });
const hears = (text: string): Promise<unknown> => waitFor(() => heard.includes(text));
const say = (text: string): void => void sockets[0]?.write(text);

async function ready(): Promise<NatsConnection> {
  const connection = dial();
  await hears('PING\r\n');
  say('PONG\r\n');
  await happens('ready');
  return connection;
}

describe('a NATS connection', () => {
  test('introduces itself and is ready with the first pong', async () => {
    const connection = dial(`nats://us%20er:p%40ss@127.0.0.1:${port}`);
    await hears('PING\r\n');
    assert.deepEqual(events, []);
    const [line = '', ping] = heard.split('\r\n');
    assert.match(line, /^CONNECT /);
    const told = JSON.parse(line.slice('CONNECT '.length)) as Record<string, unknown>;
    const { verbose, headers, no_responders: noResponders, name, user, pass } = told;
    assert.deepEqual(
      [verbose, headers, noResponders, name, user, pass, ping],
      [false, true, true, 'test', 'us er', 'p@ss', 'PING'],
    );
    say('PONG\r\n');
    await happens('ready');
    assert.equal(connection.payloadBytesMax, 1_000);
    say('INFO {"max_payload":2000}\r\n');
    await waitFor(() => connection.payloadBytesMax === 2_000);
    connection.end('done');
    connection.end('again');
    assert.deepEqual(events, ['ready', 'end: done']);
  });

  test('answers pings, and tells each ping of its own whether a pong came', async () => {
    const connection = await ready();
    heard = '';
    say('PING\r\n');
    await hears('PONG\r\n');
    const answers: string[] = [];
    connection.ping((answered) => answers.push(`first ${answered}`));
    connection.ping((answered) => answers.push(`second ${answered}`));
    await hears('PING\r\nPING\r\n');
    say('PONG\r\n');
    await waitFor(() => answers.length === 1);
    connection.end('done');
    assert.deepEqual(answers, ['first true', 'second false']);
  });

  test('hears a subscription until it is removed', async () => {
    const connection = await ready();
    const got: string[] = [];
    const sid = connection.subscribe('a.*', ({ subject, payload }) => {
      got.push(`${subject} ${payload.toString()}`);
      if (got.length === 2) connection.unsubscribe(sid);
    });
    await hears(`SUB a.* ${sid}\r\n`);
    const one = `MSG a.b ${sid} 1\r\nx\r\n`;
    say(`${one}${one}${one}MSG a.b 999 1\r\nx\r\n`);
    await hears(`UNSUB ${sid}\r\n`);
    assert.deepEqual(got, ['a.b x', 'a.b x']);
    connection.end('done');
    assert.equal(connection.publish('a', Buffer.alloc(0)), false);
  });

  test('survives what the server forbids, and ends with other errors', async () => {
    await ready();
    say(`-ERR 'Permissions Violation for Publish to "x"'\r\n`);
    await happens('trouble: Permissions Violation for Publish to "x"');
    say(`-ERR 'Stale Connection'\r\nMSG a 1 0\r\n\r\n`);
    await happens('end: Stale Connection');
  });

  const refusals: [name: string, greeting: string, why: string][] = [
    ['a refused user', `${INFO}-ERR 'Authorization Violation'\r\n`, 'Authorization Violation'],
    ['no NATS', 'HTTP/1.1 400 Bad Request\r\n\r\n', 'not the NATS protocol'],
    ['an INFO of no JSON', 'INFO {\r\n', 'not the NATS protocol'],
  ];
  for (const [name, text, why] of refusals) {
    test(`ends with ${name}`, async () => {
      greeting = text;
      dial();
      await happens(`end: ${why}`);
      assert.equal(events.length, 1);
    });
  }

  test('ends when the server closes, is not there, offers no TLS or says nothing', async () => {
    await ready();
    sockets[0]?.end();
    await happens('end: closed by the server');
    events = [];
    dial(`tls://127.0.0.1:${port}`);
    await happens('end: the server offers no TLS');
    events = [];
    dial('nats://127.0.0.1:1');
    await happens('ECONNREFUSED');
    events = [];
    greeting = ' ';
    dial(undefined, 50);
    await happens('within 50 ms');
  });

  test('reads an address', () => {
    const plain = { host: '127.0.0.1', port: 4222, tls: false, credentials: {} };
    assert.deepEqual(readServerAddress('127.0.0.1'), plain);
    assert.deepEqual(readServerAddress('nats://127.0.0.1:4222'), plain);
    assert.deepEqual(readServerAddress('tls://tok%2Fen@[::1]:9'), {
      ...{ host: '::1', port: 9, tls: true },
      credentials: { auth_token: 'tok/en' },
    });
    for (const bad of ['', 'http://a', 'nats://', 'nats://a:b:c', 'nats://%zz@a', 'a b']) {
      assert.equal(readServerAddress(bad), undefined, bad);
    }
  });
});
