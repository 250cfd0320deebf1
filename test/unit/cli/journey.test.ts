import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Journeys, LATE_AFTER_MS, TOLD_FIRST } from '../../../services/cli/demo/journey.ts';

function start() {
  const lines: string[] = [];
  const clock = { nowMs: 1_000 };
  const tell = (line: string): void => void lines.push(line);
  const journeys = new Journeys('dashboard on gateway-2', tell, () => clock.nowMs);
  return { lines, clock, journeys };
}

test('a reading is told once, when subscriber and webhook both have it', () => {
  const { lines, clock, journeys } = start();
  journeys.published(1, '21.5 °C');
  clock.nowMs += 3;
  journeys.delivered(1);
  assert.equal(lines.length, 0);
  clock.nowMs += 9;
  journeys.routed(1, '0-17');
  journeys.routed(1, '0-17');
  assert.deepEqual(lines, [
    '21.5 °C → gateway-1 → dashboard on gateway-2 3.0 ms → CloudEvent 0-17 at the webhook 12 ms',
  ]);
});

test('after the first ones only every tenth is told', () => {
  const { lines, journeys } = start();
  for (let number = 1; number <= 40; number += 1) {
    journeys.published(number, `${number} °C`);
    journeys.delivered(number);
    journeys.routed(number, 'x');
  }
  assert.equal(lines.filter((line) => line.includes('→')).length, TOLD_FIRST + 3);
  assert.ok(lines.at(-1)?.startsWith('40 °C'));
});

test('a late reading is told as late with what misses it, and again when it arrives', () => {
  const { lines, clock, journeys } = start();
  journeys.published(1, '20 °C');
  journeys.published(2, '21 °C');
  journeys.delivered(1);
  clock.nowMs += LATE_AFTER_MS;
  journeys.checkLate();
  journeys.checkLate();
  assert.deepEqual(lines, [
    '20 °C has not reached the webhook yet',
    '21 °C has not reached the subscriber and the webhook yet',
  ]);
  journeys.routed(1, 'x');
  assert.match(lines[2] ?? '', /^20 °C → .* 3000 ms$/);
});

test('readings that nobody here published are ignored', () => {
  const { lines, journeys } = start();
  journeys.delivered(7);
  journeys.routed(7, 'x');
  assert.equal(lines.length, 0);
});
