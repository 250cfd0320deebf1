/**
 * Delivery window — packet identifiers of QoS 1 deliveries that await the client's PUBACK.
 *
 * Shape: a queue of free identifiers and a flag per identifier, both grown by doubling up to the
 *        limit, so that an idle client costs nothing. The identifier freed longest ago is taken
 *        first: a late, repeated PUBACK then hits a free one, not somebody else's.
 * Full:  `take` returns 0; the session queues (bounded by the connection) until a PUBACK.
 * Asserts: an identifier is never handed out twice. Spec: MQTT 5 §4.9 [MQTT-4.9.0-1], §2.2.1.
 */
import assert from 'node:assert/strict';

const IDENTIFIERS_START = 16;

export class DeliveryWindow {
  readonly #limit: number;
  #free = new Uint16Array(0);
  #inUse = new Uint8Array(1);
  /** First free identifier in `#free`. */
  #head = 0;
  #freeCount = 0;

  /** `limit`: 1–65,535, the lower of the client's receive maximum and our own bound. */
  constructor(limit: number) {
    assert.ok(limit >= 1 && limit <= 65_535);
    this.#limit = limit;
  }

  get openCount(): number {
    return this.#free.length - this.#freeCount;
  }

  /** A free packet identifier, 0 when the window is full. */
  take(): number {
    if (this.#freeCount === 0 && !this.#grow()) return 0;
    const identifier = this.#free[this.#head] as number;
    this.#head = this.#head + 1 === this.#free.length ? 0 : this.#head + 1;
    this.#freeCount--;
    this.#inUse[identifier] = 1;
    return identifier;
  }

  /** Gives an identifier back. False: it is not in use (a stray PUBACK); nothing changes. */
  release(identifier: number): boolean {
    if (this.#inUse[identifier] !== 1) return false;
    this.#inUse[identifier] = 0;
    const tail = this.#head + this.#freeCount;
    this.#free[tail < this.#free.length ? tail : tail - this.#free.length] = identifier;
    this.#freeCount++;
    return true;
  }

  /** Only called when nothing is free. */
  #grow(): boolean {
    const size = this.#free.length;
    if (size === this.#limit) return false;
    const larger = Math.min(this.#limit, Math.max(IDENTIFIERS_START, size * 2));
    const inUse = new Uint8Array(larger + 1);
    inUse.set(this.#inUse);
    this.#inUse = inUse;
    this.#free = new Uint16Array(larger);
    for (let i = size; i < larger; i++) this.#free[i - size] = i + 1;
    this.#head = 0;
    this.#freeCount = larger - size;
    return true;
  }
}
