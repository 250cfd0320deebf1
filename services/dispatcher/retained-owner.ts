/**
 * Retained owner — what a partition's owner does about retained messages: keeps the last one of
 * each topic and hands pages of them to gateways (protocol 23, 24).
 */
import type { GatewayMessage } from '#frames';
import type { Position } from '#log';
import type { PublishView } from '#mqtt';
import type { PartitionContext } from '#reader';
import { RetainedPages, type RetainedPage } from './retained-pages.ts';
import { type RetainedCounters, RetainedStore } from './retained-store.ts';
import type { UndurableLimit } from './undurable-limit.ts';

export class RetainedOwner {
  readonly store: RetainedStore;
  readonly #pages: RetainedPages;
  readonly #limit: UndurableLimit;

  constructor(
    context: Pick<PartitionContext, 'clock' | 'state'>,
    limit: UndurableLimit,
    counters: RetainedCounters,
    position: () => Position,
    send: (incarnation: string, page: RetainedPage) => void,
  ) {
    this.#limit = limit;
    this.store = new RetainedStore(context.state, counters);
    const { clock } = context;
    this.#pages = new RetainedPages({ clock, store: this.store, position, send });
  }

  /** A message with RETAIN at [start, end) of its record, in log order, once. */
  apply(topic: string, view: PublishView, position: Position, start: number, end: number): void {
    this.store.apply(topic, view, position, start, end);
    this.#limit.put(end - start);
  }

  onRequest(message: GatewayMessage): void {
    if (message.t === 'retained') this.#pages.ask(message);
    else if (message.t === 'enough') this.#pages.enough(message.inc, message.request);
  }

  gatewayEnded(incarnation: string): void {
    this.#pages.gatewayEnded(incarnation);
  }

  tick(): void {
    this.#pages.tick();
  }
}
