/**
 * Owner mailbox — what this gateway says to the owners, one message per partition and turn.
 *
 * Shape: messages of a turn share one JSON array on `owner.<pp>` (proto/wire/frame.md).
 * Lost:  nothing is kept while the bus is away; every request is repeated by who made it.
 */
import type { Clock } from '#base';
import type { Bus } from '#bus';
import { CHUNK_BYTES_MAX, encodeMessage, type GatewayMessage, ownerSubject } from '#frames';

/** Requests in one message; keeps it far below CHUNK_BYTES_MAX with identifiers of usual length. */
const MESSAGES_MAX = 200;

export class OwnerMailbox {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #waiting: GatewayMessage[][];
  #planned = false;

  constructor(bus: Bus, clock: Clock, partitions: number) {
    this.#bus = bus;
    this.#clock = clock;
    this.#waiting = Array.from({ length: partitions }, () => []);
  }

  send(partition: number, message: GatewayMessage): void {
    this.#waiting[partition]?.push(message);
    if (this.#planned) return;
    this.#planned = true;
    this.#clock.whenIdle(() => this.#flush());
  }

  #flush(): void {
    this.#planned = false;
    this.#waiting.forEach((messages, partition) => {
      if (messages.length === 0) return;
      this.#waiting[partition] = [];
      for (let i = 0; i < messages.length; i += MESSAGES_MAX) {
        this.#publish(partition, messages.slice(i, i + MESSAGES_MAX));
      }
    });
  }

  /** Long identifiers can make a batch too large: then it is halved. */
  #publish(partition: number, messages: readonly GatewayMessage[]): void {
    const bytes = encodeMessage(messages);
    if (bytes.length > CHUNK_BYTES_MAX && messages.length > 1) {
      const half = messages.length >> 1;
      this.#publish(partition, messages.slice(0, half));
      this.#publish(partition, messages.slice(half));
    } else this.#bus.publish(ownerSubject(partition), bytes);
  }
}
