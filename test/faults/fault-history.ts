/**
 * Fault history — every strike with its times, and what else happened to processes.
 */
import type { Fault } from './fault-plan.ts';

export interface Strike {
  readonly fault: Fault;
  /** `performance.now`. */
  readonly fromMs: number;
  /** When the last of its targets ran and answered again; undefined while it lasts. */
  untilMs: number | undefined;
}

export class FaultHistory {
  readonly strikes: Strike[] = [];
  readonly notes: { readonly atMs: number; readonly text: string }[] = [];
  readonly #startMs = performance.now();

  begin(fault: Fault): Strike {
    const strike: Strike = { fault, fromMs: performance.now(), untilMs: undefined };
    this.strikes.push(strike);
    return strike;
  }

  note(text: string): void {
    this.notes.push({ atMs: performance.now(), text });
  }

  /** Whether `name` was under a fault at some time of this range. */
  wasStruck(name: string, fromMs: number, untilMs: number): boolean {
    return this.strikes.some(
      (strike) =>
        strike.fault.targets.includes(name) &&
        strike.fromMs <= untilMs &&
        (strike.untilMs ?? Infinity) >= fromMs,
    );
  }

  /** `12.3 s`, from the start of the run. */
  time(ms: number): string {
    return `${((ms - this.#startMs) / 1_000).toFixed(1)} s`;
  }

  /** Lines of what happened from `beforeMs` before until `afterMs` after. */
  around(atMs: number, beforeMs: number, afterMs: number): string[] {
    const near = ({ at }: { at: number }): boolean => at >= atMs - beforeMs && at <= atMs + afterMs;
    const strikes = this.strikes.map((strike) => ({ at: strike.fromMs, text: this.line(strike) }));
    const notes = this.notes.map(({ atMs: at, text }) => ({
      at,
      text: `${this.time(at).padStart(8)} ${text}`,
    }));
    const lines = [...strikes, ...notes].filter(near).toSorted((a, b) => a.at - b.at);
    return lines.map(({ text }) => text);
  }

  line({ fault, fromMs, untilMs }: Strike): string {
    const { way, targets, ms } = fault;
    const until = untilMs === undefined ? '' : `, back at ${this.time(untilMs)}`;
    return `${this.time(fromMs).padStart(8)} ${way} ${targets.join(' ')} for ${ms} ms${until}`;
  }

  /** Strikes by what was struck and how: `kill gateway` → 12. */
  counts(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { fault } of this.strikes) {
      const [first = ''] = fault.targets;
      const isAll = fault.targets.length > 1;
      const name = isAll ? 'all nats' : first.replace(/-\d+$/, '');
      const key = `${fault.way} ${name}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return counts;
  }
}
