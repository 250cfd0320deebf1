/**
 * Fault plan — what is struck next, when, how and for how long: a pure draw from a seed.
 *
 * Weights: gateways most, since they hold the clients. One nats-server of three, or the only one;
 *          an outage takes all of them. Nothing is struck while it is still struck; an outage and a
 *          fault of one nats-server do not overlap, so that a quorum remains where one is promised.
 */
import type { Random } from '#base';

export type Way =
  /** SIGKILL, started again after `ms`. */
  | 'kill'
  /** SIGTERM, started again after `ms` from its end. */
  | 'term'
  /** SIGSTOP, SIGCONT after `ms`. */
  | 'stop';

export interface Fault {
  readonly way: Way;
  /** Names of processes: one, or all nats-servers. */
  readonly targets: readonly string[];
  readonly ms: number;
}

/** A strike of an earlier run, to be struck again. */
export interface RecordedFault extends Fault {
  /** From the start of the run, milliseconds. */
  readonly atMs: number;
}

export interface FaultPlanOptions {
  readonly random: Random;
  readonly gateways: number;
  readonly dispatchers: number;
  readonly nats: number;
  /** Longest outage of all nats-servers, milliseconds. Default 15 s. */
  readonly outageMsMax?: number;
}

/** At the same time: more would leave nothing that could go on. */
export const UNDER_WAY_MAX = 2;
/** From one strike to the next: [shortest, longest]. */
const DISTANCE_MS = [400, 4_000] as const;
const STOP_MS = [500, 8_000] as const;
/** Until it is started again: a supervisor takes half a second, a machine longer. */
const DOWN_MS = [100, 5_000] as const;
const OUTAGE_MS_MIN = 1_000;
const OUTAGE_MS_MAX = 15_000;

interface Row {
  readonly weight: number;
  readonly group: 'gateway' | 'dispatcher' | 'router' | 'nats' | 'outage';
  readonly way: Way;
}

const ROWS: readonly Row[] = [
  { weight: 6, group: 'gateway', way: 'kill' },
  { weight: 3, group: 'gateway', way: 'term' },
  { weight: 5, group: 'gateway', way: 'stop' },
  { weight: 4, group: 'dispatcher', way: 'kill' },
  { weight: 2, group: 'dispatcher', way: 'term' },
  { weight: 4, group: 'dispatcher', way: 'stop' },
  { weight: 2, group: 'router', way: 'kill' },
  { weight: 1, group: 'router', way: 'term' },
  { weight: 1, group: 'router', way: 'stop' },
  { weight: 2, group: 'nats', way: 'kill' },
  { weight: 1, group: 'nats', way: 'term' },
  { weight: 1, group: 'nats', way: 'stop' },
  { weight: 0.5, group: 'outage', way: 'kill' },
  { weight: 0.5, group: 'outage', way: 'stop' },
];

export class FaultPlan {
  readonly #options: FaultPlanOptions;
  readonly #groups: Readonly<Record<Row['group'], readonly string[]>>;

  constructor(options: FaultPlanOptions) {
    this.#options = options;
    const { gateways, dispatchers, nats } = options;
    const natsNames = nats === 1 ? ['nats'] : numbered('nats', nats);
    this.#groups = {
      gateway: numbered('gateway', gateways),
      dispatcher: numbered('dispatcher', dispatchers),
      router: ['router'],
      nats: natsNames,
      outage: natsNames,
    };
  }

  /** Wait before the next strike. */
  distanceMs(): number {
    return this.#between(DISTANCE_MS);
  }

  /** `struck`: names under a fault now. Undefined: what was drawn is struck already. */
  draw(struck: ReadonlySet<string>): Fault | undefined {
    const { random, outageMsMax = OUTAGE_MS_MAX } = this.#options;
    const { group, way } = this.#drawRow();
    const names = this.#groups[group];
    const name = names[Math.floor(random() * names.length)] ?? '';
    const range = way === 'stop' ? STOP_MS : DOWN_MS;
    const ms = this.#between(group === 'outage' ? [OUTAGE_MS_MIN, outageMsMax] : range);
    const targets = group === 'outage' ? names : [name];
    const isNats = group === 'nats' || group === 'outage';
    const isTaken = isNats
      ? [...struck].some((other) => other.startsWith('nats'))
      : targets.some((target) => struck.has(target));
    return isTaken ? undefined : { way, targets, ms: Math.round(ms) };
  }

  #drawRow(): Row {
    let left = this.#options.random() * ROWS.reduce((sum, { weight }) => sum + weight, 0);
    for (const row of ROWS) {
      left -= row.weight;
      if (left < 0) return row;
    }
    return { weight: 0, group: 'gateway', way: 'kill' };
  }

  #between([least, most]: readonly [number, number]): number {
    return least + this.#options.random() * (most - least);
  }
}

function numbered(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${name}-${index + 1}`);
}
