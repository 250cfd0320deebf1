/**
 * 50 MB of random bytes in 1,000 connections, and some over WebSocket: the process lives, and its
 * memory is back within 10 MB.
 *
 * Half of the connections are random from the first byte; the others are let in first, so that the
 * bytes reach the decoder of an open session, some behind a header that promises a large packet.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { EdgeMeasure } from '../fixtures/edge-process.ts';
import { connect, packet, publish, subscribe } from '../fixtures/mqtt-client-encoder.ts';
import { seededRandom } from '../fixtures/seeded-random.ts';
import { waitFor } from '../fixtures/wait-for.ts';

const CONNECTIONS = 1_000;
const WEBSOCKETS = 200;
const BYTES_EACH = 50_000;
const AT_ONCE = 50;
const GROWTH_BYTES_MAX = 10 * 1024 * 1024;

async function ask(child: ChildProcess): Promise<EdgeMeasure> {
  child.send('measure');
  const [answer] = (await once(child, 'message')) as [EdgeMeasure];
  return answer;
}

function opening(number: number): Buffer {
  const version = number % 4 < 2 ? 4 : 5;
  const hello = connect(version, { clientIdentifier: `random-${number}` });
  switch (number % 8) {
    case 0:
    case 2:
      return Buffer.alloc(0);
    case 4:
    case 6:
      return hello.subarray(0, 12);
    case 1:
      return Buffer.concat([hello, Buffer.from([0x30, 0xff, 0xff, 0x1f])]);
    case 3:
      return Buffer.concat([hello, subscribe(version, [['#', 1]])]);
    case 5:
      return Buffer.concat([hello, publish(version, { qos: 1, payload: Buffer.alloc(20_000) })]);
    default:
      return Buffer.concat([hello, packet(0x82, Buffer.alloc(500, 1))]);
  }
}

const UPGRADE = Buffer.from(
  'GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n' +
    'Sec-WebSocket-Protocol: mqtt\r\n\r\n',
);

/** A masked binary frame of `bytes`; the mask is zero. */
function frame(bytes: Buffer, announcedBytes = bytes.length): Buffer {
  const head = Buffer.from([0x82, 0xfe, announcedBytes >> 8, announcedBytes & 0xff, 0, 0, 0, 0]);
  return Buffer.concat([head, bytes]);
}

function webSocketOpening(number: number): Buffer {
  switch (number % 5) {
    case 0:
      return UPGRADE.subarray(0, 60);
    case 1:
      return UPGRADE;
    case 2:
      return Buffer.concat([UPGRADE, frame(Buffer.alloc(0), 30_000)]);
    case 3:
      return Buffer.concat([UPGRADE, frame(opening(1)), frame(Buffer.alloc(0), 30_000)]);
    default:
      return Buffer.concat([UPGRADE, frame(connect(5, { clientIdentifier: `ws-${number}` }))]);
  }
}

/** Sends, and resolves when the connection has ended. */
function attack(port: number, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = connectTcp(port, '127.0.0.1');
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve());
    socket.resume();
    socket.end(bytes);
  });
}

async function attackAll(
  port: number,
  count: number,
  random: () => number,
  openingOf: (number: number) => Buffer,
): Promise<void> {
  const pool = Buffer.alloc(BYTES_EACH * 4);
  for (let i = 0; i < pool.length; i++) pool[i] = Math.floor(random() * 256);
  for (let number = 0; number < count; number += AT_ONCE) {
    await Promise.all(
      Array.from({ length: AT_ONCE }, (_, i) => {
        const at = Math.floor(random() * (pool.length - BYTES_EACH));
        const noise = pool.subarray(at, at + BYTES_EACH);
        return attack(port, Buffer.concat([openingOf(number + i), noise]));
      }),
    );
  }
}

test('60 MB of random bytes in 1,200 connections: no crash, memory comes back', async (t) => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  t.diagnostic(`seed ${seed}`);
  const random = seededRandom(seed);
  const child = fork(join(import.meta.dirname, '../fixtures/edge-process.ts'), {
    execArgv: ['--expose-gc'],
  });
  t.after(() => child.disconnect());
  const [ports] = (await once(child, 'message')) as [{ port: number; webSocketPort: number }];
  const { port, webSocketPort } = ports;
  // Once before, so that code and pools are there when memory is first measured.
  await attackAll(port, AT_ONCE * 2, random, opening);
  await attackAll(webSocketPort, AT_ONCE, random, webSocketOpening);
  const before = await ask(child);
  await attackAll(port, CONNECTIONS, random, opening);
  await attackAll(webSocketPort, WEBSOCKETS, random, webSocketOpening);
  const after = await waitFor(async () => {
    const measure = await ask(child);
    return measure.connectionsOpen === 0 ? measure : undefined;
  });
  assert.equal(child.exitCode, null);
  assert.equal(after.ended.internal_error, 0);
  const grownBytes = after.usedBytes - before.usedBytes;
  t.diagnostic(`grown by ${grownBytes} bytes`);
  assert.ok(grownBytes < GROWTH_BYTES_MAX, `memory has grown by ${grownBytes} bytes`);
  const refused = Object.values(after.ended).reduce((sum, count) => sum + count, 0);
  assert.ok(refused >= CONNECTIONS + WEBSOCKETS, 'each connection ended by name');
});
