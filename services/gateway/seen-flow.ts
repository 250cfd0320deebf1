/**
 * Seen flow — waits until every owner's view has a revision of a home's session records (S10 of
 * docs/adr/0012): before, what is published is not filed for a subscription that came with it.
 *
 * Shape: per home the waiting ones; an owner's answer counts for all revisions up to its own. Each
 *        turn asks once per home, for the highest. An answer of an earlier owner stays good: its
 *        successor reads on to every revision that this gateway knew at its hello.
 * Full:  one entry per SUBSCRIBE that waits.
 */
import type { Clock } from '#base';
import type { GatewayMessage } from '#frames';
import { ASK_AGAIN_MS, type OwnerLink } from './owner-link.ts';

interface Waiting {
  readonly revision: number;
  readonly onSeen: () => void;
}

/** One home's records, as the owners see them. */
class HomeView {
  /** Per partition. */
  readonly seen: number[];
  waiting: Waiting[] = [];
  /** Highest revision waited for, and that of the last question. */
  wanted = 0;
  asked = 0;
  askedAtMs = 0;

  constructor(partitions: number) {
    this.seen = Array.from({ length: partitions }, () => 0);
  }
}

export class SeenFlow {
  readonly #clock: Clock;
  readonly #incarnation: string;
  readonly #links: readonly OwnerLink[];
  readonly #send: (partition: number, message: GatewayMessage) => void;
  readonly #homes: readonly HomeView[];
  #isPlanned = false;

  constructor(
    clock: Clock,
    incarnation: string,
    links: readonly OwnerLink[],
    send: (partition: number, message: GatewayMessage) => void,
  ) {
    this.#clock = clock;
    this.#incarnation = incarnation;
    this.#links = links;
    this.#send = send;
    this.#homes = links.map(() => new HomeView(links.length));
  }

  get waiting(): number {
    return this.#homes.reduce((sum, { waiting }) => sum + waiting.length, 0);
  }

  wait(home: number, revision: number, onSeen: () => void): void {
    const view = this.#homes[home];
    if (view === undefined) return;
    view.waiting.push({ revision, onSeen });
    view.wanted = Math.max(view.wanted, revision);
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    this.#clock.whenIdle(() => {
      this.#isPlanned = false;
      const nowMs = this.#clock.nowMs();
      for (const [number, each] of this.#homes.entries()) {
        if (each.wanted > each.asked) this.#ask(number, each, nowMs);
        this.#check(each);
      }
    });
  }

  seen(partition: number, home: number, revision: number): void {
    const view = this.#homes[home];
    if (view === undefined || revision <= (view.seen[partition] ?? 0)) return;
    view.seen[partition] = revision;
    this.#check(view);
  }

  /** Repeats what was not answered. */
  tick(nowMs: number): void {
    for (const [home, view] of this.#homes.entries()) {
      if (view.waiting.length === 0 || nowMs - view.askedAtMs < ASK_AGAIN_MS) continue;
      this.#ask(home, view, nowMs);
    }
  }

  #ask(home: number, view: HomeView, nowMs: number): void {
    view.asked = view.wanted;
    view.askedAtMs = nowMs;
    for (const { partition, epoch } of this.#links) {
      if ((view.seen[partition] ?? 0) >= view.wanted) continue;
      const inc = this.#incarnation;
      this.#send(partition, { t: 'seen', inc, epoch, home, revision: view.wanted });
    }
  }

  #check(view: HomeView): void {
    if (view.waiting.length === 0) return;
    const everybody = Math.min(...view.seen);
    const ready = view.waiting.filter(({ revision }) => revision <= everybody);
    if (ready.length === 0) return;
    view.waiting = view.waiting.filter(({ revision }) => revision > everybody);
    for (const { onSeen } of ready) onSeen();
  }
}
