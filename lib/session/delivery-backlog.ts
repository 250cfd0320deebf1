/**
 * Delivery backlog — messages of QoS 1 and 2 that cannot be sent yet, in the order of sending.
 *
 * Shape: a queue of copies, first in first out, so that order per topic holds. Two marks walk over
 *        it: up to `next` messages have their packet identifier, up to `first` they were sent.
 * Bound: bytes are counted here and limited by the connection, together with what its socket has
 *        not taken; the count is bounded with them (MESSAGE_OVERHEAD_BYTES each).
 */
import { PublishView } from '#mqtt';
import type { DeliveryTerms } from './session-port.ts';

/** What a waiting message costs besides its own bytes (view, buffer, terms). */
const MESSAGE_OVERHEAD_BYTES = 256;

export interface WaitingDelivery {
  readonly view: PublishView;
  readonly terms: DeliveryTerms;
  readonly qos: 1 | 2;
  /** 0: nobody wants to know. */
  readonly ticket: number;
  /** 0: none yet. */
  identifier: number;
  /** It was sent on an earlier connection, under `identifier`. */
  readonly dup: boolean;
  /** Its identifier was stored for it. */
  isPromised: boolean;
  /** It may be sent as soon as it is the first. */
  isReady: boolean;
  /** It was dropped by name while others stood before it. */
  isDropped: boolean;
}

export class DeliveryBacklog {
  #queue: WaitingDelivery[] = [];
  #first = 0;
  #next = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }
  get count(): number {
    return this.#queue.length - this.#first;
  }
  /** The oldest. */
  get first(): WaitingDelivery | undefined {
    return this.#queue[this.#first];
  }
  /** The oldest that needs an identifier. */
  get next(): WaitingDelivery | undefined {
    return this.#queue[this.#next];
  }

  /** Copies the borrowed message. `identifier`: of an earlier connection, 0 = none. */
  push(
    view: PublishView,
    qos: 1 | 2,
    terms: DeliveryTerms,
    ticket: number,
    identifier: number,
  ): void {
    const copy = copyOf(view);
    this.#bytes += copy.buffer.length + MESSAGE_OVERHEAD_BYTES;
    const dup = identifier > 0;
    const marks = { dup, isPromised: dup, isReady: false, isDropped: false };
    this.#queue.push({ view: copy, qos, terms, ticket, identifier, ...marks });
  }

  /** The one at `next` needs no identifier any more. */
  pass(): void {
    this.#next++;
  }

  /** Takes the oldest out, which has been passed. */
  shift(): void {
    const waiting = this.#queue[this.#first];
    if (waiting === undefined) return;
    this.#bytes -= waiting.view.buffer.length + MESSAGE_OVERHEAD_BYTES;
    this.#first++;
    if (this.#first === this.#queue.length) {
      this.#queue = [];
      this.#first = 0;
      this.#next = 0;
    } else if (this.#first >= 1_024 && this.#first * 2 > this.#queue.length) {
      // Amortised: each move is paid for by as many shifts.
      this.#queue = this.#queue.slice(this.#first);
      this.#next -= this.#first;
      this.#first = 0;
    }
  }

  /** The one that got this identifier; the few that wait for storage stand before `next`. */
  find(identifier: number): WaitingDelivery | undefined {
    for (let i = this.#first; i < this.#next; i++) {
      const waiting = this.#queue[i];
      if (waiting?.identifier === identifier && !waiting.isDropped) return waiting;
    }
    return undefined;
  }

  /** All that wait, oldest first. */
  *waiting(): Iterable<WaitingDelivery> {
    for (let i = this.#first; i < this.#queue.length; i++) yield this.#queue[i] as WaitingDelivery;
  }
}

function copyOf(view: PublishView): PublishView {
  const topicLength = view.topicEnd - view.topicStart;
  const buffer = Buffer.allocUnsafe(topicLength + view.end - view.propertiesStart);
  view.buffer.copy(buffer, 0, view.topicStart, view.topicEnd);
  view.buffer.copy(buffer, topicLength, view.propertiesStart, view.end);
  const copy = new PublishView();
  copy.buffer = buffer;
  copy.topicEnd = topicLength;
  copy.propertiesStart = topicLength;
  copy.payloadStart = topicLength + view.payloadStart - view.propertiesStart;
  copy.end = buffer.length;
  copy.qos = view.qos;
  copy.retain = view.retain;
  copy.messageExpiryIntervalSeconds = view.messageExpiryIntervalSeconds;
  copy.propertiesForwardable = view.propertiesForwardable;
  copy.expiresAtSeconds = view.expiresAtSeconds;
  copy.publisherConnection = view.publisherConnection;
  return copy;
}
