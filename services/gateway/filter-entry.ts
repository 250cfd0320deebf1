/**
 * Filter entry — one distinct topic filter of this gateway, and who has subscribed to it.
 *
 * Pending until every partition's owner has said from which position on it counts (protocol 20, 21)
 * and that has passed; until then its targets are looked at one by one.
 */
import type { Position } from '#log';
import type { PublishView } from '#mqtt';
import type { FormerQos } from '#session-store';
import type { Delivery, LocalClient, Subscription } from './port.ts';
import type { Target } from './route.ts';

const NO_IDENTIFIERS: readonly number[] = [];

/** The stay of a stored session: takes what matches at QoS ≥ 1. */
export interface StayReceiver {
  /** `view` is borrowed. */
  offer(
    partition: number,
    position: Position,
    view: PublishView,
    qos: 1 | 2,
    delivery: Delivery,
  ): void;
}

/** One subscription of one client here. */
export interface TableSubscription extends Subscription {
  /** Of a stored session. */
  readonly stay?: StayReceiver;
  /** Of a stored session: nothing at or below these positions is for it. */
  readonly starts?: readonly Position[];
  /** Of a stored session, lowered to QoS 0 while messages may have waited. */
  readonly formerly?: FormerQos;
  /**
   * Of a stored session, new on this connection: it counts from where its filter does, as its home
   * will be told. One that came with the session counts from X of its stay, whatever of its filter
   * is known here.
   */
  readonly waits?: true;
}

interface StoredTerms {
  readonly starts?: readonly Position[] | undefined;
  readonly waits?: true | undefined;
}

/** Position up to which a stored session's subscription does not count for QoS ≥ 1. */
export function startOf(s: StoredTerms, entry: FilterEntry, partition: number): Position {
  const own = s.starts?.[partition] ?? 0;
  return s.waits === true ? Math.max(own, entry.starts[partition] as number) : own;
}

export class FilterEntry {
  readonly number: number;
  readonly topicFilter: string;
  /** Filter version of this gateway in which it was told to the owners. */
  readonly version: number;
  readonly subscribers = new Map<LocalClient, TableSubscription>();
  /** Per partition the position above which it counts; Infinity = not known yet. */
  readonly starts: Float64Array;
  /** Some partition's start is unknown, or lies above what has been delivered. */
  pending = true;
  /** Partitions whose start is not known yet; -1 once the entry is gone. */
  startsUnknown: number;
  /** Per partition the highest start of a subscription that was ahead of us when it came. */
  ahead: Float64Array | undefined;
  #targets: readonly Target[] | undefined;

  constructor(number: number, topicFilter: string, version: number, partitions: number) {
    this.number = number;
    this.topicFilter = topicFilter;
    this.version = version;
    this.starts = new Float64Array(partitions).fill(Infinity);
    this.startsUnknown = partitions;
  }

  /** Its subscribers as targets; made once per change. */
  get targets(): readonly Target[] {
    this.#targets ??= [...this.subscribers].map(([client, s]) => targetOf(client, s, this));
    return this.#targets;
  }

  changed(): void {
    this.#targets = undefined;
  }

  /** A subscription counts only from positions on that have not been reached here. */
  waitFor(starts: readonly Position[]): void {
    this.ahead ??= new Float64Array(this.starts.length);
    for (let p = 0; p < starts.length; p++) {
      this.ahead[p] = Math.max(this.ahead[p] ?? 0, starts[p] ?? 0);
    }
  }

  /** Everything that somebody here must not see has passed in this partition. */
  isPassed(partition: number, done: Position): boolean {
    const start = this.starts[partition] as number;
    return start <= done && (this.ahead?.[partition] ?? 0) <= done;
  }
}

/** What one subscription asks of a live delivery. */
export function deliveryOf(s: Subscription): Delivery {
  const subscriptionIdentifiers =
    s.subscriptionIdentifier === 0 ? NO_IDENTIFIERS : [s.subscriptionIdentifier];
  return { retainAsPublished: s.retainAsPublished, subscriptionIdentifiers, retained: false };
}

export function targetOf(client: LocalClient, s: TableSubscription, entry: FilterEntry): Target {
  const target = {
    client,
    stay: s.stay,
    starts: s.starts,
    waits: s.waits,
    qos: s.qos,
    own: undefined as Target | undefined,
    delivery: deliveryOf(s),
    entry,
  };
  if (!s.noLocal) target.own = target;
  return target;
}
