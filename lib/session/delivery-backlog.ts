/**
 * Delivery backlog — QoS 1 messages that wait for room in the client's window.
 *
 * Shape: a queue of copies, first in first out, so that order per topic holds.
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
}

export class DeliveryBacklog {
  #queue: WaitingDelivery[] = [];
  #first = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }
  get count(): number {
    return this.#queue.length - this.#first;
  }

  /** Copies the borrowed message. */
  push(view: PublishView, terms: DeliveryTerms): void {
    const copy = copyOf(view);
    this.#bytes += copy.buffer.length + MESSAGE_OVERHEAD_BYTES;
    this.#queue.push({ view: copy, terms });
  }

  /** The oldest, taken out; undefined when there is none. */
  shift(): WaitingDelivery | undefined {
    const waiting = this.#queue[this.#first];
    if (waiting === undefined) return undefined;
    this.#bytes -= waiting.view.buffer.length + MESSAGE_OVERHEAD_BYTES;
    this.#first++;
    if (this.#first === this.#queue.length) {
      this.#queue = [];
      this.#first = 0;
    } else if (this.#first >= 1_024 && this.#first * 2 > this.#queue.length) {
      // Amortised: each move is paid for by as many shifts.
      this.#queue = this.#queue.slice(this.#first);
      this.#first = 0;
    }
    return waiting;
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
