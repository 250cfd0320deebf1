/**
 * Lease holder — keeps one lease record alive and knows whether it may act (protocol, Leases).
 *
 * Shape: idle → taking → held ⇄ still → (releasing) → over. One write in flight, repeated
 *        unchanged until decided; the next renewal is planned from the last one's sending.
 * Safety: deadline = first sending of the last acknowledged write + TTL − margin. `holds()` is
 *        asked before acting after any pause. Past it the holder stands still but repeats its
 *        renewal; accepted in time it goes on; only a refusal ends it.
 */
import assert from 'node:assert/strict';
import type { Clock, Timer } from '#base';
import type { Bus } from '#bus';
import { ConditionalWrite, type ConditionalOutcome } from './conditional-write.ts';
import { encodeLease, type LeaseState } from './lease-record.ts';
import { LEASE_STREAM } from './names.ts';

/** Gateways: an outage of NATS shorter than this is not even noticed by the sessions. */
export const GATEWAY_TTL_MS = 10_000;
/** Readers and members: a killed owner's successor starts after about this. */
export const READER_TTL_MS = 3_000;
/** Holders stop this much before observers may act. */
export const LEASE_MARGIN_MS = 500;
export const RENEW_MS = 500;
export const RENEW_IDLE_MS = 1_000;
/** `renewSoon` waits so long after the last sending: reports of one turn share a write. */
const RENEW_SOON_MS = 20;

/** Why a lease is over: the take failed, another ended or took it, or given back by oneself. */
export type LeaseEnd = 'not_taken' | 'refused' | 'released';

export interface LeaseHolderOptions<T> {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly subject: string;
  /**
   * Names this holder's life; never used for two: a second one would write the same ids, and the
   * server would answer its take with the first one's.
   */
  readonly holder: string;
  readonly ttlMs: number;
  readonly marginMs?: number;
  readonly renewMs?: number;
  /** When true, renewals are sent every `idleRenewMs`. Default: never idle. */
  readonly idle?: () => boolean;
  readonly idleRenewMs?: number;
  /** Content of the next write. */
  readonly content: () => T;
  readonly onTaken?: (revision: number) => void;
  readonly onStandStill?: () => void;
  readonly onGoOn?: () => void;
  readonly onEnded?: (why: LeaseEnd) => void;
  /** Each acknowledged write: its revision, first sending and content. */
  readonly onRenewed?: (revision: number, sentMs: number, content: T) => void;
}

type HolderState = 'idle' | 'taking' | 'held' | 'still' | 'over';

export class LeaseHolder<T> {
  /** Plain counters. */
  renewals = 0;
  standStills = 0;

  readonly #o: LeaseHolderOptions<T>;
  #state: HolderState = 'idle';
  #number = 0;
  #revision = 0;
  #takenAt = 0;
  #deadlineMs = -Infinity;
  #lastSentMs = -Infinity;
  #write: ConditionalWrite | undefined;
  #renewTimer: Timer | undefined;
  #deadlineTimer: Timer | undefined;
  #releaseAsked = false;
  #releasing = false;
  #onReleased: (() => void)[] = [];

  constructor(options: LeaseHolderOptions<T>) {
    this.#o = options;
  }

  get state(): HolderState {
    return this.#state;
  }
  /** Sequence of the latest accepted write; 0 before the first. */
  get revision(): number {
    return this.#revision;
  }
  /** Sequence of the write that took the lease: the epoch of what it guards. */
  get takenAt(): number {
    return this.#takenAt;
  }
  /** When the last acknowledged write was first sent (monotonic ms). */
  get deadlineMs(): number {
    return this.#deadlineMs;
  }
  /** Why the write under way is not decided; undefined when none is, or all is well. */
  get trouble(): string | undefined {
    return this.#write?.trouble;
  }

  /** Takes the lease over the revision seen (0: no record may exist). Once. */
  take(expectedRevision: number): void {
    assert.equal(this.#state, 'idle', 'a lease is taken once');
    this.#state = 'taking';
    this.#revision = expectedRevision;
    this.#send('held');
  }

  /** Whether the holder may act now. Notices a deadline that passed during a pause. */
  holds(): boolean {
    if (this.#state !== 'held') return false;
    if (this.#o.clock.nowMs() < this.#deadlineMs) return true;
    this.#standStill();
    return false;
  }

  /** The content changed in a way that others wait for. */
  renewSoon(): void {
    if (this.#state !== 'held' && this.#state !== 'still') return;
    if (this.#write === undefined) this.#planRenewal(RENEW_SOON_MS);
    else this.#soonAfterWrite = true;
  }
  #soonAfterWrite = false;

  /**
   * Gives the lease back: a last write with the content of that moment, after the one in flight.
   * `onDone` is called when it is decided (either way); at once when there is nothing to give.
   */
  end(onDone?: () => void): void {
    if (this.#state === 'idle') this.#state = 'over';
    if (this.#state === 'over') {
      if (onDone !== undefined) this.#o.clock.after(0, onDone);
      return;
    }
    if (onDone !== undefined) this.#onReleased.push(onDone);
    if (this.#releaseAsked) return;
    this.#releaseAsked = true;
    if (this.#write === undefined) this.#send('released');
  }

  /** Stops without a further write (fenced elsewhere, or the process ends). */
  abandon(): void {
    this.#write?.close();
    this.#finish();
  }

  #send(state: LeaseState): void {
    this.#cancelRenewal();
    const { bus, clock, subject, holder } = this.#o;
    const content = this.#o.content();
    const number = ++this.#number;
    this.#lastSentMs = clock.nowMs();
    this.#soonAfterWrite = false;
    this.#releasing = state === 'released';
    const write = new ConditionalWrite({
      bus,
      clock,
      stream: LEASE_STREAM,
      subject,
      payload: encodeLease({ holder, number, state, content }),
      messageId: `${subject}:${holder}.${number}`,
      expectedSequence: this.#revision,
      expectationOf: 'subject',
      onDecided: (outcome) => this.#onDecided(outcome, write.firstSentMs, content),
    });
    this.#write = write;
  }

  #onDecided(outcome: ConditionalOutcome, sentMs: number, content: T): void {
    this.#write = undefined;
    if (outcome.kind === 'refused') {
      this.#over(this.#state === 'taking' ? 'not_taken' : 'refused');
      return;
    }
    this.#revision = outcome.sequence;
    if (this.#releasing) {
      this.#over('released');
      return;
    }
    this.renewals++;
    const margin = this.#o.marginMs ?? LEASE_MARGIN_MS;
    this.#deadlineMs = sentMs + this.#o.ttlMs - margin;
    if (this.#releaseAsked) {
      this.#send('released');
      return;
    }
    this.#planRenewal(this.#soonAfterWrite ? RENEW_SOON_MS : this.#renewMs());
    this.#afterRenewal(outcome.sequence, sentMs, content);
  }

  #afterRenewal(revision: number, sentMs: number, content: T): void {
    const inTime = this.#o.clock.nowMs() < this.#deadlineMs;
    if (inTime) this.#watchDeadline();
    this.#o.onRenewed?.(revision, sentMs, content);
    if (this.#state === 'taking') {
      this.#takenAt = revision;
      this.#state = 'held';
      this.#o.onTaken?.(revision);
      if (!inTime) this.holds();
    } else if (this.#state === 'still' && inTime) {
      this.#state = 'held';
      this.#o.onGoOn?.();
    }
  }

  #renewMs(): number {
    const idle = this.#o.idle?.() ?? false;
    return idle ? (this.#o.idleRenewMs ?? RENEW_IDLE_MS) : (this.#o.renewMs ?? RENEW_MS);
  }

  #planRenewal(spanMs: number): void {
    this.#cancelRenewal();
    const wait = Math.max(0, this.#lastSentMs + spanMs - this.#o.clock.nowMs());
    this.#renewTimer = this.#o.clock.after(wait, () => {
      this.#renewTimer = undefined;
      this.#send('held');
    });
  }

  #cancelRenewal(): void {
    if (this.#renewTimer !== undefined) this.#o.clock.cancel(this.#renewTimer);
    this.#renewTimer = undefined;
  }

  #watchDeadline(): void {
    if (this.#deadlineTimer !== undefined) this.#o.clock.cancel(this.#deadlineTimer);
    const wait = Math.max(0, this.#deadlineMs - this.#o.clock.nowMs());
    this.#deadlineTimer = this.#o.clock.after(wait, () => {
      this.#deadlineTimer = undefined;
      if (this.#state === 'held' && this.holds()) this.#watchDeadline();
    });
  }

  #standStill(): void {
    this.#state = 'still';
    this.standStills++;
    this.#o.onStandStill?.();
  }

  #over(why: LeaseEnd): void {
    this.#finish();
    const waiting = this.#onReleased;
    this.#onReleased = [];
    this.#o.onEnded?.(why);
    for (const onDone of waiting) onDone();
  }

  #finish(): void {
    this.#state = 'over';
    this.#cancelRenewal();
    if (this.#deadlineTimer !== undefined) this.#o.clock.cancel(this.#deadlineTimer);
    this.#deadlineTimer = undefined;
  }
}
