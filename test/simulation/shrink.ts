/**
 * Shrinks a failing history: shorter, and with fewer kinds of faults, as long as it still fails
 * with the same seed. What is left is printed, so that it can be run again.
 */
import { History, type HistorySetting } from './history.ts';
import type { Tamper } from './sim-cluster.ts';

const SECONDS = [1, 2, 3, 5, 8, 12];
/** What is no fault and no size. */
const KEPT: ReadonlySet<string> = new Set(['name', 'seconds', 'devices', 'storedIsExact']);

export interface Shrunk {
  readonly setting: HistorySetting;
  readonly problems: readonly string[];
}

/** `runsMax` bounds the time; 0 shrinks nothing. */
export function shrink(
  setting: HistorySetting,
  seed: number,
  problems: readonly string[],
  runsMax: number,
  tamper?: Tamper,
): Shrunk {
  let best: Shrunk = { setting, problems };
  let runs = 0;
  const attempt = (candidate: HistorySetting): boolean => {
    if (runs++ >= runsMax) return false;
    const found = new History(candidate, seed, tamper).run();
    if (found.length === 0) return false;
    best = { setting: candidate, problems: [...found] };
    return true;
  };
  const shorten = (): void => {
    const { seconds = 20 } = best.setting;
    for (const shorter of SECONDS) {
      if (shorter >= seconds || attempt({ ...best.setting, seconds: shorter })) return;
    }
  };
  shorten();
  for (const key of Object.keys(setting)) {
    if (KEPT.has(key)) continue;
    const { [key as keyof HistorySetting]: _left, ...fewer } = best.setting;
    attempt({ ...fewer, name: setting.name });
  }
  shorten();
  return best;
}

/** One line that says how to see it again. */
export function describeFailure(seed: number, { setting, problems }: Shrunk): string {
  const first = problems.slice(0, 3).join('; ');
  return `seed ${seed} of ${JSON.stringify(setting)}: ${first}`;
}
