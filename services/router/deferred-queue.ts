/**
 * Deferred queue — the deliveries of one partition that wait, durable in the router's state log.
 *
 * Shape: table 1 holds each waiting message once, table 2 one key per delivery that says all about
 *        its schedule (proto/wire/event.md), so recovery reads keys and no values. In memory: one
 *        small entry per delivery, a heap by due time per subscription.
 * Whole: `add` puts message and delivery in one turn, with the checkpoint that passes them.
 *        Schedule changes and removals ride along: losing one repeats an attempt, never an event.
 * Full:  `add` answers false above DEFERRED_COUNT_MAX or DEFERRED_BYTES_MAX; the caller drops the
 *        event by name.
 */
import type { Position } from '#log';
import type { StateTables } from '#state';
import { DueHeap } from './due-heap.ts';

export const MESSAGE_TABLE = 1;
export const DELIVERY_TABLE = 2;

/** Waiting deliveries of one subscription in one partition; ~300 bytes of memory each. */
export const DEFERRED_COUNT_MAX = 100_000;
/** Their messages, bytes: what a state log can copy forward without falling behind. */
export const DEFERRED_BYTES_MAX = 1024 * 1024 * 1024;

const VALUE = Buffer.from([1]);

export interface DeferredEntry {
  readonly position: Position;
  readonly bytes: number;
  attempts: number;
  /** Wall clock, ms since 1970: schedules outlive processes. */
  nextAtMs: number;
  /** Taken by the window; not in the heap. */
  taken: boolean;
}

interface Waiting {
  readonly entries: Map<Position, DeferredEntry>;
  readonly due: DueHeap<DeferredEntry>;
  bytes: number;
}

export interface DeferredLimits {
  readonly countMax: number;
  readonly bytesMax: number;
}

export class DeferredQueue {
  readonly #state: StateTables;
  readonly #limits: DeferredLimits;
  readonly #bySubscription = new Map<string, Waiting>();
  /** Deliveries that need the message at a position. */
  readonly #references = new Map<Position, number>();
  #count = 0;

  constructor(state: StateTables, limits?: Partial<DeferredLimits>) {
    this.#state = state;
    this.#limits = { countMax: DEFERRED_COUNT_MAX, bytesMax: DEFERRED_BYTES_MAX, ...limits };
  }

  get count(): number {
    return this.#count;
  }

  /** Names of subscriptions that have something waiting. */
  subscriptions(): readonly string[] {
    return [...this.#bySubscription.keys()];
  }

  countOf(subscription: string): number {
    return this.#bySubscription.get(subscription)?.entries.size ?? 0;
  }

  /** Reads the tables of a recovered state log. Called once, before anything else. */
  recover(): void {
    const superseded: string[] = [];
    for (const key of this.#state.keys(DELIVERY_TABLE)) {
      const [name = '', ...numbers] = key.split('/');
      const [position, attempts, nextAtMs, bytes] = numbers.map((text) => parseInt(text, 36));
      const entry = { position, attempts, nextAtMs, bytes, taken: false } as DeferredEntry;
      const known = this.#bySubscription.get(name)?.entries.get(entry.position);
      if (known === undefined) this.#insert(name, entry);
      else if (known.attempts >= entry.attempts) superseded.push(key);
      else {
        superseded.push(keyOf(name, known));
        known.attempts = entry.attempts;
        known.nextAtMs = entry.nextAtMs;
      }
    }
    for (const key of superseded) this.#state.rideDelete(DELIVERY_TABLE, key);
    for (const { due } of this.#bySubscription.values()) due.rebuild();
    const unnamed: string[] = [];
    for (const key of this.#state.keys(MESSAGE_TABLE)) {
      if (!this.#references.has(parseInt(key, 36))) unnamed.push(key);
    }
    for (const key of unnamed) this.#state.rideDelete(MESSAGE_TABLE, key);
  }

  has(subscription: string, position: Position): boolean {
    return this.#bySubscription.get(subscription)?.entries.has(position) ?? false;
  }

  /** Stores a delivery. False: the subscription's limits are reached, nothing was stored. */
  add(
    subscription: string,
    position: Position,
    event: Buffer,
    schedule: { readonly attempts: number; readonly nextAtMs: number },
  ): boolean {
    const waiting = this.#bySubscription.get(subscription);
    if (waiting !== undefined) {
      if (waiting.entries.size >= this.#limits.countMax) return false;
      if (waiting.bytes + event.length > this.#limits.bytesMax) return false;
    }
    const entry: DeferredEntry = { position, bytes: event.length, taken: false, ...schedule };
    const messageKey = position.toString(36);
    if (!this.#references.has(position)) this.#state.put(MESSAGE_TABLE, messageKey, event);
    this.#state.put(DELIVERY_TABLE, keyOf(subscription, entry), VALUE);
    this.#insert(subscription, entry);
    return true;
  }

  /** Takes the delivery that is due first, if one is due at `nowMs`. */
  take(subscription: string, nowMs: number): DeferredEntry | undefined {
    const due = this.#bySubscription.get(subscription)?.due;
    const first = due?.peek();
    if (due === undefined || first === undefined || first.nextAtMs > nowMs) return undefined;
    due.pop();
    first.taken = true;
    return first;
  }

  /** When the subscription's next delivery is due; undefined: nothing waits. */
  nextAtMs(subscription: string): number | undefined {
    return this.#bySubscription.get(subscription)?.due.peek()?.nextAtMs;
  }

  /** The message of a taken delivery; undefined if the state log lost it. Never synchronous. */
  read(entry: DeferredEntry, onEvent: (event: Buffer | undefined) => void): void {
    this.#state.get(MESSAGE_TABLE, entry.position.toString(36), onEvent);
  }

  /** Puts a taken delivery back under a new schedule. */
  putBack(subscription: string, entry: DeferredEntry, attempts: number, nextAtMs: number): void {
    this.#state.rideDelete(DELIVERY_TABLE, keyOf(subscription, entry));
    entry.attempts = attempts;
    entry.nextAtMs = nextAtMs;
    entry.taken = false;
    this.#state.ride(DELIVERY_TABLE, keyOf(subscription, entry), VALUE);
    this.#bySubscription.get(subscription)?.due.push(entry);
  }

  /** Puts a taken delivery back as it was: no attempt was made. */
  giveBack(subscription: string, entry: DeferredEntry): void {
    entry.taken = false;
    this.#bySubscription.get(subscription)?.due.push(entry);
  }

  /** Ends a taken delivery. */
  remove(subscription: string, entry: DeferredEntry): void {
    const waiting = this.#bySubscription.get(subscription);
    if (waiting === undefined || !waiting.entries.delete(entry.position)) return;
    waiting.bytes -= entry.bytes;
    this.#count--;
    if (waiting.entries.size === 0) this.#bySubscription.delete(subscription);
    this.#state.rideDelete(DELIVERY_TABLE, keyOf(subscription, entry));
    const references = (this.#references.get(entry.position) ?? 1) - 1;
    if (references > 0) this.#references.set(entry.position, references);
    else {
      this.#references.delete(entry.position);
      this.#state.rideDelete(MESSAGE_TABLE, entry.position.toString(36));
    }
  }

  #insert(subscription: string, entry: DeferredEntry): void {
    let waiting = this.#bySubscription.get(subscription);
    if (waiting === undefined) {
      waiting = { entries: new Map(), due: new DueHeap(), bytes: 0 };
      this.#bySubscription.set(subscription, waiting);
    }
    waiting.entries.set(entry.position, entry);
    waiting.due.push(entry);
    waiting.bytes += entry.bytes;
    this.#references.set(entry.position, (this.#references.get(entry.position) ?? 0) + 1);
    this.#count++;
  }
}

function keyOf(subscription: string, entry: DeferredEntry): string {
  const { position, attempts, nextAtMs, bytes } = entry;
  const numbers = [position, attempts, nextAtMs, bytes].map((number) => number.toString(36));
  return `${subscription}/${numbers.join('/')}`;
}
