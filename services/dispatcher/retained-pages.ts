/**
 * Retained pages — answers gateways that ask for the retained messages of a new subscription
 * (protocol 23).
 *
 * Shape: a cursor per fetch walks the store; one page is made per request, at the pace at which the
 *        gateway asks. A page asked again is made again of the same topics.
 * When:  only once everything up to the subscription's position X has been dispatched here: a new
 *        owner that is still behind has an older view. Unanswered requests are repeated.
 * Ends:  with `enough` of the gateway: the answer that says "last" may be lost and asked for again.
 * Full:  CURSORS_MAX; the oldest is forgotten and its gateway told to start anew. A page holds
 *        PAGE_TOPICS topics or PAGE_BYTES, one larger message alone.
 */
import type { Clock } from '#base';
import type { GatewayMessage } from '#frames';
import type { Position } from '#log';
import { topicKey } from '#topics';
import type { RetainedStore } from './retained-store.ts';

/** Fetches under way per partition. */
export const CURSORS_MAX = 1_000;
/** A fetch whose gateway has not asked for so long is forgotten, ms. */
const CURSOR_IDLE_MS = 60_000;
const PAGE_TOPICS = 64;
const PAGE_BYTES = 64 * 1024;
/** Values read at once; with the largest messages 8 MiB. */
const BATCH = 16;

/** A page as it is put into the gateway's frame channel. */
export interface RetainedPage {
  readonly request: number;
  readonly page: number;
  readonly last: boolean;
  readonly restart: boolean;
  readonly entries: readonly Buffer[];
}

interface Cursor {
  readonly walk: Iterator<string>;
  readonly upTo: Position;
  /** Topics of the page made last. */
  topics: string[];
  /** Taken from the walk, but there was no room in that page. */
  rest: string[];
  page: number;
  ended: boolean;
  busy: boolean;
  usedAtMs: number;
}

export type RetainedRequest = Extract<GatewayMessage, { t: 'retained' }>;

export interface RetainedPagesOptions {
  readonly clock: Clock;
  readonly store: RetainedStore;
  /** Everything up to here has been dispatched. */
  readonly position: () => Position;
  readonly send: (incarnation: string, page: RetainedPage) => void;
}

export class RetainedPages {
  readonly #o: RetainedPagesOptions;
  readonly #cursors = new Map<string, Cursor>();

  constructor(options: RetainedPagesOptions) {
    this.#o = options;
  }

  get size(): number {
    return this.#cursors.size;
  }

  ask({ inc, request, topicFilter, upTo, page }: RetainedRequest): void {
    if (this.#o.position() < upTo) return;
    const key = `${inc} ${request}`;
    let cursor = this.#cursors.get(key);
    if (cursor?.busy === true) return;
    if (cursor === undefined) {
      if (page > 0) {
        this.#o.send(inc, { request, page, last: false, restart: true, entries: [] });
        return;
      }
      cursor = this.#open(key, topicFilter, upTo);
    }
    cursor.usedAtMs = this.#o.clock.nowMs();
    if (page === cursor.page + 1) this.#advance(cursor);
    if (page === cursor.page) this.#make(cursor, inc, request, 0, []);
  }

  enough(incarnation: string, request: number): void {
    this.#cursors.delete(`${incarnation} ${request}`);
  }

  gatewayEnded(incarnation: string): void {
    for (const key of this.#cursors.keys()) {
      if (key.startsWith(`${incarnation} `)) this.#cursors.delete(key);
    }
  }

  /** Forgets what nobody asks for any more. */
  tick(): void {
    const before = this.#o.clock.nowMs() - CURSOR_IDLE_MS;
    for (const [key, cursor] of this.#cursors) {
      if (cursor.usedAtMs < before) this.#cursors.delete(key);
    }
  }

  #open(key: string, topicFilter: string, upTo: Position): Cursor {
    if (this.#cursors.size >= CURSORS_MAX) {
      for (const oldest of this.#cursors.keys()) {
        this.#cursors.delete(oldest);
        break;
      }
    }
    const cursor: Cursor = {
      walk: this.#o.store.match(topicKey(topicFilter)),
      upTo,
      topics: [],
      rest: [],
      page: -1,
      ended: false,
      busy: false,
      usedAtMs: 0,
    };
    this.#cursors.set(key, cursor);
    return cursor;
  }

  #advance(cursor: Cursor): void {
    cursor.page++;
    const topics = cursor.rest;
    cursor.rest = [];
    while (topics.length < PAGE_TOPICS && !cursor.ended) {
      const next = cursor.walk.next();
      if (next.done === true) cursor.ended = true;
      else topics.push(next.value);
    }
    cursor.topics = topics;
  }

  /** Reads the page's values batch by batch, until all are read or the page is full. */
  #make(cursor: Cursor, inc: string, request: number, from: number, page: Buffer[]): void {
    const batch = cursor.topics.slice(from, from + BATCH);
    if (batch.length === 0) return this.#finish(cursor, inc, request, from, page);
    cursor.busy = true;
    let missing = batch.length;
    const found: (Buffer | undefined)[] = [];
    batch.forEach((topic, i) => {
      this.#o.store.read(topic, cursor.upTo, this.#o.clock.wallMs(), (entry) => {
        found[i] = entry;
        if (--missing > 0) return;
        cursor.busy = false;
        if (this.#cursors.get(`${inc} ${request}`) !== cursor) return;
        const taken = takeInto(page, found);
        const next = from + taken;
        if (taken < batch.length) this.#finish(cursor, inc, request, next, page);
        else this.#make(cursor, inc, request, next, page);
      });
    });
  }

  /** The page holds what stands before `next`; the rest belongs to the one after it. */
  #finish(cursor: Cursor, inc: string, request: number, next: number, page: Buffer[]): void {
    cursor.rest = [...cursor.topics.splice(next), ...cursor.rest];
    const last = cursor.ended && cursor.rest.length === 0;
    this.#o.send(inc, { request, page: cursor.page, last, restart: false, entries: page });
  }
}

/** Moves entries to the page while there is room; returns how many topics are dealt with. */
function takeInto(page: Buffer[], found: readonly (Buffer | undefined)[]): number {
  let bytes = page.reduce((sum, entry) => sum + entry.length, 0);
  for (let i = 0; i < found.length; i++) {
    const entry = found[i];
    if (entry === undefined) continue;
    if (page.length > 0 && bytes + entry.length > PAGE_BYTES) return i;
    page.push(entry);
    bytes += entry.length;
  }
  return found.length;
}
