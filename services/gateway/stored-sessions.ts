/**
 * Stored sessions — what CONNECT, SUBSCRIBE, UNSUBSCRIBE and the end mean for one (docs/adr/0012,
 * S1, S6, S10).
 *
 * Shape: glue between the stay table, the subscription table and the session's home. For a clean
 *        session every call is a map look-up that finds nothing.
 */
import { type LeavingSession, OUT_RECEIVED, OUT_SENT } from '#frames';
import type { InterestPublisher } from '#interest';
import type { Position } from '#log';
import type { Departure, SessionGrant } from '#session';
import type { FormerQos, StoredSubscription } from '#session-store';
import { isSharedFilter } from '#topics';
import type { ClaimOutcome } from './claim-table.ts';
import type { HomeChanges } from './home-changes.ts';
import type { OwnerLink } from './owner-link.ts';
import type { OutSteps } from './out-steps.ts';
import type { LocalClient, Subscription } from './port.ts';
import type { Reason } from '#base';
import type { SeenFlow } from './seen-flow.ts';
import type { SubscribeFlow } from './subscribe-flow.ts';
import type { Stay } from './stay.ts';
import type { StayTable } from './stay-table.ts';
import { type FilterEntry, startOf, type TableSubscription } from './filter-entry.ts';
import type { SubscriptionTable } from './subscription-table.ts';

/** What a client gets that asked for nothing to be kept. */
const CLEAN_SESSION: SessionGrant = {
  sessionPresent: false,
  isStored: false,
  subscriptions: [],
  inFlight: [],
  received: [],
};

export interface StoredSessionsOptions {
  readonly links: readonly OwnerLink[];
  readonly table: SubscriptionTable;
  readonly interest: InterestPublisher;
  readonly stays: StayTable;
  readonly changes: HomeChanges;
  readonly seen: SeenFlow;
  readonly subscribes: SubscribeFlow;
  readonly outs: OutSteps;
}

export class StoredSessions {
  readonly #o: StoredSessionsOptions;

  constructor(options: StoredSessionsOptions) {
    this.#o = options;
  }

  /** What the home decided, for the client; its session's filters count from now on. */
  grantOf(client: LocalClient, home: number, outcome: ClaimOutcome): SessionGrant | Reason {
    if (outcome === 'granted') return CLEAN_SESSION;
    if (typeof outcome === 'string') return outcome;
    const stay = this.#o.stays.add(client, home, outcome);
    for (const stored of outcome.subscriptions) this.#restore(stay, stored);
    const outs = outcome.outs ?? [];
    this.#o.outs.begin(client, outs);
    const identifiers = (state: number): number[] =>
      outs.filter((out) => out[3] === state).map(([packetIdentifier]) => packetIdentifier);
    const known = new Set([...identifiers(OUT_SENT), ...identifiers(OUT_RECEIVED)]);
    const others = outcome.inFlight.map(([packetIdentifier]) => packetIdentifier);
    return {
      sessionPresent: outcome.present,
      isStored: true,
      subscriptions: outcome.subscriptions.map(grantedOf),
      inFlight: [...others.filter((one) => !known.has(one)), ...identifiers(OUT_SENT)],
      received: identifiers(OUT_RECEIVED),
    };
  }

  #restore(stay: Stay, stored: StoredSubscription): void {
    const { table, interest, links } = this.#o;
    const { starts, formerly } = stored;
    const subscription = {
      ...grantedOf(stored),
      stay,
      ...(starts === undefined ? {} : { starts }),
      ...(formerly === undefined ? {} : { formerly }),
    };
    // Another gateway may have been further than this one is.
    const isAhead = starts?.some((start, p) => start > (links[p]?.done ?? 0)) === true;
    const { topicFilter } = stored;
    const entry = table.add(stay.client, subscription, () => interest.add(topicFilter), isAhead);
    stay.filterVersion = Math.max(stay.filterVersion, entry.version);
  }

  /** Subscriptions as the table keeps them. */
  withTerms(
    client: LocalClient,
    subscriptions: readonly Subscription[],
  ): readonly TableSubscription[] {
    const stay = this.#o.stays.of(client);
    if (stay === undefined) return subscriptions;
    const done = this.#o.links.map((link) => link.done ?? 0);
    return subscriptions.map((s) => this.#withStarts(stay, s, done));
  }

  /** A repeated SUBSCRIBE changes the options, not since when it counts (protocol 15). */
  #withStarts(stay: Stay, s: Subscription, done: readonly Position[]): TableSubscription {
    const entry = this.#o.table.entry(s.topicFilter);
    const known = entry?.subscribers.get(stay.client);
    if (entry === undefined || known === undefined) {
      return { ...s, stay, starts: done, waits: true };
    }
    const { starts, waits } = known;
    const formerly = formerQos(known, s, done, entry);
    return {
      ...s,
      stay,
      ...(starts === undefined ? {} : { starts }),
      ...(formerly === undefined ? {} : { formerly }),
      ...(waits === undefined ? {} : { waits }),
    };
  }

  /**
   * They are in the table and the filters' version is `version`: when all owners have it, the home
   * is told. `onStored` when SUBACK may be sent: the record is durable, and every owner's view has
   * it (S10).
   *
   * The home is told from where each filter counts live, not from where this gateway was: between
   * the two lies what did not come, and would come late when the session leaves and is filed.
   */
  subscribed(
    client: LocalClient,
    subscriptions: readonly Subscription[],
    version: number,
    onStored: () => void,
  ): void {
    const { stays, changes, seen, subscribes } = this.#o;
    const stay = stays.of(client);
    if (stay === undefined) return onStored();
    stay.filterVersion = Math.max(stay.filterVersion, version);
    subscribes.waitForOwners(version, () => {
      if (stay.ended) return;
      const add = subscriptions.map(({ topicFilter }) => this.#started(client, topicFilter));
      const there = add.filter((one) => one !== undefined);
      if (there.length === 0) return onStored();
      changes.change(client, stay.home, there, [], (revision) =>
        seen.wait(stay.home, revision, onStored),
      );
    });
  }

  /** Its filter counts everywhere. Undefined: it is gone, or was made anew since. */
  #started(client: LocalClient, topicFilter: string): StoredSubscription | undefined {
    const { table, interest } = this.#o;
    const entry = table.entry(topicFilter);
    const s = entry?.subscribers.get(client);
    if (entry === undefined || s === undefined || entry.startsUnknown > 0) return undefined;
    const { waits, ...rest } = s;
    const formerly = counted(s.formerly, entry);
    if (waits === undefined && formerly === s.formerly) return storedOf(s);
    const started: TableSubscription = {
      ...rest,
      ...(waits === undefined
        ? {}
        : { starts: Array.from(entry.starts, (_, partition) => startOf(s, entry, partition)) }),
      ...(formerly === undefined ? {} : { formerly }),
    };
    table.add(client, started, () => interest.add(topicFilter), waits !== undefined);
    return storedOf(started);
  }

  /** They have left the table. `onStored`: UNSUBACK may be sent. */
  unsubscribed(client: LocalClient, topicFilters: readonly string[], onStored: () => void): void {
    const stay = this.#o.stays.of(client);
    if (stay === undefined || topicFilters.length === 0) return onStored();
    this.#o.changes.change(client, stay.home, [], topicFilters, () => onStored());
  }

  /** The connection is over. Undefined: nothing was stored. */
  leave(client: LocalClient, departure: Departure): LeavingSession | undefined {
    const leaving = this.#o.stays.leave(client, departure);
    if (leaving !== undefined) {
      this.#o.changes.drop(client);
      this.#o.outs.drop(client);
    }
    return leaving;
  }
}

/** Retained messages were sent when the client subscribed. */
function grantedOf(stored: StoredSubscription): Subscription {
  const { starts: _starts, formerly: _formerly, ...options } = stored;
  return { ...options, retainHandling: 2 };
}

function storedOf(s: TableSubscription): StoredSubscription {
  const { topicFilter, qos, noLocal, retainAsPublished, subscriptionIdentifier } = s;
  const { starts, formerly } = s;
  return {
    ...{ topicFilter, qos, noLocal, retainAsPublished, subscriptionIdentifier },
    ...(starts === undefined ? {} : { starts }),
    ...(formerly === undefined ? {} : { formerly }),
  };
}

/**
 * What a repeated SUBSCRIBE leaves of the QoS before: lowered to 0, what came up to now (`done`)
 * may wait in the queue and stays owed; so does what came before the filter counts here, for it did
 * not come live. Infinity: not known yet. The queue of a shared subscription is the group's.
 */
function formerQos(
  known: TableSubscription,
  { qos, topicFilter }: Subscription,
  done: readonly Position[],
  { starts }: FilterEntry,
): FormerQos | undefined {
  if (qos > 0 || isSharedFilter(topicFilter)) return undefined;
  if (known.qos === 0) return known.formerly;
  return { qos: known.qos, upTo: done.map((at, p) => Math.max(at, starts[p] as number)) };
}

/** Once it is known from where the filter counts. */
function counted(formerly: FormerQos | undefined, { starts }: FilterEntry): FormerQos | undefined {
  if (formerly === undefined || !formerly.upTo.includes(Infinity)) return formerly;
  const upTo = formerly.upTo.map((at, p) => (at === Infinity ? (starts[p] as number) : at));
  return { ...formerly, upTo };
}
