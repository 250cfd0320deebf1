/** Pages are asked for in turn: so many at once per partition, each request with its own number. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { ASK_AGAIN_MS } from '../../../services/gateway/owner-link.ts';
import {
  PAGES_OUTSTANDING_MAX,
  type QueueAsker,
  QueueDesk,
} from '../../../services/gateway/queue-desk.ts';

class Asker implements QueueAsker {
  readonly partition: number;
  readonly readTo = 0;
  request = 0;
  pageAskedAtMs = 0;
  inLine = false;
  wants = true;

  constructor(partition: number) {
    this.partition = partition;
  }
  pump(nowMs: number): void {
    if (this.wants) desk.ask(this, nowMs);
  }
}

let desk: QueueDesk<Asker>;
let sent: number[];

beforeEach(() => {
  sent = [];
  desk = new QueueDesk(2, ({ request }) => sent.push(request));
});

describe('QueueDesk', () => {
  it('lets so many ask at once, the others in their order', () => {
    const askers = Array.from({ length: PAGES_OUTSTANDING_MAX + 3 }, () => new Asker(0));
    for (const asker of askers) desk.ask(asker, 0);
    const other = new Asker(1);
    desk.ask(other, 0);
    assert.equal(sent.length, PAGES_OUTSTANDING_MAX + 1, 'each partition has its own room');
    assert.equal(new Set(sent).size, sent.length);
    const [first, second, third] = askers.slice(-3) as [Asker, Asker, Asker];
    assert.deepEqual([first.inLine, second.inLine, third.inLine], [true, true, true]);
    // It has no room any more when its turn comes.
    second.wants = false;
    desk.finish(askers[0] as Asker, 10);
    assert.ok(first.request > 0);
    desk.finish(askers[1] as Asker, 10);
    assert.deepEqual([second.request, second.inLine, third.inLine], [0, false, false]);
    assert.equal(desk.find(third.request), third);
  });

  it('forgets who gives up, in the line or with a request', () => {
    const askers = Array.from({ length: PAGES_OUTSTANDING_MAX }, () => new Asker(0));
    for (const asker of askers) desk.ask(asker, 0);
    const waiting = new Asker(0);
    desk.ask(waiting, 0);
    desk.finish(waiting, 0);
    const [first] = askers as [Asker, ...Asker[]];
    const { request } = first;
    desk.finish(first, 0);
    assert.deepEqual([first.request, waiting.request], [0, 0]);
    assert.equal(desk.find(request), undefined);
    assert.equal(desk.outstanding, PAGES_OUTSTANDING_MAX - 1);
  });

  it('repeats under the same number what stays unanswered', () => {
    const asker = new Asker(0);
    desk.ask(asker, 0);
    desk.repeat(asker, ASK_AGAIN_MS - 1);
    assert.equal(sent.length, 1);
    desk.repeat(asker, ASK_AGAIN_MS);
    assert.deepEqual(sent, [asker.request, asker.request]);
  });
});
