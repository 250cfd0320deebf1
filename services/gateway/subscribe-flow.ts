/**
 * Subscribe flow — which SUBSCRIBEs wait, for which filter version, and when they may be answered.
 *
 * Rule:  SUBACK waits until every partition's owner has named the position from which the version
 *        counts (protocol 21), and, for at most HEARD_WAIT_MS, until the other gateways follow it,
 *        so that a QoS 0 message published there after SUBACK is sent here (ADR 0006).
 * Full:  one entry per waiting SUBSCRIBE; sessions have at most one SUBSCRIBE of theirs unanswered
 *        per packet identifier.
 */
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
  #waiting: Waiting[] = [];

  constructor(links: readonly OwnerLink[], peers: PeerExchange) {
    this.#links = links;
    this.#peers = peers;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  wait(version: number, nowMs: number, onEffective: () => void): void {
    for (const link of this.#links) link.wantVersion(version, nowMs);
    this.#waiting.push({ version, heardDeadlineMs: nowMs + HEARD_WAIT_MS, onEffective });
  }

  /** Something moved: answers those that need not wait any longer. */
  check(nowMs: number): void {
    if (this.#waiting.length === 0) return;
    const answered = Math.min(...this.#links.map((link) => link.answeredVersion));
    const still: Waiting[] = [];
    const ready: Waiting[] = [];
    for (const waiting of this.#waiting) {
      const effective = waiting.version <= answered;
      const heard = nowMs >= waiting.heardDeadlineMs || this.#peers.allHeard(waiting.version);
      (effective && heard ? ready : still).push(waiting);
    }
    this.#waiting = still;
    for (const { onEffective } of ready) onEffective();
  }
}
