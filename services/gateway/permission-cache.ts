/**
 * Permission cache — whether this connection may publish to a topic, remembered by topic.
 *
 * Key:   the topic's bytes as latin1. A client that repeats its last topic gets the very same
 *        string again, whose hash is known: all later maps of the path find it quicker.
 * Bound: PERMISSION_CACHE_COUNT topics, then it starts anew. `reset` with each new access object.
 * Cost:  last topic again: one comparison of bytes. Known topic: one string and one look-up.
 */
import { topicKeyOf, topicOf } from '#mqtt';
import type { PublishView } from '#mqtt';
import type { Access } from '#registry';
import { PERMISSION_CACHE_COUNT } from './limits.ts';

/** Longer topics are not compared with the last one. */
const LAST_TOPIC_BYTES_MAX = 128;

export class PermissionCache {
  /** Key of the topic decided last. */
  topicKey = '';
  #isAllowed = false;
  #access: Access;
  readonly #decisions = new Map<string, boolean>();
  readonly #last = Buffer.allocUnsafe(LAST_TOPIC_BYTES_MAX);
  /** 0 = none. */
  #lastLength = 0;

  constructor(access: Access) {
    this.#access = access;
  }

  reset(access: Access): void {
    this.#access = access;
    this.#decisions.clear();
    this.#lastLength = 0;
  }

  maySubscribe(topicFilter: string): boolean {
    return this.#access.maySubscribe(topicFilter);
  }

  /** Decides, and leaves the key in `topicKey`. */
  mayPublish(view: PublishView): boolean {
    if (this.#isLast(view)) return this.#isAllowed;
    const key = topicKeyOf(view);
    let isAllowed = this.#decisions.get(key);
    if (isAllowed === undefined) {
      isAllowed = this.#access.mayPublish(topicOf(view));
      if (this.#decisions.size >= PERMISSION_CACHE_COUNT) this.#decisions.clear();
      this.#decisions.set(key, isAllowed);
    }
    this.topicKey = key;
    this.#isAllowed = isAllowed;
    this.#remember(view);
    return isAllowed;
  }

  #isLast(view: PublishView): boolean {
    const start = view.topicStart + 2;
    const length = view.topicEnd - start;
    if (length !== this.#lastLength) return false;
    const { buffer } = view;
    // From the end: topics of one client mostly differ there.
    for (let i = length - 1; i >= 0; i--) {
      if (buffer[start + i] !== this.#last[i]) return false;
    }
    return true;
  }

  #remember(view: PublishView): void {
    const start = view.topicStart + 2;
    const length = view.topicEnd - start;
    this.#lastLength = length <= LAST_TOPIC_BYTES_MAX ? length : 0;
    if (this.#lastLength > 0) view.buffer.copy(this.#last, 0, start, view.topicEnd);
  }
}
