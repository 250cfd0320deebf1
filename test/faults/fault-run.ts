/**
 * Fault run — clients with ledgers on a real cluster whose processes are struck by a seeded plan.
 *
 *     probe → roles and publishers start → faults → all run again → a calm tail → publishers drain
 *     → everybody comes back and reads everything → judgement
 *
 * Bound: each phase has a limit; what is not done by then is a finding (`stuck`), not a hang.
 */
import { setTimeout as pass } from 'node:timers/promises';
import type { DevCluster } from '../fixtures/dev-cluster.ts';
import { seededRandom } from '../fixtures/seeded-random.ts';
import { waitFor } from '../fixtures/wait-for.ts';
import type { Broken } from './broken.ts';
import { Entrance } from './entrance.ts';
import { FaultHistory } from './fault-history.ts';
import { FaultPlan, UNDER_WAY_MAX } from './fault-plan.ts';
import type { Fault, RecordedFault } from './fault-plan.ts';
import { FaultStriker } from './fault-striker.ts';
import { Ledger } from './ledger.ts';
import { probe } from './probe.ts';
import type { Publisher } from './publisher.ts';
import { startPublishers } from './publishers.ts';
import { RetainedRole } from './retained-role.ts';
import { ROLES } from './role.ts';
import type { Ground, Role, RoleName, Sums } from './role.ts';
import { SubscriberRole } from './subscriber-role.ts';
import { WebhookRole } from './webhook-role.ts';
import { WillsRole } from './wills-role.ts';

/** Publishing goes on for so long after the last fault. */
const TAIL_MS = 1_500;
/** Repeats that nobody asked for would come within this time. */
const LINGER_MS = 500;
const DRAIN_LIMIT_MS_DEFAULT = 90_000;
/** What is owed is found by comparing ledgers. */
const OWED_POLL_MS = 100;
const PROGRESS_MS_DEFAULT = 5_000;

export interface FaultRunOptions {
  readonly cluster: DevCluster;
  readonly seed: number;
  /** How long faults are struck. */
  readonly faultMs: number;
  /** These, instead of what the seed draws. */
  readonly replay?: readonly RecordedFault[];
  /** Nothing is struck. */
  readonly calm?: boolean;
  /** Default: all that the broker takes. */
  readonly roles?: readonly RoleName[];
  /** Messages per second of all publishers together. */
  readonly perSecond?: number;
  readonly outageMsMax?: number;
  /** For each of: acknowledgements of everything, everything at everybody. */
  readonly drainLimitMs?: number;
  readonly progressMs?: number;
  readonly onLine?: (line: string) => void;
  /** Before the first client connects: tests plant detours here. */
  readonly onEntrance?: (entrance: Entrance, run: string) => void;
}

export interface FaultReport {
  readonly run: string;
  readonly seed: number;
  readonly roles: readonly RoleName[];
  readonly off: ReadonlyMap<RoleName, string>;
  readonly ledger: Ledger;
  readonly history: FaultHistory;
  readonly sums: readonly Sums[];
  readonly broken: readonly Broken[];
  readonly publisherConnectionsLost: number;
  readonly leasesLost: number;
}

export async function runFaults(options: FaultRunOptions): Promise<FaultReport> {
  const run = new FaultRun(options);
  try {
    return await run.all();
  } finally {
    await run.close();
  }
}

class FaultRun {
  readonly #options: FaultRunOptions;
  readonly #run: string;
  readonly #ledger: Ledger;
  readonly #history = new FaultHistory();
  readonly #entrance: Entrance;
  readonly #striker: FaultStriker;
  readonly #broken: Broken[] = [];
  readonly #roles: Role[] = [];
  readonly #startMs = performance.now();
  #off = new Map<RoleName, string>();
  #publishers: readonly Publisher[] = [];
  #progress: NodeJS.Timeout | undefined;

  constructor(options: FaultRunOptions) {
    this.#options = options;
    const { cluster, seed, onEntrance } = options;
    this.#run = `f${seed.toString(36)}x${Math.floor(performance.now()).toString(36)}`;
    this.#ledger = new Ledger(this.#run);
    const ports = cluster.ports.gateways.map(({ plain }) => plain ?? 0);
    // What clients do is random too, but in no order that a seed could repeat.
    this.#entrance = new Entrance(ports, Math.random);
    onEntrance?.(this.#entrance, this.#run);
    this.#striker = new FaultStriker(cluster, this.#history);
  }

  async all(): Promise<FaultReport> {
    await this.#start();
    const { progressMs = PROGRESS_MS_DEFAULT } = this.#options;
    this.#progress = setInterval(() => this.#tell(this.#state()), progressMs);
    if (this.#options.calm === true) await pass(this.#options.faultMs);
    else if (this.#options.replay === undefined) await this.#strike();
    else await this.#replay(this.#options.replay);
    this.#tell(`faults are over: ${this.#history.strikes.length} were struck`);
    await this.#limited('all processes ready', this.#striker.settle());
    await pass(TAIL_MS);
    await this.#drain();
    return this.#report();
  }

  async close(): Promise<void> {
    clearInterval(this.#progress);
    this.#striker.close();
    for (const publisher of this.#publishers) publisher.close();
    await Promise.all(this.#roles.map((role) => role.close()));
  }

  async #start(): Promise<void> {
    const { cluster, roles, perSecond } = this.#options;
    const port = cluster.ports.gateways[0]?.plain ?? 0;
    this.#off = await probe(port, this.#run);
    const on = new Set(roles ?? ROLES.filter((role) => !this.#off.has(role)));
    for (const role of ROLES)
      if (!on.has(role) && !this.#off.has(role)) this.#off.set(role, 'asked');
    const ground: Ground = {
      ...{ run: this.#run, cluster, ledger: this.#ledger, entrance: this.#entrance },
      ...{ random: Math.random, history: this.#history, isOn: (role) => on.has(role) },
    };
    for (const name of ROLES) {
      if (!on.has(name)) continue;
      this.#roles.push(makeRole(name, ground));
    }
    await Promise.all(this.#roles.map((role) => role.start()));
    this.#publishers = startPublishers(ground, perSecond);
    this.#tell(`roles: ${[...on].join(', ')}`);
    for (const [role, why] of this.#off) this.#tell(`off: ${role} (${why})`);
  }

  /** Strikes until the time is over; resolves when all that was struck runs again. */
  async #strike(): Promise<void> {
    const { seed, faultMs, cluster, outageMsMax } = this.#options;
    const { gateways, dispatchers, nats } = cluster.ports;
    const plan = new FaultPlan({
      ...{ random: seededRandom(seed), gateways: gateways.length },
      ...{ dispatchers: dispatchers.length, nats: nats.length },
      ...(outageMsMax === undefined ? {} : { outageMsMax }),
    });
    const underWay = new Set<Promise<void>>();
    const endMs = performance.now() + faultMs;
    for (;;) {
      await pass(plan.distanceMs());
      if (performance.now() > endMs) break;
      if (underWay.size >= UNDER_WAY_MAX) await Promise.race(underWay);
      const fault = plan.draw(this.#striker.struck);
      if (fault === undefined) continue;
      const work: Promise<void> = this.#begin(fault).finally(() => underWay.delete(work));
      underWay.add(work);
    }
    await Promise.all(underWay);
  }

  /** The same strikes at the same times; what clients do meanwhile is another matter. */
  async #replay(faults: readonly RecordedFault[]): Promise<void> {
    const startMs = performance.now();
    const underWay: Promise<void>[] = [];
    for (const fault of faults) {
      await pass(Math.max(0, startMs + fault.atMs - performance.now()));
      underWay.push(this.#begin(fault));
    }
    await Promise.all(underWay);
  }

  #begin(fault: Fault): Promise<void> {
    const work = this.#striker.strike(fault);
    const { way, targets, ms } = fault;
    this.#tell(`${this.#history.strikes.length}. ${way} ${targets.join(' ')} for ${ms} ms`);
    return work;
  }

  async #drain(): Promise<void> {
    for (const publisher of this.#publishers) publisher.stop();
    const open = (): number => this.#publishers.reduce((sum, { openCount }) => sum + openCount, 0);
    await this.#limited(
      'acknowledgement of everything',
      this.#until(() => open() === 0),
    );
    for (const role of this.#roles) role.settle();
    await Promise.all(
      this.#roles.map((role) =>
        this.#limited(
          `end of role ${role.name}`,
          this.#until(() => role.owed() === 0),
        ),
      ),
    );
    await pass(LINGER_MS);
  }

  async #until(isDone: () => boolean): Promise<void> {
    const limitMs = this.#options.drainLimitMs ?? DRAIN_LIMIT_MS_DEFAULT;
    await waitFor(isDone, { limitMs, pollMs: OWED_POLL_MS, what: 'nothing open or owed' });
  }

  /** What is not done in time is a finding; the run goes on to its judgement. */
  async #limited(what: string, work: Promise<void>): Promise<void> {
    await work.catch((cause: unknown) => {
      const text = `${what}: ${cause instanceof Error ? cause.message : String(cause)}`;
      this.#tell(text);
      this.#broken.push({ what: 'stuck', who: 'run', text, atMs: performance.now() });
    });
  }

  #report(): FaultReport {
    const calm = this.#history.strikes.length === 0;
    const verdicts = this.#roles.map((role) => role.judge(calm));
    const publishers = this.#publishers;
    return {
      ...{ run: this.#run, seed: this.#options.seed, off: this.#off },
      ...{ ledger: this.#ledger, history: this.#history },
      roles: this.#roles.map(({ name }) => name),
      sums: verdicts.flatMap(({ sums }) => sums),
      broken: [
        ...this.#broken,
        ...this.#striker.broken,
        ...publishers.flatMap(({ broken }) => broken),
        ...verdicts.flatMap(({ broken }) => broken),
      ],
      publisherConnectionsLost: publishers.reduce((sum, one) => sum + one.connectionsLost, 0),
      leasesLost: this.#striker.leasesLost,
    };
  }

  #state(): string {
    const { messages } = this.#ledger;
    const [acknowledged, open] = [this.#ledger.count('acknowledged'), this.#ledger.count('open')];
    const owed = this.#roles.map((role) => `${role.name} ${role.owed()}`).join(', ');
    const counts = `${messages.length} published, ${acknowledged} acknowledged, ${open} open`;
    return `${this.#history.strikes.length} faults, ${counts}; owed: ${owed}`;
  }

  #tell(text: string): void {
    const seconds = ((performance.now() - this.#startMs) / 1_000).toFixed(1);
    this.#options.onLine?.(`${seconds.padStart(7)} s  ${text}`);
  }
}

function makeRole(name: RoleName, ground: Ground): Role {
  if (name === 'webhook') return new WebhookRole(ground);
  if (name === 'retained') return new RetainedRole(ground);
  if (name === 'wills') return new WillsRole(ground);
  return new SubscriberRole(name, ground);
}
