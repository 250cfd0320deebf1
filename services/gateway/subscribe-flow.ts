/**
 * Subscribe flow — which SUBSCRIBEs wait, for which filter version, and when they may be answered.
 *
 * Rule:  SUBACK waits until every partition's owner has named the position from which the version
 *        counts (protocol 21), and, for at most HEARD_WAIT_MS, until the other gateways follow it,
 *        so that a QoS 0 message published there after SUBACK is sent here (ADR 0006).
 *        A stored session's home is told when only the former has come (docs/adr/0012, S10).
 * Full:  one entry per waiting SUBSCRIBE; sessions have at most one SUBSCRIBE of theirs unanswered
 *        per packet identifier.
 */
import type { Clock } from '#base';
import type { OwnerLink } from './owner-link.ts';
import type { PeerExchange } from './peer-exchange.ts';

/** A gateway that just died must not hold up subscribers for a whole lease. */
const HEARD_WAIT_MS = 250;

interface Waiting {
  readonly version: number;
  readonly heardDeadlineMs: number;
  readonly onEffective: () => void;
}

export class SubscribeFlow {
  readonly #links: readonly OwnerLink[];
  readonly #peers: PeerExchange;
  readonly #clock: Clock;
  #waiting: Waiting[] = [];
  #checkPlanned = false;

  constructor(links: readonly OwnerLink[], peers: PeerExchange, clock: Clock) {
    this.#links = links;
    this.#peers = peers;
    this.#clock = clock;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  wait(version: number, onEffective: () => void, heardWaitMs = HEARD_WAIT_MS): void {
    const nowMs = this.#clock.nowMs();
    for (const link of this.#links) link.wantVersion(version, nowMs);
    this.#waiting.push({ version, heardDeadlineMs: nowMs + heardWaitMs, onEffective });
    this.checkSoon();
  }

  /** Only until the owners have answered. */
  waitForOwners(version: number, onAnswered: () => void): void {
    this.wait(version, onAnswered, 0);
  }

  /** Looks once at the end of this turn, however often it is asked. */
  checkSoon(): void {
    if (this.#checkPlanned || this.#waiting.length === 0) return;
    this.#checkPlanned = true;
    this.#clock.whenIdle(() => {
      this.#checkPlanned = false;
      this.check();
    });
  }

  /** Answers those that need not wait any longer. */
  check(): void {
    if (this.#waiting.length === 0) return;
    const nowMs = this.#clock.nowMs();
    const answered = Math.min(...this.#links.map((link) => link.answeredVersion));
    const heardVersion = this.#peers.heardByAll();
    const still: Waiting[] = [];
    const ready: Waiting[] = [];
    for (const waiting of this.#waiting) {
      const effective = waiting.version <= answered;
      const heard = nowMs >= waiting.heardDeadlineMs || waiting.version <= heardVersion;
      (effective && heard ? ready : still).push(waiting);
    }
    this.#waiting = still;
    for (const { onEffective } of ready) onEffective();
  }
}
