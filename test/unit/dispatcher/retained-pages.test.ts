import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SimClock } from '#bus';
import { messageLength, readMessage, writeMessage } from '#log';
import { PublishView, topicOf } from '#mqtt';
import { type RetainedPage, RetainedPages } from '../../../services/dispatcher/retained-pages.ts';
import { RetainedStore } from '../../../services/dispatcher/retained-store.ts';
import { MemoryTables } from '../../fixtures/memory-tables.ts';
import { publishView } from '../../fixtures/publish-view.ts';

/** A store with pages over it; `position` is how far the owner is. */
function bench(topicsMax?: number) {
  const clock = new SimClock();
  const tables = new MemoryTables(clock);
  const counters = { retainedStored: 0, retainedExpired: 0, retainedRefused: 0 };
  const store = new RetainedStore(tables, counters, topicsMax);
  const sent: RetainedPage[] = [];
  const state = { position: 1_000 };
  const pages = new RetainedPages({
    clock,
    store,
    position: () => state.position,
    send: (_, page) => sent.push(page),
  });
  const retain = (topic: string, payload: string, position: number, expiresAt = 0): void => {
    const view = publishView({ topic, payload, retain: true });
    const length = messageLength(view);
    const record = Buffer.alloc(length);
    writeMessage(record, 0, view, length, expiresAt, 0, false);
    const stored = new PublishView();
    readMessage(record, 0, stored);
    store.apply(Buffer.from(topic, 'utf8').toString('latin1'), stored, position, 0, length);
  };
  const ask = (request: number, topicFilter: string, page: number, upTo = 1_000): void => {
    const inc = 'g';
    pages.ask({ t: 'retained', inc, epoch: 1, request, topicFilter, upTo, page });
    clock.run(clock.nowMs() + 10);
  };
  return { clock, tables, store, counters, pages, sent, state, retain, ask };
}

function topicsOf({ entries }: RetainedPage): string[] {
  const view = new PublishView();
  return entries.map((entry) => {
    readMessage(entry, 8, view);
    return topicOf(view);
  });
}

describe('RetainedPages', () => {
  it('finds topics beyond ASCII, by exact filters and by wildcards', () => {
    const { sent, retain, ask } = bench();
    retain('é/\ufeff', 'x', 5);
    ask(1, 'é/\ufeff', 0);
    ask(2, 'é/+', 0);
    assert.deepEqual(sent.map(topicsOf), [['é/\ufeff'], ['é/\ufeff']]);
  });

  it('hands every match over once, page by page, also asked twice', () => {
    const { pages, sent, retain, ask } = bench();
    for (let i = 0; i < 200; i++) retain(`a/${i}`, 'x'.repeat(i % 50), 10 + i);
    retain('b', 'other', 5);
    const got: string[] = [];
    for (let page = 0; ; page++) {
      ask(1, 'a/+', page);
      ask(1, 'a/+', page);
      const [first, again] = sent.splice(0);
      assert.ok(first !== undefined && again !== undefined);
      assert.deepEqual(topicsOf(again), topicsOf(first));
      got.push(...topicsOf(first));
      if (first.last) break;
    }
    // An empty payload keeps nothing: i % 50 === 0.
    const wanted = Array.from({ length: 200 }, (_, i) => i).filter((i) => i % 50 > 0);
    assert.deepEqual(new Set(got), new Set(wanted.map((i) => `a/${i}`)));
    assert.equal(got.length, wanted.length);
    pages.enough('g', 1);
    assert.equal(pages.size, 0);
  });

  it('keeps a page within what one frame carries', () => {
    const { sent, retain, ask } = bench();
    for (let i = 0; i < 20; i++) retain(`big/${i}`, 'x'.repeat(30_000), 10);
    let topics = 0;
    for (let page = 0; ; page++) {
      ask(1, '#', page);
      const [made] = sent.splice(0);
      assert.ok(made !== undefined);
      assert.ok(made.entries.reduce((sum, entry) => sum + entry.length, 0) < 70_000);
      topics += made.entries.length;
      if (made.last) break;
    }
    assert.equal(topics, 20);
  });

  it('leaves out what is newer than the subscription, deleted or expired', () => {
    const { sent, retain, ask, counters, store } = bench();
    retain('old', 'x', 1_000);
    retain('new', 'x', 1_001);
    retain('gone', 'x', 10);
    retain('gone', '', 11);
    retain('expired', 'x', 12, 1);
    ask(1, '#', 0);
    assert.deepEqual(topicsOf(sent[0] as RetainedPage), ['old']);
    assert.equal(counters.retainedExpired, 1);
    assert.equal(store.count, 2);
  });

  it('answers nothing before it has dispatched up to the subscription', () => {
    const { sent, state, retain, ask } = bench();
    retain('a', 'x', 10);
    state.position = 999;
    ask(1, 'a', 0);
    assert.equal(sent.length, 0);
    state.position = 1_000;
    ask(1, 'a', 0);
    assert.deepEqual(topicsOf(sent[0] as RetainedPage), ['a']);
  });

  it('has a fetch that it does not know start anew, and forgets idle ones', () => {
    const { clock, pages, sent, ask } = bench();
    ask(7, '#', 3);
    assert.equal(sent[0]?.restart, true);
    ask(8, '#', 0);
    assert.equal(pages.size, 1);
    clock.run(100_000);
    pages.tick();
    assert.equal(pages.size, 0);
    ask(9, '#', 0);
    pages.gatewayEnded('g');
    assert.equal(pages.size, 0);
  });

  it('refuses one topic too many by name, and takes it when there is room', () => {
    const { retain, store, counters } = bench(2);
    for (const topic of ['a', 'b', 'c']) retain(topic, 'x', 10);
    assert.deepEqual([store.count, counters.retainedRefused], [2, 1]);
    retain('a', 'y', 11);
    retain('b', '', 12);
    retain('c', 'x', 13);
    assert.deepEqual([store.count, counters.retainedRefused], [2, 1]);
  });
});
