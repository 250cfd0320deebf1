/**
 * Fault history — every strike with its times, and what else happened to processes and clients.
 */
import type { Fault, RecordedFault } from './fault-plan.ts';

export interface Strike {
  readonly fault: Fault;
  /** `performance.now`. */
  readonly fromMs: number;
  /** When the last of its targets ran and answered again; undefined while it lasts. */
  untilMs: number | undefined;
}

export class FaultHistory {
  readonly strikes: Strike[] = [];
  readonly notes: { readonly atMs: number; readonly who: string; readonly text: string }[] = [];
  readonly #startMs = performance.now();

  begin(fault: Fault): Strike {
    const strike: Strike = { fault, fromMs: performance.now(), untilMs: undefined };
    this.strikes.push(strike);
    return strike;
  }

  /** Of a process or of a client. */
  note(who: string, text: string): void {
    this.notes.push({ atMs: performance.now(), who, text });
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

  /** Whether nothing was. */
  wasCalm(fromMs: number, untilMs: number): boolean {
    return !this.strikes.some(
      (strike) => strike.fromMs <= untilMs && (strike.untilMs ?? Infinity) >= fromMs,
    );
  }

  /** `12.3 s`, from the start of the run. */
  time(ms: number): string {
    return `${((ms - this.#startMs) / 1_000).toFixed(1)} s`;
  }

  /** Lines of what happened near a time to processes, and to `client`. */
  around(client: string, atMs: number, beforeMs: number, afterMs: number): string[] {
    const near = ({ at }: { at: number }): boolean => at >= atMs - beforeMs && at <= atMs + afterMs;
    const strikes = this.strikes.map((strike) => ({ at: strike.fromMs, text: this.line(strike) }));
    const told = this.notes.filter(({ who }) => who === client || isProcess(who));
    const notes = told.map(({ atMs: at, who, text }) => ({
      at,
      text: `${this.time(at).padStart(8)} ${who} ${text}`,
    }));
    const lines = [...strikes, ...notes].filter(near).toSorted((a, b) => a.at - b.at);
    return lines.map(({ text }) => text);
  }

  line({ fault, fromMs, untilMs }: Strike): string {
    const { way, targets, ms } = fault;
    const until = untilMs === undefined ? '' : `, back at ${this.time(untilMs)}`;
    return `${this.time(fromMs).padStart(8)} ${way} ${targets.join(' ')} for ${ms} ms${until}`;
  }

  /** To be struck again by another run. */
  record(): RecordedFault[] {
    return this.strikes.map(({ fault, fromMs }) => ({
      ...fault,
      atMs: Math.round(fromMs - this.#startMs),
    }));
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

function isProcess(name: string): boolean {
  return /^(?:gateway|dispatcher|router|nats|control)(?:-\d+)?$/.test(name);
}
