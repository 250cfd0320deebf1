import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SimClock } from '#bus';

describe('the simulation clock', () => {
  it('runs tasks by due time, then by the order of planning', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 60 }), (delays) => {
        const clock = new SimClock();
        const ran: number[] = [];
        delays.forEach((delayMs, index) => clock.after(delayMs, () => ran.push(index)));
        clock.run(20);
        const expected = delays
          .map((delayMs, index) => ({ delayMs, index }))
          .toSorted((a, b) => a.delayMs - b.delayMs || a.index - b.index)
          .map(({ index }) => index);
        assert.deepEqual(ran, expected);
      }),
    );
  });

  it('runs idle tasks after what is due now and before time moves', () => {
    const clock = new SimClock();
    const ran: string[] = [];
    clock.after(1, () => {
      clock.whenIdle(() => ran.push(`idle at ${clock.nowMs()}`));
      clock.after(0, () => ran.push('due now'));
      ran.push('first');
    });
    clock.after(1, () => ran.push('second'));
    clock.after(1.001, () => ran.push('later'));
    clock.run(2);
    assert.deepEqual(ran, ['first', 'second', 'due now', 'idle at 1', 'later']);
    assert.equal(clock.nowMs(), 2);
  });

  it('runs no cancelled task, and goes on where idle tasks plan themselves for ever', () => {
    const clock = new SimClock();
    const cancelled = clock.after(1, () => assert.fail('was cancelled'));
    clock.cancel(cancelled);
    const again = (): void => clock.whenIdle(again);
    again();
    let due = false;
    clock.after(2, () => {
      due = true;
    });
    assert.equal(
      clock.runUntil(() => due, 5),
      true,
    );
  });
});
