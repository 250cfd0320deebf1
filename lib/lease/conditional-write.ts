/**
 * Conditional write — one compare-and-set append, repeated unchanged until decided (protocol 6).
 *
 * Shape: same bytes, same id, same expectation with every repeat; one attempt under way at a time.
 * Why:   silence, 503, 10158, 10163 and 10164 decide nothing. 10071 refuses only if the leader's
 *        last message there is another's: the repeat of a write that landed after the duplicate
 *        window is answered so, too. An answer from a leader that knows less than the expectation
 *        (a deposed one) decides nothing either.
 * Needs: bytes that no other write has (a writer and a number in them).
 */
import type { Clock, Timer } from '#base';
import type { AppendResult, Bus } from '#bus';

/** Wait for one attempt's answer, ms: less than the shortest lease, more than a busy disk. */
export const ATTEMPT_TIMEOUT_MS = 1_000;
/** Wait before a repeat, ms; doubles up to the maximum. Short: a lease runs meanwhile. */
const RETRY_MS_MIN = 25;
const RETRY_MS_MAX = 400;

export type ConditionalOutcome =
  | { readonly kind: 'stored'; readonly sequence: number }
  /** Another wrote: its message, when it is still there. */
  | { readonly kind: 'refused'; readonly last: Buffer; readonly lastSequence: number };

export interface ConditionalWriteOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly stream: string;
  readonly subject: string;
  /** Kept and compared: must not change. */
  readonly payload: Buffer;
  readonly messageId: string;
  /** Last sequence expected on the subject, or of a stream with this one subject. */
  readonly expectedSequence: number;
  readonly expectationOf: 'subject' | 'stream';
  readonly attemptTimeoutMs?: number;
  readonly onDecided: (outcome: ConditionalOutcome) => void;
}

export class ConditionalWrite {
  readonly firstSentMs: number;
  repeats = 0;
  /** Why the last attempt decided nothing; undefined while all is well. */
  trouble: string | undefined;

  readonly #o: ConditionalWriteOptions;
  #attempts = 0;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: ConditionalWriteOptions) {
    this.#o = options;
    this.firstSentMs = options.clock.nowMs();
    this.#send();
  }

  /** Stops repeating; `onDecided` is not called any more. The write may still land. */
  close(): void {
    this.#closed = true;
    if (this.#timer !== undefined) this.#o.clock.cancel(this.#timer);
    this.#timer = undefined;
  }

  #send(): void {
    const { bus, stream, subject, payload, messageId, expectedSequence } = this.#o;
    if (this.#attempts > 0) this.repeats++;
    this.#attempts++;
    const timeoutMs = this.#o.attemptTimeoutMs ?? ATTEMPT_TIMEOUT_MS;
    const request = { stream, subject, payload, messageId, timeoutMs };
    bus.append(
      this.#o.expectationOf === 'subject'
        ? { ...request, expectedLastSubjectSequence: expectedSequence }
        : { ...request, expectedLastSequence: expectedSequence },
      (result) => this.#onResult(result),
    );
  }

  #onResult(result: AppendResult): void {
    if (this.#closed) return;
    if (result.kind === 'stored') {
      this.#decide({ kind: 'stored', sequence: result.sequence });
    } else if (result.kind === 'refused') this.#askLast();
    else this.#repeatLater(result.kind === 'full' ? 'stream is full' : result.why);
  }

  #askLast(): void {
    const { bus, stream, subject, payload, expectedSequence } = this.#o;
    bus.lastOnSubject(stream, subject, (result) => {
      if (this.#closed) return;
      if (result.kind === 'undecided') return this.#repeatLater(result.why);
      if (result.kind === 'absent') return this.#repeatLater('refused, but nothing is there');
      const { message } = result;
      if (message.payload.equals(payload)) {
        this.#decide({ kind: 'stored', sequence: message.sequence });
      } else if (message.sequence <= expectedSequence) {
        this.#repeatLater('refused by a leader that is behind');
      } else {
        this.#decide({
          kind: 'refused',
          last: message.payload,
          lastSequence: message.sequence,
        });
      }
    });
  }

  #repeatLater(why: string): void {
    this.trouble = why;
    const wait = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(this.#attempts - 1, 6));
    this.#timer = this.#o.clock.after(wait, () => {
      this.#timer = undefined;
      if (!this.#closed) this.#send();
    });
  }

  #decide(outcome: ConditionalOutcome): void {
    this.#closed = true;
    this.#o.onDecided(outcome);
  }
}
