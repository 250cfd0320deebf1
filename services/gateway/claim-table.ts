/**
 * Claim table — the client identifiers of this gateway's connections, as their homes decide them.
 *
 * Shape: per connection a claim: asked → granted → released. The home owner of hash(client
 *        identifier) decides (protocol 16); what it has not answered is repeated at `tick`.
 * Owner: one per gateway. Cost: two map entries per connection.
 * Ends:  refused → the caller hears the reason; a granted one ends by `end` of the home (another
 *        connection took the identifier over) or by `release`, which is repeated until known. A
 *        stored session travels with both: granted to us, put away with the release (ADR 0012).
 */
import { hashText, partitionOf, type Reason } from '#base';
import type {
  ClaimDecision,
  ClaimedWill,
  GatewayMessage,
  GrantedSession,
  HeldIdentifier,
  LeavingSession,
  Rank,
} from '#frames';
import type { Will } from '#mqtt';
import { ASK_AGAIN_MS, UNANSWERED_MS } from './owner-link.ts';
import type { LocalClient } from './port.ts';

/** What the home has decided; a stored session, if there is one. */
export type ClaimOutcome = 'granted' | GrantedSession | Reason;

interface Claim {
  readonly client: LocalClient;
  readonly home: number;
  /** Of a stored session: goes with the release. */
  leaving: LeavingSession | undefined;
  /** Its will is published: goes with the release. */
  publishesWill: boolean;
  /** Undefined once the connection is over: only the release is left to be acknowledged. */
  onDecision: ((decision: ClaimOutcome) => void) | undefined;
  rank: Rank | undefined;
  /** How often it was asked for. */
  asks: number;
  releasing: boolean;
  sinceMs: number;
  askedAtMs: number;
}

export interface ClaimTableOptions {
  readonly incarnation: string;
  readonly partitions: number;
  /** Sends to the owner of a partition. */
  readonly send: (partition: number, message: GatewayMessage) => void;
  /** The home has written the end of a stored session's stay, if there was one. */
  readonly onReleased?: (connection: number, home: number, revision: number) => void;
}

export class ClaimTable {
  takenOver = 0;

  readonly #o: ClaimTableOptions;
  readonly #byConnection = new Map<number, Claim>();
  readonly #waiting = new Set<Claim>();

  constructor(options: ClaimTableOptions) {
    this.#o = options;
  }

  get size(): number {
    return this.#byConnection.size;
  }

  homeOf({ clientIdentifier }: LocalClient): number {
    return partitionOf(hashText(clientIdentifier), this.#o.partitions);
  }

  claim(client: LocalClient, nowMs: number, onDecision: (decision: ClaimOutcome) => void): void {
    const claim: Claim = {
      client,
      home: this.homeOf(client),
      leaving: undefined,
      publishesWill: false,
      onDecision,
      rank: undefined,
      asks: 0,
      releasing: false,
      sinceMs: nowMs,
      askedAtMs: nowMs,
    };
    this.#byConnection.set(client.connectionNumber, claim);
    this.#waiting.add(claim);
    this.#ask(claim);
  }

  /** The connection is over: its identifier is given back, and its session is put away. */
  release(
    client: LocalClient,
    nowMs: number,
    publishesWill: boolean,
    leaving?: LeavingSession,
  ): void {
    const claim = this.#byConnection.get(client.connectionNumber);
    if (claim === undefined || claim.releasing) return;
    claim.leaving = leaving;
    // Who was never let in has no will (MQTT 5 §3.1.2.5).
    claim.publishesWill = publishesWill && claim.rank !== undefined;
    this.#giveBack(claim, nowMs);
  }

  #giveBack(claim: Claim, nowMs: number): void {
    claim.releasing = true;
    claim.onDecision = undefined;
    claim.sinceMs = nowMs;
    claim.askedAtMs = nowMs;
    this.#waiting.add(claim);
    this.#ask(claim);
  }

  decided(decision: ClaimDecision, nowMs: number): void {
    const claim = this.#byConnection.get(decision.connection);
    if (claim === undefined) return;
    if ('released' in decision) {
      if (!claim.releasing) return;
      this.#forget(claim);
      this.#o.onReleased?.(decision.connection, claim.home, decision.revision);
      return;
    }
    if (claim.releasing || 'changed' in decision || 'stepped' in decision) return;
    const { onDecision } = claim;
    claim.onDecision = undefined;
    if (decision.granted) {
      claim.rank = decision.rank;
      this.#waiting.delete(claim);
      onDecision?.(decision.session ?? 'granted');
    } else if (claim.rank === undefined) {
      // Asked more than once, a later answer may grant what nobody wants any more: give it back.
      if (claim.asks === 1) this.#forget(claim);
      else this.#giveBack(claim, nowMs);
      onDecision?.(decision.reason);
    }
  }

  /** The home says that this connection is to end: another took it over, or an operator says so. */
  end(connection: number, home: number, reason: Reason, nowMs: number): void {
    const claim = this.#byConnection.get(connection);
    if (claim === undefined) {
      // Long gone: say so, or the owner repeats itself for ever.
      const { incarnation: inc } = this.#o;
      this.#o.send(home, { t: 'release', inc, connection, clientIdentifier: '' });
      return;
    }
    if (claim.releasing) return;
    if (reason === 'session_taken_over') this.takenOver++;
    const { onDecision } = claim;
    if (onDecision === undefined) return claim.client.close(reason);
    // Granted, as the home sees it: it has to be told, also its successor.
    this.#giveBack(claim, nowMs);
    onDecision(reason);
  }

  /** What the answer to a hello names: granted identifiers whose home is `partition`. */
  heldIn(partition: number): HeldIdentifier[] {
    const held: HeldIdentifier[] = [];
    for (const { home, rank, releasing, client } of this.#byConnection.values()) {
      if (home !== partition || rank === undefined || releasing) continue;
      held.push({
        clientIdentifier: client.clientIdentifier,
        authenticationName: client.authenticationName,
        connection: client.connectionNumber,
        rank,
      });
    }
    return held;
  }

  /** Connections whose home may have granted them something that never came. */
  undecided(): number[] {
    const connections: number[] = [];
    for (const { client, rank } of this.#waiting) {
      if (rank === undefined) connections.push(client.connectionNumber);
    }
    return connections;
  }

  /** Repeats what its home has not answered. */
  tick(nowMs: number): void {
    for (const claim of this.#waiting) {
      if (nowMs - claim.askedAtMs < ASK_AGAIN_MS) continue;
      claim.askedAtMs = nowMs;
      this.#ask(claim);
    }
  }

  unanswered(partition: number, nowMs: number): boolean {
    for (const { home, sinceMs } of this.#waiting) {
      if (home === partition && nowMs - sinceMs > UNANSWERED_MS) return true;
    }
    return false;
  }

  #ask(claim: Claim): void {
    const { home, client, leaving } = claim;
    const { clientIdentifier, connectionNumber: connection } = client;
    const terms = { inc: this.#o.incarnation, connection, clientIdentifier };
    if (claim.releasing) {
      const put = leaving === undefined ? {} : { leaving };
      const { publishesWill } = claim;
      this.#o.send(home, { t: 'release', ...terms, ...put, publishesWill });
      return;
    }
    claim.asks++;
    const { authenticationName, cleanStart, sessionExpirySeconds } = client;
    const will = claimedWill(client.will);
    const asked = { authenticationName, cleanStart, sessionExpirySeconds, ...will };
    this.#o.send(home, { t: 'claim', ...terms, ...asked });
  }

  #forget(claim: Claim): void {
    this.#byConnection.delete(claim.client.connectionNumber);
    this.#waiting.delete(claim);
  }
}

function claimedWill(will: Will | undefined): { readonly will?: ClaimedWill } {
  if (will === undefined) return {};
  const { topic, qos, retain } = will;
  return {
    will: {
      topic,
      qos,
      retain,
      payload: will.payload.toString('base64'),
      properties: will.publishProperties.toString('base64'),
      delaySeconds: will.willDelayIntervalSeconds,
      messageExpirySeconds: will.messageExpiryIntervalSeconds,
    },
  };
}
