/**
 * Stillness — which gateways no longer move, and what to do about it (protocol 9).
 *
 * Shape: per gateway what its report said last and since when that has not moved: done (while there
 *        is something to have), the last beacon heard, requests unanswered, hello unanswered.
 * Time:  counted by the observer clock only: an outage of NATS starts every count anew.
 * Verdict: another gateway moves → end the still ones. None moves → the fault may be ours: give the
 *        partition up, marked; still the same at the second owner in a row → end them.
 */
import type { ObserverClock } from '#lease';
import type { Position } from '#log';

/** A gateway that has not moved for so long is still. Four reports, twenty beacons. */
export const STILLNESS_MS = 4_000;

/** What a gateway's report says about this partition. */
export interface Progress {
  readonly done: Position;
  readonly heard: number;
  readonly unanswered: boolean;
  /** Where it has been sent until now. */
  readonly sentTo: Position;
  /** It gets frames of this owner; before that only its requests can stand still. */
  readonly framed: boolean;
}

interface Watched {
  done: Position;
  heard: number;
  /** What it should reach: where it had been sent when it last moved. */
  sentTo: Position;
  doneSinceMs: number;
  heardSinceMs: number;
  unansweredSinceMs: number;
  helloSinceMs: number;
}

export type Verdict =
  | { readonly kind: 'fine' }
  | { readonly kind: 'end'; readonly incarnations: readonly string[] }
  | { readonly kind: 'give_up'; readonly incarnations: readonly string[] };

export class Stillness {
  readonly #watched = new Map<string, Watched>();
  readonly #observer: ObserverClock;
  readonly #stuckBefore: ReadonlySet<string>;

  constructor(observer: ObserverClock, stuckBefore: readonly string[]) {
    this.#observer = observer;
    this.#stuckBefore = new Set(stuckBefore);
  }

  /** Watch from now on; `helloSent`: an answer to hello is awaited. */
  watch(incarnation: string, nowMs: number, helloSent: boolean): void {
    this.#watched.set(incarnation, {
      done: -1,
      heard: -1,
      sentTo: -1,
      doneSinceMs: nowMs,
      heardSinceMs: nowMs,
      unansweredSinceMs: Infinity,
      helloSinceMs: helloSent ? nowMs : Infinity,
    });
  }

  /** Its answer to hello has come; that the owner does not serve it yet is not its fault. */
  answered(incarnation: string): void {
    const watched = this.#watched.get(incarnation);
    if (watched !== undefined) watched.helloSinceMs = Infinity;
  }

  /** Our own writes are late: whoever waits may be waiting for us. All counting starts anew. */
  restart(nowMs: number): void {
    for (const watched of this.#watched.values()) {
      watched.doneSinceMs = nowMs;
      watched.heardSinceMs = nowMs;
      if (watched.unansweredSinceMs !== Infinity) watched.unansweredSinceMs = nowMs;
      if (watched.helloSinceMs !== Infinity) watched.helloSinceMs = nowMs;
    }
  }

  forget(incarnation: string): void {
    this.#watched.delete(incarnation);
  }

  /** A report came. */
  reported(incarnation: string, report: Progress, nowMs: number): void {
    const watched = this.#watched.get(incarnation);
    if (watched === undefined) return;
    const { framed } = report;
    const delivered = report.done !== watched.done || report.done >= watched.sentTo;
    if (!framed || delivered) watched.doneSinceMs = nowMs;
    if (!framed || report.heard !== watched.heard) watched.heardSinceMs = nowMs;
    if (!report.unanswered) watched.unansweredSinceMs = Infinity;
    else if (watched.unansweredSinceMs === Infinity) watched.unansweredSinceMs = nowMs;
    watched.done = report.done;
    watched.heard = report.heard;
    watched.sentTo = report.sentTo;
  }

  /** Looks at all; to be called a few times a second. */
  judge(): Verdict {
    const still: string[] = [];
    let moving = 0;
    for (const [incarnation, watched] of this.#watched) {
      if (this.#isStill(watched)) still.push(incarnation);
      else if (this.#movedLately(watched)) moving++;
    }
    if (still.length === 0) return { kind: 'fine' };
    if (moving > 0) return { kind: 'end', incarnations: still };
    const again = still.filter((incarnation) => this.#stuckBefore.has(incarnation));
    if (again.length > 0) return { kind: 'end', incarnations: again };
    return { kind: 'give_up', incarnations: still };
  }

  #isStill(w: Watched): boolean {
    const since = Math.min(w.doneSinceMs, w.heardSinceMs, w.unansweredSinceMs, w.helloSinceMs);
    return since !== Infinity && this.#observer.elapsedSince(since) >= STILLNESS_MS;
  }

  /** Proof that frames of this owner arrive somewhere: a beacon was heard not long ago. */
  #movedLately(w: Watched): boolean {
    return w.heard > 0 && this.#observer.elapsedSince(w.heardSinceMs) < STILLNESS_MS / 2;
  }
}
