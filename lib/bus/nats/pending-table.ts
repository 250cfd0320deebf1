/**
 * Pending table — requests and appends that wait for their answer.
 *
 * Shape: a map from a number to a waiter; the number is the last token of the reply subject under
 *        one wildcard inbox, so an answer costs a map look-up and no subscription.
 * Time:  one timer for all while anything waits, every TICK_MS: a time-out comes up to TICK_MS
 *        late.
 * Ends:  every waiter is settled exactly once: by its answer, its time-out or the lost connection.
 *        Late answers find nothing and are dropped; numbers are never used twice.
 */
import type { Clock, Timer } from '#base';
import type { NatsMessage } from './nats-message.ts';

const TICK_MS = 50;

/** Something that waits for an answer. */
export interface Waiter {
  deadlineMs: number;
  /** `message` is valid during the call only; its header and payload may be kept. */
  answered(message: NatsMessage): void;
  /** No answer: time-out or lost connection. */
  unanswered(why: string): void;
}

export class PendingTable {
  readonly #clock: Clock;
  readonly #waiters = new Map<number, Waiter>();
  #refused: { waiter: Waiter; why: string }[] = [];
  #nextNumber = 1;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#waiters.size;
  }

  /** Registers; returns the number for the reply subject. */
  add(waiter: Waiter, timeoutMs: number): number {
    const number = this.#nextNumber++;
    waiter.deadlineMs = this.#clock.nowMs() + timeoutMs;
    this.#waiters.set(number, waiter);
    if (this.#timer === undefined) this.#plan();
    return number;
  }

  /** Settles a waiter that could not even be sent, when this turn is over. */
  refuse(waiter: Waiter, why: string): void {
    this.#refused.push({ waiter, why });
    if (this.#refused.length > 1) return;
    this.#clock.whenIdle(() => {
      const refused = this.#refused;
      this.#refused = [];
      for (const { waiter: late, why: reason } of refused) late.unanswered(reason);
    });
  }

  /** What could not be sent does not wait. */
  remove(number: number): void {
    this.#waiters.delete(number);
  }

  settle(number: number, message: NatsMessage): void {
    const waiter = this.#waiters.get(number);
    if (waiter === undefined) return;
    this.#waiters.delete(number);
    waiter.answered(message);
  }

  /** The connection is lost: nothing that waits will be answered. */
  failAll(why: string): void {
    const waiters = [...this.#waiters.values()];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.unanswered(why);
  }

  #plan(): void {
    this.#timer = this.#clock.after(TICK_MS, () => this.#tick());
  }

  #tick(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.nowMs();
    const late: Waiter[] = [];
    for (const [number, waiter] of this.#waiters) {
      if (waiter.deadlineMs > nowMs) continue;
      this.#waiters.delete(number);
      late.push(waiter);
    }
    if (this.#waiters.size > 0) this.#plan();
    for (const waiter of late) waiter.unanswered('no answer in time');
  }
}
