/**
 * Registry feed — keeps an image level with the registry's stream.
 *
 * Shape: follows the stream from its first message; ready when it has caught up once. While NATS is
 *        away the image stays as it was, and goes on by itself after the reconnect.
 */
import type { Bus, Follower } from '#bus';
import { REGISTRY_STREAM } from './names.ts';
import { RegistryImage } from './registry-image.ts';
import type { RegistryChange } from './registry-image.ts';

export interface FeedListener {
  /** After each applied change, in stream order. Not called before ready. */
  onChange?(change: RegistryChange): void;
  /** Once. */
  onReady?(): void;
  /** The image's position moved; also before ready. */
  onPosition?(position: number): void;
}

export class RegistryFeed {
  readonly image = new RegistryImage();
  #ready = false;
  readonly #bus: Bus;
  readonly #listener: FeedListener;
  #follower: Follower;

  constructor(bus: Bus, listener: FeedListener) {
    this.#bus = bus;
    this.#listener = listener;
    this.#follower = this.#follow();
  }

  get ready(): boolean {
    return this.#ready;
  }

  /**
   * Asks the stream anew where it ends. Needed when its last message was removed by hand: then its
   * last sequence is one that no message brings.
   */
  follow(): void {
    this.#follower.close();
    this.#follower = this.#follow();
  }

  close(): void {
    this.#follower.close();
  }

  #follow(): Follower {
    return this.#bus.follow({
      stream: REGISTRY_STREAM,
      fromSequence: this.image.position + 1,
      onMessage: (message) => {
        const change = this.image.apply(message);
        if (change !== undefined && this.#ready) this.#listener.onChange?.(change);
        this.#listener.onPosition?.(this.image.position);
      },
      onCaughtUp: (lastSequence) => {
        if (lastSequence > this.image.position) this.image.position = lastSequence;
        this.#listener.onPosition?.(this.image.position);
        if (this.#ready) return;
        this.#ready = true;
        this.#listener.onReady?.();
      },
    });
  }
}
