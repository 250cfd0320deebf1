/**
 * Delivery window — packet identifiers of deliveries that the client has not acknowledged.
 *
 * Shape: a queue of free identifiers and a state per identifier, both grown by doubling, so that an
 *        idle client costs nothing. The identifier freed longest ago is taken first: a late,
 *        repeated PUBACK then hits a free one, not somebody else's.
 *        Identifiers inherited from an earlier connection are reserved: never taken, only claimed.
 * Quota: counts what is open on this connection (MQTT 5 §4.9), reserved identifiers only once they
 *        are claimed. PUBRELs of an earlier connection count, too: none too many is sent.
 * Full:  `take` and `claim` fail; the session queues (bounded by the connection) until a PUBACK.
 * Asserts: an identifier is never handed out twice. Spec: MQTT 5 §4.9 [MQTT-4.9.0-1], §2.2.1.
 */
import assert from 'node:assert/strict';

const IDENTIFIERS_START = 16;
const IDENTIFIERS_MAX = 65_535;

/** What an identifier is used for. */
export const FREE = 0;
/** Of an earlier connection; its message will come again. */
export const RESERVED = 1;
/** The same; its message waits for the quota. */
export const QUEUED = 2;
/** QoS 2: nothing is sent before the identifier is stored. */
export const STORING = 3;
export const AWAITS_PUBACK = 4;
export const AWAITS_PUBREC = 5;
/** QoS 2: PUBREC came; PUBREL is not sent before that is stored. */
export const RECEIVED = 6;
export const AWAITS_PUBCOMP = 7;

export class DeliveryWindow {
  readonly #limit: number;
  /** Ring of free identifiers; as many places as there are identifiers so far. */
  #free = new Uint16Array(0);
  #states = new Uint8Array(1);
  /** First free identifier in `#free`. */
  #head = 0;
  #freeCount = 0;
  #openCount = 0;

  /** `limit`: 1–65,535, the lower of the client's receive maximum and our own bound. */
  constructor(limit: number) {
    assert.ok(limit >= 1 && limit <= IDENTIFIERS_MAX);
    this.#limit = limit;
  }

  /** What counts against the quota. */
  get openCount(): number {
    return this.#openCount;
  }

  stateOf(identifier: number): number {
    return this.#states[identifier] ?? FREE;
  }

  /** A free packet identifier, now in `state`; 0 when the window is full. */
  take(state: number): number {
    if (this.#openCount >= this.#limit) return 0;
    if (this.#freeCount === 0 && !this.#grow()) return 0;
    const identifier = this.#free[this.#head] as number;
    this.#head = this.#head + 1 === this.#free.length ? 0 : this.#head + 1;
    this.#freeCount--;
    this.#openCount++;
    this.#states[identifier] = state;
    return identifier;
  }

  /** Before the first `take`: an identifier of an earlier connection. */
  reserve(identifier: number, state: number): void {
    assert.ok(identifier > 0 && identifier <= IDENTIFIERS_MAX && this.#free.length === 0);
    this.#reach(identifier);
    assert.equal(this.#states[identifier], FREE);
    this.#states[identifier] = state;
    if (state !== RESERVED) this.#openCount++;
  }

  /** A reserved identifier is used from now on; false when the window is full. */
  claim(identifier: number, state: number): boolean {
    assert.ok(isInherited(this.stateOf(identifier)), 'identifier is not reserved');
    if (this.#openCount >= this.#limit) return false;
    this.#openCount++;
    this.#states[identifier] = state;
    return true;
  }

  /** The next step of an identifier in use. */
  change(identifier: number, state: number): void {
    this.#states[identifier] = state;
  }

  /** A reserved identifier whose message does not come again: PUBREL, whatever the quota. */
  closeReserved(identifier: number): void {
    this.#openCount++;
    this.#states[identifier] = AWAITS_PUBCOMP;
  }

  /** Gives an identifier in use, or reserved, back. */
  release(identifier: number): void {
    const state = this.stateOf(identifier);
    assert.notEqual(state, FREE, 'identifier is free');
    this.#states[identifier] = FREE;
    if (!isInherited(state)) this.#openCount--;
    // An inherited one beyond what was taken so far is found when that grows.
    if (identifier <= this.#free.length) this.#putFree(identifier);
  }

  #putFree(identifier: number): void {
    const tail = this.#head + this.#freeCount;
    this.#free[tail < this.#free.length ? tail : tail - this.#free.length] = identifier;
    this.#freeCount++;
  }

  /** Only called when nothing is free. False: all identifiers are in use. */
  #grow(): boolean {
    while (this.#freeCount === 0) {
      const size = this.#free.length;
      if (size === IDENTIFIERS_MAX) return false;
      const larger = Math.min(IDENTIFIERS_MAX, Math.max(IDENTIFIERS_START, size * 2));
      this.#reach(larger);
      this.#free = new Uint16Array(larger);
      this.#head = 0;
      for (let i = size + 1; i <= larger; i++) {
        if (this.#states[i] === FREE) this.#putFree(i);
      }
    }
    return true;
  }

  #reach(identifier: number): void {
    if (identifier < this.#states.length) return;
    const states = new Uint8Array(identifier + 1);
    states.set(this.#states);
    this.#states = states;
  }
}

function isInherited(state: number): boolean {
  return state === RESERVED || state === QUEUED;
}
