/**
 * Permission cache — whether this connection may publish to a topic, remembered by topic.
 *
 * Key:   the topic's bytes as latin1; for a client's last topic the very same string again.
 * Bound: PERMISSION_CACHE_COUNT topics, then it starts anew. `reset` with each new access object.
 * Cost:  last topic again: one comparison of bytes. Known topic: one string and one look-up.
 */
import { LastTopic, topicOf } from '#mqtt';
import type { PublishView } from '#mqtt';
import type { Access } from '#registry';
import { plainFilterOf } from '#topics';
import { PERMISSION_CACHE_COUNT, PERMISSION_TOPIC_BYTES_MAX } from './limits.ts';

export class PermissionCache {
  /** Key of the topic decided last. */
  topicKey = '';
  #isAllowed = false;
  #access: Access;
  readonly #decisions = new Map<string, boolean>();
  readonly #last = new LastTopic();
  /** Whether `topicKey` was decided by this access object. */
  #isDecided = false;

  constructor(access: Access) {
    this.#access = access;
  }

  reset(access: Access): void {
    this.#access = access;
    this.#decisions.clear();
    this.#isDecided = false;
  }

  maySubscribe(topicFilter: string): boolean {
    return this.#access.maySubscribe(plainFilterOf(topicFilter));
  }

  /** Decides, and leaves the key in `topicKey`. */
  mayPublish(view: PublishView): boolean {
    const key = this.#last.keyOf(view);
    if (this.#isDecided && key === this.topicKey) return this.#isAllowed;
    let isAllowed = this.#decisions.get(key);
    if (isAllowed === undefined) {
      isAllowed = this.#access.mayPublish(topicOf(view));
      if (this.#decisions.size >= PERMISSION_CACHE_COUNT) this.#decisions.clear();
      if (key.length <= PERMISSION_TOPIC_BYTES_MAX) this.#decisions.set(key, isAllowed);
    }
    this.topicKey = key;
    this.#isAllowed = isAllowed;
    this.#isDecided = true;
    return isAllowed;
  }
}
