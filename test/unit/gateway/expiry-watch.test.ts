import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '#base';
import { ExpiryWatch } from '../../../services/gateway/expiry-watch.ts';

/** Wall and monotonic time are one; timers run when time is moved. */
class ManualClock implements Clock {
  #nowMs = 1_000_000;
  #timers: { readonly atMs: number; readonly run: () => void }[] = [];
  nowMs(): number {
    return this.#nowMs;
  }
  wallMs(): number {
    return this.#nowMs;
  }
  after(delayMs: number, run: () => void): ReturnType<Clock['after']> {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.push(timer);
    return timer as unknown as ReturnType<Clock['after']>;
  }
  cancel(): void {
    assert.fail('nothing is cancelled');
  }
  whenIdle(): void {
    assert.fail('nothing waits for an idle turn');
  }
  get timerCount(): number {
    return this.#timers.length;
  }
  move(ms: number): void {
    this.#nowMs += ms;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#nowMs);
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.#nowMs);
    for (const { run } of due) run();
  }
}

function watch() {
  const clock = new ManualClock();
  const expired: string[] = [];
  return { clock, expired, watch: new ExpiryWatch<string>(clock, (item) => expired.push(item)) };
}

test('each item is told once, after its end and at most a second and a half later', () => {
  const { clock, expired, watch: items } = watch();
  items.set('a', clock.wallMs() + 1_200);
  items.set('b', clock.wallMs() + 5_000);
  items.set('never', undefined);
  clock.move(1_100);
  assert.deepEqual(expired, []);
  clock.move(900);
  clock.move(600);
  assert.deepEqual(expired, ['a']);
  for (let i = 0; i < 10; i++) clock.move(500);
  assert.deepEqual(expired, ['a', 'b']);
  assert.equal(clock.timerCount, 0, 'nothing is left to look at');
});

test('a new end replaces the one before, and what is removed is not told', () => {
  const { clock, expired, watch: items } = watch();
  items.set('renewed', clock.wallMs() + 1_000);
  items.set('gone', clock.wallMs() + 1_000);
  items.set('forever', clock.wallMs() + 1_000);
  items.set('renewed', clock.wallMs() + 4_000);
  items.set('forever', undefined);
  items.remove('gone');
  for (let i = 0; i < 6; i++) clock.move(500);
  assert.deepEqual(expired, []);
  for (let i = 0; i < 6; i++) clock.move(500);
  assert.deepEqual(expired, ['renewed']);
});

test('an item may be set again while it is told', () => {
  const clock = new ManualClock();
  const times: number[] = [];
  const items: ExpiryWatch<string> = new ExpiryWatch<string>(clock, (item) => {
    times.push(clock.wallMs());
    if (times.length < 3) items.set(item, clock.wallMs() + 1_000);
  });
  items.set('a', clock.wallMs());
  for (let i = 0; i < 20; i++) clock.move(500);
  assert.equal(times.length, 3);
});
