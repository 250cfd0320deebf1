/**
 * Held messages — what came live for a stored session in one partition while the rest of its queue
 * is being read (docs/adr/0012, S4), or while retained messages go first (protocol 23).
 *
 * Shape: copies in log order, matched anew when they go out: subscriptions may have changed.
 * Bound: by who holds (HELD_BYTES_MAX, HELD_BYTES_ALL_MAX): too much → the session is filed again.
 */
import { messageLength, type Position, readMessage, writeMessage } from '#log';
import type { PublishView } from '#mqtt';

/** What a held message costs besides its bytes. */
const MESSAGE_OVERHEAD_BYTES = 128;

interface Held {
  readonly position: Position;
  readonly message: Buffer;
}

export class HeldMessages {
  bytes = 0;
  #held: Held[] = [];

  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  /** Position of the first one; Infinity: nothing is held. */
  get first(): Position {
    return this.#held[0]?.position ?? Infinity;
  }

  /** Copies the borrowed message. Returns what it costs. */
  push(position: Position, view: PublishView): number {
    const length = messageLength(view);
    const message = Buffer.allocUnsafe(length);
    writeMessage(message, 0, view, length, view.expiresAtSeconds, 0, false);
    this.#held.push({ position, message });
    this.bytes += length + MESSAGE_OVERHEAD_BYTES;
    return length + MESSAGE_OVERHEAD_BYTES;
  }

  /** Hands out all, in order, until `onMessage` says false. `view` is borrowed for the call. */
  release(view: PublishView, onMessage: (position: Position) => boolean): void {
    const held = this.#held;
    this.clear();
    for (const { position, message } of held) {
      readMessage(message, 0, view);
      if (!onMessage(position)) return;
    }
  }

  clear(): void {
    this.#held = [];
    this.bytes = 0;
  }
}
