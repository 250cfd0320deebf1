/**
 * Retry schedule — how long a delivery waits after each failed attempt.
 *
 * Event Grid's schedule for namespaces: 10 s, 30 s, 1 min, 5 min, then every 5 min. A fifth of the
 * wait is added at random, so that what failed together does not come back together.
 */
import type { Random } from '#base';

export const RETRY_WAITS_MS_DEFAULT: readonly number[] = [10_000, 30_000, 60_000, 300_000];

/** Largest share of a wait that is added at random. */
const JITTER = 0.2;

/** Wait after the `attempts`-th attempt failed (1 = the first one). */
export function retryWaitMs(waitsMs: readonly number[], attempts: number, random: Random): number {
  const wait = waitsMs[Math.min(attempts, waitsMs.length) - 1] ?? 0;
  return Math.round(wait * (1 + JITTER * random()));
}
