/**
 * Endpoint — one webhook URL: consent, concurrency, and rest while it is in trouble.
 *
 * Shape: pure; HTTP is handed in. Deliveries of all partitions and subscriptions for the URL queue
 *        here (bounded by their windows) and are sent CONCURRENCY_MAX at a time.
 * Rest:  after FAILURES_MAX troubles in a row the endpoint is held: 1 s, doubling to 30 s. What
 *        queues is answered `held`, without counting an attempt; then one delivery tries, and the
 *        rest follows when it succeeds. No consent holds it, too (handshake.ts).
 * Answers are never given from inside `send`.
 */
import type { Clock, Random } from '#base';
import { isEndpointTrouble, outcomeOf } from './attempt-outcome.ts';
import type { HttpResult } from './attempt-outcome.ts';
import type { Delivery, Outcome } from './delivery.ts';
import { askAgainMs } from './handshake.ts';

/** Requests under way per endpoint; many webhooks run on one small process. */
export const CONCURRENCY_MAX = 16;
/** Troubles in a row before the endpoint rests. */
export const FAILURES_MAX = 5;
const REST_MS_MIN = 1_000;
const REST_MS_MAX = 30_000;
/** Failed attempts of one endpoint are told so often at most, ms. */
const TELL_MS = 10_000;
/** Wait of a delivery whose partition stands still. */
const STILL_WAIT_MS = 1_000;

/** The HTTP side. Callbacks come once and never synchronously. */
export interface WebhookClient {
  askConsent(url: string, onAnswer: (consent: boolean, why: string) => void): void;
  post(url: string, delivery: Delivery, onResult: (result: HttpResult) => void): void;
}

export interface EndpointOptions {
  readonly url: string;
  readonly client: WebhookClient;
  readonly clock: Clock;
  readonly random: Random;
  /** A change an operator wants to know: `consent given`, `consent refused`, `endpoint rests` … */
  readonly onChange: (what: string, fields: object) => void;
}

export class Endpoint {
  readonly #o: EndpointOptions;
  #queue: Delivery[] = [];
  #active = 0;
  #consent: 'unknown' | 'asking' | 'given' = 'unknown';
  #consentFailures = 0;
  #failures = 0;
  #rests = 0;
  #heldUntilMs = 0;
  #toldAtMs = -Infinity;

  constructor(options: EndpointOptions) {
    this.#o = options;
  }

  get isIdle(): boolean {
    return this.#active === 0 && this.#queue.length === 0;
  }

  /** How long nothing will be sent, ms; 0 = deliveries are taken. */
  get heldForMs(): number {
    return Math.max(0, this.#heldUntilMs - this.#o.clock.nowMs());
  }

  send(delivery: Delivery): void {
    this.#queue.push(delivery);
    if (this.heldForMs > 0) this.#o.clock.whenIdle(() => this.#pump());
    else this.#pump();
  }

  #pump(): void {
    const held = this.heldForMs;
    if (held > 0) {
      this.#answerQueue({ kind: 'held', waitMsMin: held });
      return;
    }
    if (this.#queue.length === 0) return;
    if (this.#consent !== 'given') {
      this.#ask();
      return;
    }
    const limit = this.#failures >= FAILURES_MAX ? 1 : CONCURRENCY_MAX;
    while (this.#active < limit) {
      const delivery = this.#queue.shift();
      if (delivery === undefined) return;
      this.#attempt(delivery);
    }
  }

  #attempt(delivery: Delivery): void {
    if (!delivery.maySend()) {
      const held: Outcome = { kind: 'held', waitMsMin: STILL_WAIT_MS };
      this.#o.clock.whenIdle(() => delivery.onOutcome(held));
      return;
    }
    this.#active++;
    this.#o.client.post(this.#o.url, delivery, (result) => {
      this.#active--;
      this.#judge(result);
      const outcome = outcomeOf(result);
      if (outcome.kind === 'failed' || outcome.kind === 'refused')
        this.#tell(delivery, outcome.why);
      delivery.onOutcome(outcome);
      this.#pump();
    });
  }

  #tell(delivery: Delivery, why: string): void {
    const nowMs = this.#o.clock.nowMs();
    if (nowMs - this.#toldAtMs < TELL_MS) return;
    this.#toldAtMs = nowMs;
    const eventSubscription = delivery.subscription.name;
    this.#o.onChange('event delivery failed', { eventSubscription, why });
  }

  #judge(result: HttpResult): void {
    if (!isEndpointTrouble(result)) {
      if (this.#failures >= FAILURES_MAX) this.#o.onChange('endpoint recovered', {});
      this.#failures = 0;
      this.#rests = 0;
      return;
    }
    this.#failures++;
    // Of many requests that fail together only one makes the rest longer.
    if (this.#failures < FAILURES_MAX || this.heldForMs > 0) return;
    const rest = Math.min(REST_MS_MAX, REST_MS_MIN * 2 ** Math.min(this.#rests++, 16));
    const asked = result.kind === 'answer' ? result.retryAfterMs : 0;
    this.#hold(Math.max(asked, rest * (1 + 0.2 * this.#o.random())));
    const why = result.kind === 'none' ? result.why : `status ${result.status}`;
    this.#o.onChange('endpoint rests', { why, restMs: Math.round(this.heldForMs) });
  }

  #ask(): void {
    if (this.#consent !== 'unknown') return;
    this.#consent = 'asking';
    this.#o.client.askConsent(this.#o.url, (consent, why) => {
      if (consent) {
        this.#consent = 'given';
        this.#consentFailures = 0;
        this.#o.onChange('endpoint consents', {});
      } else {
        this.#consent = 'unknown';
        this.#hold(askAgainMs(++this.#consentFailures, this.#o.random));
        this.#o.onChange('endpoint does not consent', { why });
      }
      this.#pump();
    });
  }

  #hold(ms: number): void {
    this.#heldUntilMs = this.#o.clock.nowMs() + ms;
  }

  #answerQueue(outcome: Outcome): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const delivery of queue) delivery.onOutcome(outcome);
  }
}
