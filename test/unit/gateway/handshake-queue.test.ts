/**
 * The handshake queue: never more under way than allowed, none forgotten, and none that is silent
 * blocks the others.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '#base';
import type { Clock } from '#base';
import type { Handshake } from '../../../services/gateway/handshake.ts';
import { HandshakeQueue } from '../../../services/gateway/handshake-queue.ts';
import {
  HANDSHAKE_SLOT_MS,
  HANDSHAKES_PER_TURN,
  HANDSHAKES_UNFINISHED_MAX,
} from '../../../services/gateway/limits.ts';
import { waitFor } from '../../fixtures/wait-for.ts';

/** A queue over a clock that the test moves; handshakes are only names here. */
function makeQueue(onBegin: (name: string) => void) {
  let nowMs = 0;
  const clock: Clock = { ...systemClock, nowMs: () => nowMs };
  const queue = new HandshakeQueue(clock, (handshake) => onBegin(handshake as unknown as string));
  const named = (name: string): Handshake => name as unknown as Handshake;
  return {
    queue,
    add: (name: string) => queue.add(named(name)),
    done: (name: string) => queue.remove(named(name)),
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a few begin per turn, and no more than the limit are unfinished', async () => {
  const begun: string[] = [];
  const { queue, add, done } = makeQueue((name) => begun.push(name));
  for (let i = 0; i < HANDSHAKES_UNFINISHED_MAX + 20; i++) add(`h${i}`);
  for (let seen = 0; begun.length < HANDSHAKES_UNFINISHED_MAX; seen = begun.length) {
    await turn();
    assert.ok(begun.length - seen <= HANDSHAKES_PER_TURN);
  }
  await turn();
  await turn();
  assert.equal(begun.length, HANDSHAKES_UNFINISHED_MAX);
  done('h0');
  await waitFor(() => begun.length === HANDSHAKES_UNFINISHED_MAX + 1);
  for (const name of begun) done(name);
  await waitFor(() => queue.size === 0);
  assert.deepEqual(
    begun,
    begun.map((_, i) => `h${i}`),
  );
});

test('who begins and falls silent gives its place up after a while', async () => {
  const begun: string[] = [];
  const { add, pass } = makeQueue((name) => begun.push(name));
  for (let i = 0; i < HANDSHAKES_UNFINISHED_MAX; i++) add(`silent${i}`);
  add('good');
  await waitFor(() => begun.length === HANDSHAKES_UNFINISHED_MAX);
  pass(HANDSHAKE_SLOT_MS);
  await waitFor(() => begun.includes('good'));
});

test('one that ends while it waits is never begun', async () => {
  const begun: string[] = [];
  const { add, done } = makeQueue((name) => begun.push(name));
  add('gone');
  add('stays');
  done('gone');
  await waitFor(() => begun.length > 0);
  assert.deepEqual(begun, ['stays']);
});
