/**
 * Client hold — live messages that one client gets only after its retained ones (protocol 23).
 *
 * Shape: per partition a count of fetches under way and the messages held, in log order; released
 *        when the partition's last fetch is over. QoS 0 without a position is never held.
 * Full:  HELD_BYTES_MAX over all partitions: the client is ended as `slow_consumer` (protocol 31).
 */
import { messageLength, type Position, readMessage, writeMessage } from '#log';
import { PublishView } from '#mqtt';
import type { Delivery, LiveHold, LocalClient } from './port.ts';
import { NO_POSITION } from './route.ts';

/** As much as may wait in the output of a connection. */
export const HELD_BYTES_MAX = 8 * 1024 * 1024;

interface Held {
  readonly message: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly delivery: Delivery;
}

interface PartitionHold {
  fetches: number;
  readonly held: Held[];
}

export interface ClientHoldOptions {
  /** Whether a message may still be sent after it was held; `looks`: subscriptions have changed. */
  mayDeliver(client: LocalClient, view: PublishView, looks: boolean): boolean;
  /** What was held of this partition has been sent. */
  holdEnded(client: LocalClient, partition: number): void;
}

export class ClientHold implements LiveHold {
  bytes = 0;
  readonly #client: LocalClient;
  readonly #o: ClientHoldOptions;
  #unsubscribed = false;
  readonly #partitions = new Map<number, PartitionHold>();
  readonly #view = new PublishView();
  #closed = false;

  constructor(client: LocalClient, options: ClientHoldOptions) {
    this.#client = client;
    this.#o = options;
    client.hold = this;
  }

  get isOver(): boolean {
    return this.#partitions.size === 0;
  }

  holds(partition: number): boolean {
    return this.#partitions.has(partition);
  }

  begin(partition: number): void {
    const hold = this.#partitions.get(partition);
    if (hold === undefined) this.#partitions.set(partition, { fetches: 1, held: [] });
    else hold.fetches++;
  }

  /** One fetch of the partition is over; after the last one the held messages go out. */
  end(partition: number): void {
    const hold = this.#partitions.get(partition);
    if (hold === undefined || --hold.fetches > 0) return;
    this.#partitions.delete(partition);
    if (this.isOver && this.#client.hold === this) this.#client.hold = undefined;
    for (const { message, qos, delivery } of hold.held) {
      if (this.#closed) return;
      this.bytes -= message.length;
      readMessage(message, 0, this.#view);
      if (this.#o.mayDeliver(this.#client, this.#view, this.#unsubscribed)) {
        this.#client.deliver(this.#view, qos, delivery, 0, 0);
      }
    }
    if (!this.#closed) this.#o.holdEnded(this.#client, partition);
  }

  /** The client gave up a subscription: what was held for it must not come any more. */
  unsubscribed(): void {
    this.#unsubscribed = true;
  }

  /** The client is gone. */
  close(): void {
    this.#closed = true;
    this.#partitions.clear();
    this.#client.hold = undefined;
  }

  take(
    partition: number,
    position: Position,
    view: PublishView,
    qos: 0 | 1 | 2,
    delivery: Delivery,
  ): boolean {
    const hold = this.#partitions.get(partition);
    if (hold === undefined || position === NO_POSITION) return false;
    const length = messageLength(view);
    const message = Buffer.allocUnsafe(length);
    writeMessage(message, 0, view, length, view.expiresAtSeconds, 0, false);
    hold.held.push({ message, qos, delivery });
    this.bytes += length;
    if (this.bytes > HELD_BYTES_MAX) this.#client.close('slow_consumer');
    return true;
  }
}
