/**
 * Journeys — where each reading of the demo has been seen, and the line that tells of it.
 *
 * A reading is told once it came all the way: published, seen by the subscriber, seen by the
 * webhook. The first TOLD_FIRST are all told, then every TOLD_EVERY-th, so that the demo does not
 * bury the log. One that is not complete after LATE_AFTER_MS is told as late, and once more when it
 * arrives in the end.
 * Bound: JOURNEYS_MAX open ones; the oldest is forgotten.
 */

export const TOLD_FIRST = 10;
export const TOLD_EVERY = 10;
export const LATE_AFTER_MS = 3_000;
const JOURNEYS_MAX = 600;

interface Journey {
  readonly text: string;
  readonly publishedAtMs: number;
  subscriberMs: number | undefined;
  webhookMs: number | undefined;
  eventId: string;
  late: boolean;
}

export class Journeys {
  readonly #open = new Map<number, Journey>();
  readonly #tell: (line: string) => void;
  readonly #nowMs: () => number;
  #complete = 0;

  readonly #subscriber: string;

  /** `subscriber`: `dashboard on gateway-2`. */
  constructor(subscriber: string, tell: (line: string) => void, nowMs: () => number) {
    this.#subscriber = subscriber;
    this.#tell = tell;
    this.#nowMs = nowMs;
  }

  /** A reading was handed to gateway 1. */
  published(number: number, text: string): void {
    const publishedAtMs = this.#nowMs();
    this.#open.set(number, {
      text,
      publishedAtMs,
      subscriberMs: undefined,
      webhookMs: undefined,
      eventId: '',
      late: false,
    });
    if (this.#open.size > JOURNEYS_MAX) this.#open.delete(this.#open.keys().next().value ?? 0);
  }

  /** The subscriber on gateway 2 has it. Repeats and readings of an earlier run are ignored. */
  delivered(number: number): void {
    const journey = this.#open.get(number);
    if (journey === undefined) return;
    journey.subscriberMs ??= this.#nowMs() - journey.publishedAtMs;
    this.#endIfComplete(number, journey);
  }

  /** The webhook has it. */
  routed(number: number, eventId: string): void {
    const journey = this.#open.get(number);
    if (journey === undefined) return;
    journey.webhookMs ??= this.#nowMs() - journey.publishedAtMs;
    journey.eventId = eventId;
    this.#endIfComplete(number, journey);
  }

  /** Tells of those that are late; call it about once a second. */
  checkLate(): void {
    for (const journey of this.#open.values()) {
      const ageMs = this.#nowMs() - journey.publishedAtMs;
      if (journey.late || ageMs < LATE_AFTER_MS) continue;
      journey.late = true;
      const missing = [
        ...(journey.subscriberMs === undefined ? ['subscriber'] : []),
        ...(journey.webhookMs === undefined ? ['webhook'] : []),
      ];
      this.#tell(`${journey.text} has not reached the ${missing.join(' and the ')} yet`);
    }
  }

  #endIfComplete(number: number, journey: Journey): void {
    const { subscriberMs, webhookMs, text } = journey;
    if (subscriberMs === undefined || webhookMs === undefined) return;
    this.#open.delete(number);
    this.#complete += 1;
    const told = this.#complete <= TOLD_FIRST || this.#complete % TOLD_EVERY === 0;
    if (!told && !journey.late) return;
    this.#tell(
      `${text} → gateway-1 → ${this.#subscriber} ${milliseconds(subscriberMs)}` +
        ` → CloudEvent ${journey.eventId} at the webhook ${milliseconds(webhookMs)}`,
    );
    if (this.#complete === TOLD_FIRST) this.#tell('… and so on; now every tenth is shown');
  }
}

function milliseconds(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}
