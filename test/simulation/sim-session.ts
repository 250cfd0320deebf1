/**
 * Ledger of one stored session over all its connections: what its client knows, and what the
 * cluster owes it.
 *
 * Shape: lives, one after another. A life begins with a grant without session present and ends
 *        with a clean start, with expiry, or with a connection that asked for no expiry.
 * Unsure: a CONNECT whose answer never came may have begun another life: the next one is a clean
 *        start, so that the ledger is right again.
 */
import type { GrantedSubscription, SessionGrant } from '#session';
import { topicMatchesFilter } from '#topics';

/** A filter of a life, from SUBSCRIBE to UNSUBSCRIBE. Numbers are those of publishes. */
export interface Subscribed {
  readonly topicFilter: string;
  /** Asked for last. */
  qos: 0 | 1 | 2;
  /** Before it was lowered to 0. */
  formerQos: 0 | 1 | 2;
  /**
   * What its gateway had passed when it was lowered: owed at that QoS. What had been published, but
   * was on its way there, came with QoS 0. Undefined: not lowered.
   */
  owed: ReadonlySet<string> | undefined;
  /** Lowered, and no SUBACK came: either QoS may count. */
  isLowering: boolean;
  readonly subscriptionIdentifier: number;
  /** Messages published from here on are owed; Infinity: no SUBACK came. */
  from: number;
  /** Up to here. Infinity: not unsubscribed. */
  until: number;
  /** Receipts of its life when UNSUBSCRIBE was sent; Infinity: it was not. */
  untilReceipt: number;
  /** UNSUBACK came, or the session is known to be without it. */
  gone: boolean;
  /** Ids that its gateway had delivered to others before SUBSCRIBE (I7). */
  readonly notBelow: readonly string[];
  readonly notBelowCount: number;
}

/** Whether a message was published while the subscription asked for it at QoS ≥ 1. */
export function isAskedFor({ formerQos, from, owed }: Subscribed, id: string): boolean {
  return formerQos > 0 && from <= Number(id.slice(1)) && owed?.has(id) !== false;
}

/** One PUBLISH that reached the client. */
export interface Receipt {
  readonly id: string;
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly retained: boolean;
  readonly connection: number;
  /** 0 = QoS 0. */
  readonly packetIdentifier: number;
  readonly duplicate: boolean;
  /** Its acknowledgement reached the gateway. */
  settled: boolean;
}

/** A message under an identifier. */
export interface Sent {
  readonly id: string;
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
}

export class Life {
  readonly subscribed: Subscribed[] = [];
  readonly received: Receipt[] = [];
  /** Sent and not acknowledged, as the last connection left it: by identifier. */
  inFlight = new Map<number, Sent>();
  /** QoS 2 deliveries that were begun and not finished, by identifier. */
  readonly openQos2 = new Map<number, Sent>();
  /** Everything that was ever sent under an identifier. */
  readonly sentUnder = new Map<number, Set<string>>();
  /** Shortest span that its end may have been told with. */
  expirySeconds: number;
  /** Longest. */
  expirySecondsMax: number;
  /** Not connected since, as the client knows it; the cluster may know it later. */
  offlineSinceMs: number | undefined;
  /** When the gateway was told; undefined: it never was. */
  gatewayToldMs: number | undefined;
  over = false;

  constructor(expirySeconds: number) {
    this.expirySeconds = expirySeconds;
    this.expirySecondsMax = expirySeconds;
  }

  nameSent(identifier: number, id: string): void {
    const known = this.sentUnder.get(identifier);
    if (known === undefined) this.sentUnder.set(identifier, new Set([id]));
    else known.add(id);
  }

  /** Subscriptions that may be there. */
  get present(): Subscribed[] {
    return this.subscribed.filter(({ gone }) => !gone);
  }

  /**
   * Whether a subscription that is certainly there matches, and has since the message was
   * published: one that was made anew does not ask for what was sent for its predecessor.
   */
  wants({ id, topic }: Sent): boolean {
    return this.present.some(
      (s) => isAskedFor(s, id) && s.until === Infinity && topicMatchesFilter(topic, s.topicFilter),
    );
  }

  /** SUBSCRIBE: a new entry, unless there is one. */
  subscribe(
    topicFilter: string,
    qos: 0 | 1 | 2,
    subscriptionIdentifier: number,
    passed: readonly string[],
  ): Subscribed {
    const before = this.subscription(topicFilter);
    if (before !== undefined && before.until === Infinity) {
      if (qos === 0 && before.qos > 0) {
        before.formerQos = before.qos;
        before.qos = 0;
        before.owed ??= new Set(passed);
        before.isLowering = true;
      }
      return before;
    }
    if (before !== undefined) before.gone = true;
    const entry = {
      topicFilter,
      qos,
      formerQos: qos,
      owed: undefined,
      isLowering: false,
      subscriptionIdentifier,
      from: Infinity,
      until: Infinity,
      untilReceipt: Infinity,
      gone: false,
      notBelow: passed,
      notBelowCount: passed.length,
    };
    this.subscribed.push(entry);
    return entry;
  }

  subscription(topicFilter: string): Subscribed | undefined {
    return this.subscribed.find((s) => s.topicFilter === topicFilter && !s.gone);
  }
}

/** A CONNECT, as the ledger sees it. */
export interface Attempt {
  readonly cleanStart: boolean;
  readonly sessionExpirySeconds: number;
  readonly askedAtMs: number;
}

/** The home learns of an end a little later than the gateway, and looks a few times a second. */
const EXPIRY_SLACK_MS = 2_000;

export class SimSession {
  readonly clientIdentifier: string;
  readonly authenticationName: string;
  readonly lives: Life[] = [];
  readonly problems: string[] = [];
  life: Life | undefined;
  /** Identifiers of QoS 2 messages that the client has and for which no PUBREL has come. */
  readonly openQos2 = new Set<number>();
  /** The next CONNECT has to be a clean start. */
  unsure = false;
  /** Nothing goes wrong in this history but what the clients do. */
  readonly exact: boolean;

  constructor(clientIdentifier: string, exact: boolean) {
    this.clientIdentifier = clientIdentifier;
    this.authenticationName = `name of ${clientIdentifier}`;
    this.exact = exact;
  }

  fail(problem: string): void {
    this.problems.push(`${this.clientIdentifier}: ${problem}`);
  }

  /** CONNACK. Returns the life that the connection serves. */
  granted(attempt: Attempt, grant: SessionGrant, nowMs: number): Life {
    const { sessionPresent, isStored } = grant;
    if (attempt.sessionExpirySeconds > 0 && !isStored) this.fail('a session is not stored');
    if (!sessionPresent) this.#checkAbsent(attempt, nowMs);
    else this.#checkPresent(attempt);
    const { life } = this;
    this.unsure = false;
    if (sessionPresent && life !== undefined && !attempt.cleanStart) {
      life.expirySeconds = attempt.sessionExpirySeconds;
      life.expirySecondsMax = attempt.sessionExpirySeconds;
      life.offlineSinceMs = undefined;
      life.gatewayToldMs = undefined;
      this.#compareSubscriptions(life, grant.subscriptions);
      this.#compareInFlight(life, grant.inFlight);
      return life;
    }
    this.#endLife();
    if (grant.subscriptions.length > 0) this.fail('a new session has subscriptions');
    if (grant.inFlight.length > 0) this.fail('a new session has deliveries in flight');
    this.openQos2.clear();
    const next = new Life(attempt.sessionExpirySeconds);
    this.life = next;
    this.lives.push(next);
    return next;
  }

  /** The CONNECT was refused, or its connection ended without an answer. */
  unanswered({ cleanStart, sessionExpirySeconds, askedAtMs }: Attempt): void {
    const { life } = this;
    if (life === undefined || cleanStart || sessionExpirySeconds === 0) this.unsure = true;
    if (life === undefined) return;
    life.expirySeconds = Math.min(life.expirySeconds, sessionExpirySeconds);
    life.expirySecondsMax = Math.max(life.expirySecondsMax, sessionExpirySeconds);
    life.offlineSinceMs = Math.min(life.offlineSinceMs ?? Infinity, askedAtMs);
    life.gatewayToldMs = undefined;
    if (this.#mayBeOver(life, Infinity)) this.unsure = true;
  }

  /** The connection is over, as the client sees it. */
  left(life: Life, sessionExpirySeconds: number, nowMs: number): void {
    life.expirySeconds = Math.min(life.expirySeconds, sessionExpirySeconds);
    life.expirySecondsMax = Math.max(life.expirySecondsMax, sessionExpirySeconds);
    life.offlineSinceMs ??= nowMs;
  }

  #endLife(): void {
    if (this.life !== undefined) this.life.over = true;
    this.life = undefined;
  }

  #mayBeOver({ expirySeconds, offlineSinceMs }: Life, nowMs: number): boolean {
    if (expirySeconds === 0) return true;
    return offlineSinceMs !== undefined && nowMs >= offlineSinceMs + expirySeconds * 1_000;
  }

  #checkAbsent({ cleanStart }: Attempt, nowMs: number): void {
    const { life } = this;
    if (cleanStart || life === undefined || this.unsure || this.#mayBeOver(life, nowMs)) return;
    const since = life.offlineSinceMs === undefined ? 'connected' : `${life.offlineSinceMs} ms`;
    this.fail(`I2: the session is gone (last seen ${since}, now ${nowMs} ms)`);
  }

  #checkPresent({ cleanStart, askedAtMs }: Attempt): void {
    const { life } = this;
    if (cleanStart) return this.fail('I7: session present after a clean start');
    if (life === undefined) return this.fail('I7: session present, though there was none');
    const { gatewayToldMs, expirySecondsMax } = life;
    if (!this.exact || gatewayToldMs === undefined) return;
    const endsAtMs = gatewayToldMs + expirySecondsMax * 1_000;
    if (askedAtMs > endsAtMs + EXPIRY_SLACK_MS) this.fail('I7: an expired session is back');
  }

  /** What was acknowledged must be there, what was not may be; nothing else. */
  #compareSubscriptions(life: Life, there: readonly GrantedSubscription[]): void {
    const named = new Map(there.map((s) => [s.topicFilter, s]));
    for (const entry of life.present) {
      const { topicFilter } = entry;
      const found = named.get(topicFilter);
      named.delete(topicFilter);
      const isCertain = entry.from !== Infinity && entry.until === Infinity;
      if (found === undefined) {
        if (isCertain) this.fail(`I2: its subscription to ${topicFilter} is gone`);
        entry.gone = true;
        continue;
      }
      // Without SUBACK it may still be as an UNSUBSCRIBE, unanswered as well, found it.
      const mayBe = entry.isLowering ? [entry.qos, entry.formerQos] : [entry.qos];
      if (!mayBe.includes(found.qos) && entry.from !== Infinity)
        this.fail(`its subscription to ${topicFilter} changed`);
      if (entry.isLowering) entry.qos = found.qos;
      entry.isLowering = false;
      if (isCertain || entry.until === Infinity) continue;
      // UNSUBACK never came and it is still there: nothing is owed, but it may deliver.
      life.subscribed.push({ ...entry, from: Infinity, until: Infinity, untilReceipt: Infinity });
      entry.gone = true;
    }
    for (const topicFilter of named.keys()) {
      this.fail(`it is said to be subscribed to ${topicFilter}`);
    }
  }

  #compareInFlight(life: Life, there: readonly number[]): void {
    if (new Set(there).size !== there.length) this.fail('an identifier is in flight twice');
    for (const identifier of there) {
      if (!life.sentUnder.has(identifier)) this.fail(`nothing was sent under ${identifier}`);
    }
    if (!this.exact) return;
    for (const identifier of there) {
      if (life.inFlight.has(identifier) || life.openQos2.has(identifier)) continue;
      this.fail(`${identifier} is no longer in flight`);
    }
    for (const [identifier, sent] of life.inFlight) {
      if (there.includes(identifier) || !life.wants(sent)) continue;
      this.fail(`${identifier} is forgotten to be in flight`);
    }
  }
}
