/**
 * Fault striker — carries faults out on the processes of one development cluster, and puts right
 * what ended by itself, as a supervisor would.
 *
 * Whom: process ids from the cluster's own endpoints, and only children of its supervisor: an id
 *       that has passed to somebody else is never signalled.
 * Start again: the cluster runs without restarts of its own, so that a fault decides how long a
 *       process is away, and so that whatever ends without a strike is seen.
 * End:  a stopped process is continued before its cluster is asked to end.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as pass } from 'node:timers/promises';
import type { DevCluster } from '../fixtures/dev-cluster.ts';
import { waitFor } from '../fixtures/wait-for.ts';
import type { Broken } from './broken.ts';
import type { FaultHistory } from './fault-history.ts';
import type { Fault } from './fault-plan.ts';

const WATCH_MS = 250;
/** From SIGTERM to the end: 4 s are promised. */
const END_LIMIT_MS = 15_000;
const READY_LIMIT_MS = 60_000;
/** A gateway may lose its lease so long after a fault of its own. */
const LEASE_EXCUSE_MS = 40_000;
const LINES_SHOWN = 6;
/** Of a gateway that ends: a line for each of its connections, behind the one that says why. */
const LINES_READ = 60;

export class FaultStriker {
  readonly broken: Broken[] = [];
  /** Gateways that ended because somebody took their lease. */
  leasesLost = 0;
  readonly #cluster: DevCluster;
  readonly #history: FaultHistory;
  readonly #names: readonly string[];
  readonly #struck = new Set<string>();
  /** Started again, process id not there yet. */
  readonly #starting = new Set<string>();
  /** Stopped by SIGSTOP: name → process id. */
  readonly #stopped = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(cluster: DevCluster, history: FaultHistory) {
    this.#cluster = cluster;
    this.#history = history;
    this.#names = Object.keys(cluster.pids());
    this.#timer = setInterval(() => this.#watch(), WATCH_MS);
  }

  /** Names under a fault now. */
  get struck(): ReadonlySet<string> {
    return this.#struck;
  }

  /** Resolves when all targets run again. */
  async strike(fault: Fault): Promise<void> {
    const strike = this.#history.begin(fault);
    for (const name of fault.targets) this.#struck.add(name);
    try {
      await Promise.all(fault.targets.map((name) => this.#strikeOne(name, fault)));
    } finally {
      for (const name of fault.targets) this.#struck.delete(name);
      strike.untilMs = performance.now();
    }
  }

  /** Resolves when everything answers that it is ready. */
  async settle(): Promise<void> {
    await waitFor(() => this.#struck.size === 0, { limitMs: END_LIMIT_MS, what: 'end of faults' });
    const deadlineMs = performance.now() + READY_LIMIT_MS;
    for (const name of this.#names) await this.#whenReady(name, deadlineMs);
  }

  /** Continues what is stopped; strikes and watches no more. */
  close(): void {
    clearInterval(this.#timer);
    for (const [name, pid] of this.#stopped) this.#signal(name, pid, 'SIGCONT');
    this.#stopped.clear();
  }

  async #strikeOne(name: string, { way, ms }: Fault): Promise<void> {
    const pid = this.#cluster.pids()[name];
    if (pid === undefined) return;
    if (way === 'stop') {
      if (!this.#signal(name, pid, 'SIGSTOP')) return;
      this.#stopped.set(name, pid);
      // The fault itself: it lasts so long.
      await pass(ms);
      this.#stopped.delete(name);
      this.#signal(name, pid, 'SIGCONT');
      return;
    }
    if (!this.#signal(name, pid, way === 'kill' ? 'SIGKILL' : 'SIGTERM')) return;
    const isGone = (): boolean => this.#cluster.pids()[name] !== pid;
    await waitFor(isGone, { limitMs: END_LIMIT_MS, what: `end of ${name} by ${way}` }).catch(
      (cause: unknown) => {
        this.#fault('stuck', name, String(cause));
        this.#signal(name, pid, 'SIGKILL');
        return waitFor(isGone, { what: `end of ${name} by kill` });
      },
    );
    await pass(ms);
    await this.#start(name);
  }

  async #start(name: string): Promise<void> {
    if (this.#starting.has(name)) return;
    this.#starting.add(name);
    // That it becomes ready is looked at in the end: an outage may keep it from that for long.
    this.#cluster.restart(name).catch(() => undefined);
    try {
      await waitFor(() => this.#cluster.pids()[name], { what: `start of ${name}` });
    } finally {
      this.#starting.delete(name);
    }
  }

  #watch(): void {
    const pids = this.#cluster.pids();
    for (const name of this.#names) {
      if (pids[name] !== undefined || this.#struck.has(name) || this.#starting.has(name)) continue;
      this.#endedByItself(name);
      void this.#start(name);
    }
  }

  #endedByItself(name: string): void {
    const lines = linesOf(this.#cluster.logs(), name).slice(-LINES_READ);
    const isLease = lines.some((line) => line.includes('gateway lease lost'));
    const nowMs = performance.now();
    const isExcused = this.#history.wasStruck(name, nowMs - LEASE_EXCUSE_MS, nowMs);
    this.#history.note(name, `ended by itself${isLease ? ', its lease lost' : ''}`);
    if (isLease) this.leasesLost += 1;
    if (isLease && isExcused) return;
    const shown = lines.slice(-LINES_SHOWN).join('\n      ');
    this.#fault('process', name, `ended by itself:\n      ${shown}`);
  }

  async #whenReady(name: string, deadlineMs: number): Promise<void> {
    for (;;) {
      try {
        await this.#cluster.whenReady(name);
        return;
      } catch (cause) {
        if (performance.now() < deadlineMs) continue;
        this.#fault('stuck', name, `not ready in the end: ${String(cause)}`);
        return;
      }
    }
  }

  /** False: it is no process of this cluster any more. */
  #signal(name: string, pid: number, signal: NodeJS.Signals): boolean {
    if (parentOf(pid) !== this.#cluster.supervisorPid) return false;
    try {
      process.kill(pid, signal);
      return true;
    } catch {
      this.#history.note(name, `had ended before ${signal}`);
      return false;
    }
  }

  #fault(what: Broken['what'], who: string, text: string): void {
    this.broken.push({ what, who, text, atMs: performance.now() });
  }
}

/** Linux tells it in /proc; undefined when there is no such process. */
function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in brackets, may contain anything.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

function linesOf(logs: string, name: string): string[] {
  return logs.split('\n').filter((line) => line.includes(name));
}
