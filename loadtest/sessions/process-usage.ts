/** Process usage — CPU and memory of single processes, from /proc (Linux). */
import { readFileSync } from 'node:fs';
import { cpuSeconds } from '../bench/broker.ts';

export interface Usage {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

/** Name of a process → what it has used. One that ends meanwhile is left out. */
export type Usages = Readonly<Record<string, Usage>>;

export function readUsages(pids: Readonly<Record<string, number>>): Usages {
  const usages: Record<string, Usage> = {};
  for (const [name, pid] of Object.entries(pids)) {
    try {
      usages[name] = { cpuSeconds: cpuSeconds([pid]), residentBytes: residentBytes(pid) };
    } catch {
      // It has ended.
    }
  }
  return usages;
}

export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1_024;
}

/** CPU seconds used in between by each process that was there at both ends. */
export function usedCpu(before: Usages, after: Usages): Readonly<Record<string, number>> {
  const used: Record<string, number> = {};
  for (const [name, { cpuSeconds: until }] of Object.entries(after)) {
    const from = before[name]?.cpuSeconds;
    if (from !== undefined) used[name] = until - from;
  }
  return used;
}
