/**
 * Faults — what goes wrong by chance in the memory cluster; a run sets what it wants to see.
 *
 * Probabilities are in [0, 1] per message or append. Faults with a moment of their own (outage,
 * partition, kill, stalled leader) are methods of `MemoryCluster` and of a bus's `control`.
 */
import type { Random } from '#base';

/** Span in milliseconds, drawn evenly. */
export type SpanMs = readonly [min: number, max: number];

export interface Faults {
  /** One way between a client and the server. Order on a link is kept. */
  linkMs: SpanMs;
  /** From the arrival of an append to its commit, one after the other per stream. */
  storeMs: SpanMs;
  /** Arrivals fall on multiples of this, so that some share a moment and `whenIdle` can batch. */
  gridMs: number;
  /** Core messages that vanish, per receiver; the first prefix that fits counts. */
  coreLoss: { subjectPrefix: string; probability: number }[];
  /** Stored, but the answer vanishes. */
  appendAnswerLost: number;
  /** Vanishes before it is stored. */
  appendLost: number;
  /** Answered as "another write is under way": nothing was compared or stored. */
  appendUndecided: number;
  /** Swallowed by a stalled server: no answer, lands after `stalledMs`. */
  appendStalled: number;
  /** Beyond a duplicate window, so that late copies become second messages. */
  stalledMs: SpanMs;
}

/** A calm cluster on one machine. */
export function calmFaults(): Faults {
  return {
    linkMs: [0.05, 0.5],
    storeMs: [0.1, 1],
    gridMs: 0.25,
    coreLoss: [],
    appendAnswerLost: 0,
    appendLost: 0,
    appendUndecided: 0,
    appendStalled: 0,
    stalledMs: [10, 60_000],
  };
}

export function drawSpan(random: Random, [min, max]: SpanMs): number {
  return min + (max - min) * random();
}

/** No draw for what never happens: settings of zero leave the other draws of a run alone. */
export function happens(random: Random, probability: number): boolean {
  return probability > 0 && random() < probability;
}
