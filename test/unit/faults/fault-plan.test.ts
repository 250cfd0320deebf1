import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FaultPlan } from '../../faults/fault-plan.ts';
import type { Fault } from '../../faults/fault-plan.ts';
import { seededRandom } from '../../fixtures/seeded-random.ts';

const DRAWS = 500;

function plan(seed: number, nats: number): FaultPlan {
  return new FaultPlan({ random: seededRandom(seed), gateways: 3, dispatchers: 2, nats });
}

function draw(seed: number, nats: number): Fault[] {
  const faults = plan(seed, nats);
  return Array.from({ length: DRAWS }, () => faults.draw(new Set())).filter(
    (fault) => fault !== undefined,
  );
}

test('a seed draws the same faults again, another one others', () => {
  assert.deepEqual(draw(7, 1), draw(7, 1));
  assert.notDeepEqual(draw(7, 1), draw(8, 1));
});

test('every process is struck in every way, and all nats-servers together', () => {
  for (const nats of [1, 3]) {
    const drawn = new Set(draw(1, nats).map(({ way, targets }) => `${way} ${targets.join(' ')}`));
    const servers = nats === 1 ? ['nats'] : ['nats-1', 'nats-2', 'nats-3', 'nats-1 nats-2 nats-3'];
    for (const name of ['gateway-1', 'gateway-3', 'dispatcher-2', 'router', ...servers]) {
      for (const way of ['kill', 'stop']) assert.ok(drawn.has(`${way} ${name}`), `${way} ${name}`);
    }
  }
});

test('nothing is struck twice at a time, and of the nats-servers one or all', () => {
  const faults = plan(3, 3);
  for (let i = 0; i < DRAWS; i++) {
    const fault = faults.draw(new Set(['gateway-2', 'nats-1']));
    assert.ok(fault === undefined || !/gateway-2|nats/.test(fault.targets.join()));
  }
});

test('stops last from 0.5 to 8 s, outages up to 15 s', () => {
  for (const { way, targets, ms } of draw(4, 3)) {
    const isOutage = targets.length > 1;
    assert.ok(ms >= 100 && ms <= (isOutage ? 15_000 : 8_000), `${way} ${targets.join()} ${ms}`);
  }
});
