/** Who does not move, and whose fault that is (protocol 9). */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { ObserverClock } from '#lease';
import { type Progress, Stillness, STILLNESS_MS } from '../../../services/dispatcher/stillness.ts';

let observer: ObserverClock;
let stillness: Stillness;
let beacon: number;

beforeEach(() => {
  observer = new ObserverClock();
  stillness = new Stillness(observer, []);
  beacon = 0;
});

/** The observer's own renewals, twice a second, up to `toMs`. */
function pass(fromMs: number, toMs: number, each: (nowMs: number) => void): void {
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += 500) {
    observer.confirmed(nowMs);
    beacon++;
    each(nowMs);
  }
}

function moving(overrides: Partial<Progress> = {}): Progress {
  const base = { done: 10, heard: beacon, unanswered: false, sentTo: 10, framed: true };
  return { ...base, ...overrides };
}

const END = STILLNESS_MS + 500;

function verdictAfter(what: (nowMs: number) => Progress | undefined, others = 1): string {
  const names = Array.from({ length: others }, (_, i) => `other${i}`);
  observer.confirmed(0);
  for (const name of ['g', ...names]) stillness.watch(name, 0, false);
  pass(0, END, (nowMs) => {
    for (const name of names) stillness.reported(name, moving(), nowMs);
    const progress = what(nowMs);
    if (progress !== undefined) stillness.reported('g', progress, nowMs);
  });
  const verdict = stillness.judge();
  return verdict.kind === 'fine' ? 'fine' : `${verdict.kind} ${verdict.incarnations.join()}`;
}

describe('Stillness', () => {
  it('leaves alone who moves, or has nothing to move for', () => {
    assert.equal(
      verdictAfter(() => moving()),
      'fine',
    );
    let done = 0;
    assert.equal(
      verdictAfter(() => moving({ done: ++done, sentTo: 1_000 })),
      'fine',
    );
  });

  it('ends who does not deliver, hear, get its answers or report while another moves', () => {
    const still: [string, (nowMs: number) => Progress | undefined][] = [
      ['does not deliver', () => moving({ done: 3, sentTo: 10 })],
      ['hears no beacon', () => moving({ heard: 1 })],
      ['requests unanswered', () => moving({ unanswered: true })],
      ['no report', () => undefined],
    ];
    for (const [name, what] of still) {
      observer = new ObserverClock();
      stillness = new Stillness(observer, []);
      assert.equal(verdictAfter(what), 'end g', name);
    }
  });

  it('gives the partition up when nobody moves; the second owner in a row ends', () => {
    assert.equal(
      verdictAfter(() => moving({ heard: 1 }), 0),
      'give_up g',
    );
    observer = new ObserverClock();
    stillness = new Stillness(observer, ['g', 'elsewhere']);
    assert.equal(
      verdictAfter(() => moving({ heard: 1 }), 0),
      'end g',
    );
  });

  it('does not take a gateway that never heard this owner for one that moves', () => {
    observer.confirmed(0);
    stillness.watch('g', 0, false);
    stillness.watch('idle', 0, false);
    pass(0, END, (nowMs) => {
      stillness.reported('g', moving({ heard: 1 }), nowMs);
      stillness.reported('idle', moving({ framed: false, heard: 0 }), nowMs);
    });
    assert.deepEqual(stillness.judge(), { kind: 'give_up', incarnations: ['g'] });
  });

  it('waits as long for the answer to hello', () => {
    observer.confirmed(0);
    stillness.watch('g', 0, true);
    pass(0, END, (nowMs) => {
      stillness.reported('g', moving({ framed: false }), nowMs);
    });
    assert.deepEqual(stillness.judge(), { kind: 'give_up', incarnations: ['g'] });
    stillness.watch('g', END, false);
    assert.equal(stillness.judge().kind, 'fine');
    stillness.forget('g');
    assert.equal(stillness.judge().kind, 'fine');
  });

  it('waits no longer when the answer to hello is there, however long the take-over takes', () => {
    observer.confirmed(0);
    stillness.watch('g', 0, true);
    stillness.answered('g');
    pass(0, 3 * END, (nowMs) => {
      stillness.reported('g', moving({ framed: false, heard: 7 }), nowMs);
    });
    assert.equal(stillness.judge().kind, 'fine');
  });

  it('counts no time in which the own writes were late', () => {
    observer.confirmed(0);
    stillness.watch('g', 0, false);
    pass(0, 3_500, (nowMs) => stillness.reported('g', moving({ heard: 1 }), nowMs));
    observer.interrupted();
    assert.equal(stillness.judge().kind, 'fine');
    pass(20_000, 23_500, (nowMs) => stillness.reported('g', moving({ heard: 1 }), nowMs));
    assert.equal(stillness.judge().kind, 'fine', 'after an outage every count starts anew');
    stillness.restart(23_500);
    pass(24_000, 27_000, (nowMs) => stillness.reported('g', moving({ heard: 1 }), nowMs));
    assert.equal(stillness.judge().kind, 'fine', 'and after the state log was late');
    pass(27_500, 28_500, () => undefined);
    assert.equal(stillness.judge().kind, 'give_up');
  });
});
