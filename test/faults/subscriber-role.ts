/**
 * Subscriber role — subscribers of one kind: clean, slow, moving, stored, at QoS 2, or a group.
 */
import { compare, judge } from './judgement.ts';
import type { Judgement } from './judgement.ts';
import { Life } from './life.ts';
import { liveFilter } from './role.ts';
import type { Ground, Role, RoleName, Sums, Verdict } from './role.ts';
import { Subscriber } from './subscriber.ts';
import type { SubscriberOptions } from './subscriber.ts';
import { waitFor } from '../fixtures/wait-for.ts';

const START_LIMIT_MS = 20_000;

type Kind = Pick<SubscriberOptions, 'qos' | 'version' | 'isStored' | 'habit'> & {
  /** In the table, and in client identifiers. */
  readonly who: string;
};

const CLEAN = { isStored: false, habit: 'stays' } as const;
const STORED = { isStored: true, habit: 'leaves' } as const;
const MOVING = { isStored: true, habit: 'moves' } as const;

/** Who takes part in a role. Slow and moving ones are stored where that is on. */
function kindsOf(role: RoleName, isStored: boolean): readonly Kind[] {
  const kinds: Partial<Record<RoleName, readonly Kind[]>> = {
    clean: [
      { who: 'clean-v5', qos: 1, version: 5, ...CLEAN },
      { who: 'clean-v3', qos: 1, version: 4, ...CLEAN },
      { who: 'clean-q0', qos: 0, version: 5, ...CLEAN },
    ],
    slow: [{ who: 'slow', qos: 1, version: 5, isStored, habit: 'pauses' }],
    moving: [{ who: 'moving', qos: 1, version: 5, isStored, habit: 'moves' }],
    stored: [
      { who: 'stored-v5', qos: 1, version: 5, ...STORED },
      { who: 'stored-v3', qos: 1, version: 4, ...STORED },
    ],
    qos2: [
      { who: 'clean-q2', qos: 2, version: 5, ...CLEAN },
      ...(isStored ? [{ who: 'stored-q2', qos: 2, version: 5, ...STORED } as const] : []),
      ...(isStored ? [{ who: 'moving-q2', qos: 2, version: 4, ...MOVING } as const] : []),
    ],
    shared: [
      { who: 'shared-v5', qos: 1, version: 5, ...STORED },
      { who: 'shared-v3', qos: 1, version: 4, ...STORED },
      { who: 'shared-slow', qos: 1, version: 5, isStored: true, habit: 'pauses' },
    ],
  };
  return kinds[role] ?? [];
}

export class SubscriberRole implements Role {
  readonly name: RoleName;
  readonly #ground: Ground;
  readonly #subscribers: Subscriber[] = [];
  #groupLife: Life | undefined;

  constructor(name: RoleName, ground: Ground) {
    this.name = name;
    this.#ground = ground;
  }

  async start(): Promise<void> {
    const { run, ledger, entrance, random, history, isOn } = this.#ground;
    const filter = liveFilter(run);
    const isGroup = this.name === 'shared';
    if (isGroup)
      this.#groupLife = new Life({ kind: 'group', name: 'group', filter, qos: 1, ledger });
    const group = this.#groupLife === undefined ? {} : { groupLife: this.#groupLife };
    for (const { who, ...kind } of kindsOf(this.name, isOn('stored'))) {
      const subscription = isGroup ? `$share/${run}/${filter}` : filter;
      const own = { name: `${run}-${who}`, role: who, subscription, filter };
      this.#subscribers.push(
        new Subscriber({ ...own, ...kind, ...group, ledger, entrance, random, history }),
      );
    }
    const isUp = (): boolean => this.#subscribers.every(({ isPresent }) => isPresent);
    await waitFor(isUp, { limitMs: START_LIMIT_MS, what: `subscribers of role ${this.name}` });
  }

  settle(): void {
    for (const subscriber of this.#subscribers) subscriber.settle();
  }

  owed(): number {
    let owed = 0;
    for (const { isPresent } of this.#subscribers) if (!isPresent) owed += 1;
    // Only lives that last are owed anything more.
    const lives = this.#subscribers.map(({ life }) => life);
    for (const life of new Set(lives)) owed += compare(life, { calm: false }).missing.length;
    return owed;
  }

  judge(calm: boolean): Verdict {
    const verdicts = this.#subscribers.map((subscriber) => {
      const judgements = subscriber.lives.map((life) => judge(life, { calm }));
      const { role, name } = subscriber.options;
      const missing = subscriber.isPresent
        ? []
        : [{ what: 'stuck' as const, who: name, text: 'not back', atMs: performance.now() }];
      const broken = [...judgements.flatMap((judgement) => judgement.broken), ...missing];
      const { connections } = subscriber;
      return { sums: sumUp(role, subscriber.lives, judgements, connections), broken };
    });
    const sums = verdicts.map((verdict) => verdict.sums);
    const broken = verdicts.flatMap((verdict) => verdict.broken);
    if (this.#groupLife === undefined) return { sums, broken };
    const judgement = judge(this.#groupLife, { calm });
    const all = sumUp('group', [this.#groupLife], [judgement], 0);
    return { sums: [...sums, all], broken: [...broken, ...judgement.broken] };
  }

  async close(): Promise<void> {
    await Promise.all(this.#subscribers.map((subscriber) => subscriber.close()));
  }
}

export function sumUp(
  who: string,
  lives: readonly Life[],
  judgements: readonly Judgement[],
  connections: number,
): Sums {
  const sum = (of: (judgement: Judgement) => number): number =>
    judgements.reduce((total, judgement) => total + of(judgement), 0);
  return {
    who,
    lives: lives.filter(({ sinceMs }) => sinceMs !== Infinity).length,
    connections,
    entitled: sum(({ entitled }) => entitled),
    received: lives.reduce((total, { received }) => total + received, 0),
    lost: sum(({ missing }) => missing.length),
    duplicates: sum(({ duplicates }) => duplicates),
    excused: sum(({ excused }) => excused),
    outOfOrder: sum(({ outOfOrder }) => outOfOrder),
  };
}
