/**
 * Retained owner — what a partition's owner does about retained messages: keeps the last one of
 * each topic and hands pages of them to gateways (protocol 23, 24).
 *
 * Full:  more than UNDURABLE_BYTES_MAX put and not yet durable stops the reading of the log: memory
 *        is bounded by the speed of the disk, not by that of the publishers.
 */
import type { GatewayMessage } from '#frames';
import type { Position } from '#log';
import type { PublishView } from '#mqtt';
import type { PartitionContext } from '#reader';
import { RetainedPages, type RetainedPage } from './retained-pages.ts';
import { type RetainedCounters, RetainedStore } from './retained-store.ts';

/** Bytes put into the state log that are not durable before reading stops. */
export const UNDURABLE_BYTES_MAX = 8 * 1024 * 1024;

type PartOfContext = Pick<PartitionContext, 'clock' | 'state' | 'pause' | 'resume'>;

export class RetainedOwner {
  readonly store: RetainedStore;
  readonly #context: PartOfContext;
  readonly #pages: RetainedPages;
  #putBytes = 0;
  #durableBytes = 0;
  #waiting = false;
  #paused = false;

  constructor(
    context: PartOfContext,
    counters: RetainedCounters,
    position: () => Position,
    send: (incarnation: string, page: RetainedPage) => void,
  ) {
    this.#context = context;
    this.store = new RetainedStore(context.state, counters);
    const { clock } = context;
    this.#pages = new RetainedPages({ clock, store: this.store, position, send });
  }

  /** A message with RETAIN at [start, end) of its record, in log order, once. */
  apply(topic: string, view: PublishView, position: Position, start: number, end: number): void {
    this.store.apply(topic, view, position, start, end);
    this.#putBytes += end - start;
    if (!this.#waiting) this.#watchDurable();
    if (this.#putBytes - this.#durableBytes <= UNDURABLE_BYTES_MAX || this.#paused) return;
    this.#paused = true;
    this.#context.pause();
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

  #watchDurable(): void {
    this.#waiting = true;
    const put = this.#putBytes;
    this.#context.state.whenDurable(() => {
      this.#waiting = false;
      this.#durableBytes = put;
      if (this.#putBytes > put) this.#watchDurable();
      if (!this.#paused || this.#putBytes - put > UNDURABLE_BYTES_MAX / 2) return;
      this.#paused = false;
      this.#context.resume();
    });
  }
}
