/** Row — one question of the bench, and what it has at hand to answer it. */
import type { BenchCluster, WindowUsage } from './bench-cluster.ts';
import { each, mebibytes, milliseconds } from './samples.ts';

export interface RowContext {
  /** Where a row may keep files; its clusters keep their data there. */
  readonly directory: string;
  readonly generator: () => Promise<string>;
  readonly sizes: Sizes;
  /** Fresh cluster; the row stops it, the bench does if the row fails. */
  readonly startCluster: (env?: Readonly<Record<string, string>>) => Promise<BenchCluster>;
  /** A line of the row's result. */
  readonly say: (what: string, figure: string, goal?: string) => void;
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}

/** How much of each, as the options say. */
export interface Sizes {
  readonly sessions: number;
  readonly records: number;
  readonly storm: number;
  readonly takeOvers: number;
  readonly sleepers: number;
  readonly bursts: number;
  readonly filings: number;
  readonly retained: number;
  readonly stateMebibytes: number;
  readonly seconds: number;
}

export interface Row {
  readonly name: string;
  readonly says: string;
  run(context: RowContext): Promise<void>;
}

/** CPU of all processes for each of `count` operations, and where it went. */
export function cpuOf(window: WindowUsage, count: number): string {
  const microseconds = (seconds: number): string => {
    const value = (seconds * 1e6) / count;
    return value.toFixed(value < 10 ? 2 : 0);
  };
  const parts = Object.entries(window.cpuSeconds)
    .filter(([, seconds]) => seconds > window.cpuSecondsTotal * 0.01)
    .map(([name, seconds]) => `${name} ${microseconds(seconds)}`);
  return `CPU ${microseconds(window.cpuSecondsTotal)} µs each (${parts.join(', ')})`;
}

/** Longest pause of each loop. */
export function loopsOf({ readings }: WindowUsage): string {
  return Object.entries(readings)
    .filter(([name]) => name.startsWith('dispatcher') || name.startsWith('gateway'))
    .map(([name, { loopLongestMs }]) => `${name} ${milliseconds(loopLongestMs)}`)
    .join(', ');
}

/** Resident memory of each process, and what of it is live in Node's. */
export function memoryOf({ after, readings }: WindowUsage): string {
  return Object.entries(after)
    .map(([name, { residentBytes }]) => {
      const reading = readings[name];
      const live = reading === undefined ? 0 : reading.heapBytes + reading.externalBytes;
      const shown = reading === undefined ? '' : ` (live ${mebibytes(live)})`;
      return `${name} ${mebibytes(residentBytes)}${shown}`;
    })
    .join(', ');
}

/** What one more of `count` costs, by process: resident, and live in Node's. */
export function growthOf(before: WindowUsage, after: WindowUsage, count: number): string {
  const grown = Object.entries(after.after).map(([name, { residentBytes }]) => {
    const resident = residentBytes - (before.after[name]?.residentBytes ?? residentBytes);
    const [from, to] = [before.readings[name], after.readings[name]];
    if (from === undefined || to === undefined) return `${name} ${each(resident, count)}`;
    const live = to.heapBytes + to.externalBytes - from.heapBytes - from.externalBytes;
    return `${name} ${each(resident, count)} (live ${each(live, count)})`;
  });
  return grown.filter((text) => !/control|router/.test(text)).join(', ');
}
