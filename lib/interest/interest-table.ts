/**
 * Interest table — which topic filters the other gateways have subscribers for.
 *
 * Shape: per tracked gateway its version and set of filters, kept by its deltas; a gap in the
 *        versions, or a gateway just tracked, is asked for whole (protocol 16).
 * Owner: one per dispatcher process (whom to frame to) and one per gateway (QoS 0 to peers).
 * Cost:  one set entry per distinct filter of each gateway, shared strings.
 * Lost:  an unanswered ask is repeated at `tick`; until then the old set stands, so matching may
 *        be late but never silently wrong: answers name versions.
 */
import type { Clock } from '#base';
import type { Bus, BusMessage } from '#bus';
import {
  decodeDelta,
  decodeWhole,
  encodeMessage,
  hear,
  INTEREST_SUBJECTS,
  type InterestAsk,
  interestAskSubject,
  type InterestDelta,
  type InterestWhole,
} from '#frames';

/** Ask again after this long without an answer. A round trip takes milliseconds. */
const ASK_AGAIN_MS = 500;
/** Deltas kept while a whole answer is awaited; more mean the answer was lost: ask again. */
const WAITING_DELTAS_MAX = 1_000;

export interface InterestListener {
  /** Filters of `incarnation` changed; it now stands at `version`. */
  onInterest(
    incarnation: string,
    add: Iterable<string>,
    remove: Iterable<string>,
    version: number,
  ): void;
}

interface Followed {
  /** -1: never heard whole. */
  version: number;
  filters: Set<string>;
  waiting: InterestDelta[];
  /** Parts of the answer to the last request that have come. */
  parts: InterestWhole[];
  ask: number;
  askedAtMs: number;
  /** A version somebody named; asked for until reached. */
  wanted: number;
}

export class InterestTable {
  /** Messages that could not be read. */
  damaged = 0;

  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #listener: InterestListener;
  readonly #gateways = new Map<string, Followed>();
  readonly #inbox: string;
  readonly #removers: (() => void)[];
  #asks = 0;

  constructor(bus: Bus, clock: Clock, listener: InterestListener) {
    this.#bus = bus;
    this.#clock = clock;
    this.#listener = listener;
    this.#inbox = bus.inbox();
    const onDamaged = (): void => void this.damaged++;
    this.#removers = [
      hear(bus, INTEREST_SUBJECTS, decodeDelta, (delta, m) => this.#onDelta(delta, m), onDamaged),
      hear(bus, this.#inbox, decodeWhole, (part) => this.#onWhole(part), onDamaged),
    ];
  }

  /** Begins to follow a gateway: its filters are asked for. Idempotent. */
  track(incarnation: string): void {
    if (this.#gateways.has(incarnation)) return;
    const followed: Followed = {
      version: -1,
      filters: new Set(),
      waiting: [],
      parts: [],
      ask: 0,
      askedAtMs: -Infinity,
      wanted: 0,
    };
    this.#gateways.set(incarnation, followed);
    this.#ask(incarnation, followed);
  }

  /** The gateway is gone: its filters are reported as removed. */
  forget(incarnation: string): void {
    const followed = this.#gateways.get(incarnation);
    if (followed === undefined) return;
    this.#gateways.delete(incarnation);
    this.#listener.onInterest(incarnation, [], followed.filters, followed.version);
  }

  /** Version known of a gateway; -1 = nothing known yet. */
  version(incarnation: string): number {
    return this.#gateways.get(incarnation)?.version ?? -1;
  }

  /** Somebody says the gateway stands at `version`: asks if that is not known here. */
  require(incarnation: string, version: number): void {
    const followed = this.#gateways.get(incarnation);
    if (followed === undefined || followed.version >= version) return;
    followed.wanted = Math.max(followed.wanted, version);
    this.#askIfDue(incarnation, followed);
  }

  /** Repeats what stayed unanswered; to be called a few times a second. */
  tick(): void {
    for (const [incarnation, followed] of this.#gateways) {
      if (followed.version < followed.wanted || followed.waiting.length > 0) {
        this.#askIfDue(incarnation, followed);
      }
    }
  }

  close(): void {
    for (const remove of this.#removers) remove();
  }

  #askIfDue(incarnation: string, followed: Followed): void {
    if (this.#clock.nowMs() - followed.askedAtMs >= ASK_AGAIN_MS) this.#ask(incarnation, followed);
  }

  #ask(incarnation: string, followed: Followed): void {
    followed.askedAtMs = this.#clock.nowMs();
    followed.parts = [];
    followed.ask = ++this.#asks;
    followed.wanted = Math.max(followed.wanted, followed.version, 0);
    const ask: InterestAsk = { have: followed.version, ask: followed.ask };
    this.#bus.publish(interestAskSubject(incarnation), encodeMessage(ask), this.#inbox);
  }

  #onDelta(delta: InterestDelta, { subject }: BusMessage): void {
    const incarnation = subject.slice('interest.'.length);
    const followed = this.#gateways.get(incarnation);
    if (followed === undefined) return;
    if (delta.to <= followed.version) return;
    if (delta.from === followed.version) this.#apply(incarnation, followed, delta);
    else {
      followed.wanted = Math.max(followed.wanted, delta.to);
      if (delta.from !== null) followed.waiting.push(delta);
      if (followed.waiting.length > WAITING_DELTAS_MAX) followed.waiting = [];
      this.#askIfDue(incarnation, followed);
    }
  }

  #apply(incarnation: string, followed: Followed, delta: InterestDelta): void {
    followed.version = delta.to;
    const { filters } = followed;
    // A filter dropped and taken again within one turn comes as an addition of what is there.
    const add = delta.add.filter((topicFilter) => !filters.has(topicFilter));
    const remove = delta.remove.filter((topicFilter) => filters.has(topicFilter));
    for (const topicFilter of add) filters.add(topicFilter);
    for (const topicFilter of remove) filters.delete(topicFilter);
    this.#listener.onInterest(incarnation, add, remove, delta.to);
  }

  #onWhole(part: InterestWhole): void {
    const followed = this.#gateways.get(part.inc);
    if (followed === undefined || part.version <= followed.version) return;
    // Two answers may cut the filters at different places.
    if (part.ask !== followed.ask) return;
    // It is under way: asking again now would begin anew.
    followed.askedAtMs = this.#clock.nowMs();
    if (!followed.parts.some((p) => p.part === part.part)) followed.parts.push(part);
    if (followed.parts.length < part.parts) return;
    const filters = new Set<string>();
    for (const { filters: some } of followed.parts) for (const f of some) filters.add(f);
    followed.parts = [];
    const before = followed.filters;
    followed.filters = filters;
    followed.version = part.version;
    this.#listener.onInterest(
      part.inc,
      [...filters].filter((f) => !before.has(f)),
      [...before].filter((f) => !filters.has(f)),
      part.version,
    );
    const waiting = followed.waiting;
    followed.waiting = [];
    for (const delta of waiting) {
      if (delta.from === followed.version) this.#apply(part.inc, followed, delta);
    }
  }
}
