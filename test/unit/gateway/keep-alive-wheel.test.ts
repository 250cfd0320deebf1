/**
 * The wheel: due neither early nor more than a tick late, however long the span.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '#base';
import { KeepAliveWheel, TICK_MS } from '../../../services/gateway/keep-alive-wheel.ts';
import type { WheelEntry } from '../../../services/gateway/keep-alive-wheel.ts';

function entryOf(onSilence: () => void): WheelEntry {
  return { heardTick: 0, spanTicks: 0, slot: -1, onSilence };
}

test('an entry is due when its span of silence is over, also beyond one turn of the wheel', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3_000 }),
      fc.array(fc.nat({ max: 3_000 }), { maxLength: 3 }),
      (seconds, pauses) => {
        const wheel = new KeepAliveWheel(systemClock);
        const silentAt: number[] = [];
        const entry = entryOf(() => silentAt.push(wheel.tick));
        wheel.arm(entry, seconds);
        const span = (seconds * 1_000) / TICK_MS;
        for (const pause of pauses) {
          for (let i = 0; i < Math.min(pause, span - 1); i++) wheel.advance();
          entry.heardTick = wheel.tick;
        }
        const heardTick = wheel.tick;
        for (let i = 0; i < span + 2; i++) wheel.advance();
        assert.deepEqual(silentAt, [heardTick + span + 1]);
        assert.equal(entry.slot, -1);
      },
    ),
    { numRuns: 30 },
  );
});

test('a disarmed entry is forgotten at once; arming again begins anew', () => {
  const wheel = new KeepAliveWheel(systemClock);
  let silent = 0;
  const entry = entryOf(() => silent++);
  wheel.arm(entry, 1);
  wheel.disarm(entry);
  wheel.disarm(entry);
  for (let i = 0; i < 10; i++) wheel.advance();
  assert.equal(silent, 0);
  wheel.arm(entry, 1);
  wheel.arm(entry, 2);
  for (let i = 0; i < 8; i++) wheel.advance();
  assert.equal(silent, 0);
  wheel.advance();
  assert.equal(silent, 1);
});
