import assert from 'node:assert/strict';
import test from 'node:test';
import { SimClock } from '#bus';
import type { HttpResult } from '../../../services/router/attempt-outcome.ts';
import { outcomeOf, parseRetryAfter } from '../../../services/router/attempt-outcome.ts';
import type { Delivery, Outcome } from '../../../services/router/delivery.ts';
import { CONCURRENCY_MAX, Endpoint, FAILURES_MAX } from '../../../services/router/endpoint.ts';
import { askAgainMs } from '../../../services/router/handshake.ts';
import { retryWaitMs } from '../../../services/router/retry-schedule.ts';

const OK: HttpResult = { kind: 'answer', status: 200, retryAfterMs: 0 };
const DOWN: HttpResult = { kind: 'none', why: 'ECONNREFUSED' };

class Bench {
  readonly clock = new SimClock();
  consents = true;
  result: HttpResult = OK;
  asked = 0;
  posts = 0;
  active = 0;
  activeMax = 0;
  readonly outcomes: Outcome[] = [];
  readonly changes: string[] = [];
  readonly endpoint = new Endpoint({
    url: 'https://hook.example/',
    clock: this.clock,
    random: () => 0,
    onChange: (what) => this.changes.push(what),
    client: {
      askConsent: (_url, onAnswer) => {
        this.asked++;
        this.clock.after(10, () => onAnswer(this.consents, 'test'));
      },
      post: (_url, _delivery, onResult) => {
        this.posts++;
        this.activeMax = Math.max(this.activeMax, ++this.active);
        this.clock.after(10, () => {
          this.active--;
          onResult(this.result);
        });
      },
    },
  });

  send(count: number, maySend = true): void {
    for (let i = 0; i < count; i++) {
      this.endpoint.send({
        subscription: { name: 'sub' },
        maySend: () => maySend,
        onOutcome: (outcome: Outcome) => this.outcomes.push(outcome),
      } as unknown as Delivery);
    }
  }

  run(ms: number): void {
    this.clock.run(this.clock.nowMs() + ms);
  }

  kinds(): string[] {
    return this.outcomes.map(({ kind }) => kind);
  }
}

test('consent is asked once, before the first delivery', () => {
  const bench = new Bench();
  bench.send(3);
  assert.equal(bench.posts, 0);
  bench.run(100);
  bench.send(1);
  bench.run(100);
  assert.deepEqual([bench.asked, bench.posts], [1, 4]);
  assert.deepEqual(bench.kinds(), ['delivered', 'delivered', 'delivered', 'delivered']);
});

test('without consent nothing is delivered and it is asked again with back-off', () => {
  const bench = new Bench();
  bench.consents = false;
  bench.send(2);
  bench.run(20);
  assert.deepEqual(bench.kinds(), ['held', 'held']);
  assert.equal(bench.endpoint.heldForMs, 490);
  bench.run(490);
  bench.send(1);
  bench.run(20);
  assert.equal(Math.round(bench.endpoint.heldForMs), 990);
  bench.consents = true;
  bench.run(1_000);
  bench.send(1);
  bench.run(100);
  assert.deepEqual([bench.asked, bench.posts], [3, 1]);
  assert.deepEqual(bench.changes.at(-1), 'endpoint consents');
});

test('requests under way are bounded', () => {
  const bench = new Bench();
  bench.send(CONCURRENCY_MAX * 5);
  bench.run(1_000);
  assert.equal(bench.activeMax, CONCURRENCY_MAX);
  assert.equal(bench.outcomes.length, CONCURRENCY_MAX * 5);
});

test('an endpoint in trouble rests, is tried once, and goes on when it answers', () => {
  const bench = new Bench();
  bench.send(1);
  bench.run(100);
  bench.result = DOWN;
  bench.send(100);
  bench.run(100);
  const failed = bench.kinds().filter((kind) => kind === 'failed').length;
  assert.ok(failed >= FAILURES_MAX && failed <= CONCURRENCY_MAX * 2, `${failed} attempts failed`);
  assert.equal(bench.kinds().filter((kind) => kind === 'held').length, 100 - failed);
  const posts = bench.posts;
  bench.run(bench.endpoint.heldForMs + 1);
  bench.active = bench.activeMax = 0;
  bench.send(10);
  bench.run(100);
  assert.equal(bench.posts, posts + 1, 'one tries');
  assert.ok(bench.endpoint.heldForMs > 1_500, 'the second rest is longer');
  bench.run(bench.endpoint.heldForMs + 1);
  bench.result = OK;
  bench.outcomes.length = 0;
  bench.send(50);
  bench.run(200);
  assert.deepEqual(new Set(bench.kinds()), new Set(['delivered']));
  assert.equal(bench.outcomes.length, 50);
});

test('a delivery whose partition stands still is not sent', () => {
  const bench = new Bench();
  bench.send(1);
  bench.run(100);
  bench.send(2, false);
  bench.run(100);
  assert.equal(bench.posts, 1);
  assert.deepEqual(bench.kinds(), ['delivered', 'held', 'held']);
});

test('an answer is delivered, refused or tried again as the table says', () => {
  const rows: [number, string, number][] = [
    [200, 'delivered', 0],
    [204, 'delivered', 0],
    [302, 'failed', 0],
    [400, 'refused', 0],
    [401, 'failed', 300_000],
    [404, 'failed', 300_000],
    [408, 'failed', 120_000],
    [410, 'refused', 0],
    [413, 'refused', 0],
    [429, 'failed', 0],
    [500, 'failed', 0],
    [503, 'failed', 30_000],
  ];
  for (const [status, kind, wait] of rows) {
    const outcome = outcomeOf({ kind: 'answer', status, retryAfterMs: 0 });
    assert.equal(outcome.kind, kind, String(status));
    if (outcome.kind === 'failed') assert.equal(outcome.waitMsMin, wait, String(status));
  }
  const asked = outcomeOf({ kind: 'answer', status: 503, retryAfterMs: 7_000 });
  assert.deepEqual(asked, { kind: 'failed', why: 'status 503', waitMsMin: 7_000 });
});

test('waits follow the schedule, with at most a fifth more', () => {
  const waits = [10, 30, 60];
  const at = (random: number) => [1, 2, 3, 9].map((n) => retryWaitMs(waits, n, () => random));
  assert.deepEqual(at(0), [10, 30, 60, 60]);
  assert.deepEqual(at(1), [12, 36, 72, 72]);
  assert.equal(
    askAgainMs(40, () => 0),
    60_000,
  );
  assert.equal(parseRetryAfter('Thu, 01 Jan 1970 00:00:05 GMT', 2_000), 3_000);
  assert.equal(parseRetryAfter('soon', 0), 0);
  assert.equal(parseRetryAfter('99999999', 0), 3_600_000);
});
