/**
 * A connection of a stored session at a simulated gateway, in the place of the real edge.
 *
 * Shape: a backlog and a window of unacknowledged deliveries, acknowledged first in, first out, at
 *        the client's own pace. What happens to the session stands in its ledger.
 * Lost:  a client that is gone without a word (`vanish`) takes nothing any more, but its gateway
 *        goes on delivering until it notices.
 */
import type { Clock, Random, Reason, Timer } from '#base';
import type { PublishView } from '#mqtt';
import type { SessionGrant } from '#session';
import { topicMatchesFilter } from '#topics';
import type { Delivery, GatewayCore, LiveHold, LocalClient } from '../../services/gateway/port.ts';
import { payloadTextOf, topicTextOf } from '../fixtures/publish-view.ts';
import type { Life, Receipt, Sent, SimSession } from './sim-session.ts';

/** How a client takes its messages. */
export interface Manner {
  /** Until an acknowledgement, ms, drawn evenly. */
  readonly acknowledgesAfterMs: readonly [min: number, max: number];
  /** Deliveries that may await it. */
  readonly receiveMaximum: number;
  /** Deliveries that may wait besides. */
  readonly backlogMax: number;
}

export interface StoredConnect {
  readonly connectionNumber: number;
  readonly cleanStart: boolean;
  readonly sessionExpirySeconds: number;
  readonly manner: Manner;
}

/** The gateway, as its clients see it. */
export interface SimDoor {
  readonly core: GatewayCore;
  /** Runs in the gateway's process. */
  readonly clock: Clock;
  readonly random: Random;
  /** Reads no sockets now. */
  readonly isPaused: () => boolean;
  /** Number of the next publish of the history. */
  readonly published: () => number;
  /** Ids that clean clients of this gateway have got live, in order. */
  readonly deliveredLive: readonly string[];
}

interface Pending extends Sent {
  readonly qos: 0 | 1 | 2;
  readonly ticket: number;
  /** Under which it was sent before; 0 = never. */
  readonly before: number;
  readonly expiresAtSeconds: number;
}

interface InFlight extends Pending {
  readonly identifier: number;
  readonly receipt: Receipt | undefined;
  dueMs: number;
}

const PAUSED_RETRY_MS = 20;

export class StoredClient implements LocalClient {
  readonly connectionNumber: number;
  readonly clientIdentifier: string;
  readonly authenticationName: string;
  readonly cleanStart: boolean;
  readonly sessionExpirySeconds: number;
  readonly will = undefined;
  readonly session: SimSession;
  readonly askedAtMs: number;
  hold: LiveHold | undefined;
  /** Takes and acknowledges nothing until it is false again. */
  stalled = false;
  /** Takes, but acknowledges nothing until it is false again. */
  mute = false;
  closedFor: Reason | undefined;
  granted: SessionGrant | Reason | undefined;
  life: Life | undefined;
  /** Another connection of the session was granted. */
  superseded = false;
  /** SUBSCRIBEs and UNSUBSCRIBEs without answer. */
  unanswered = 0;
  readonly #door: SimDoor;
  #manner: Manner;
  #backlog: Pending[] = [];
  #inFlight: InFlight[] = [];
  /** Identifiers that the grant named and that have not come again. */
  #inherited = new Map<number, Sent>();
  #vanished = false;
  #disconnected = false;
  #ackTimer: Timer | undefined;
  #lastIdentifier = 0;

  constructor(door: SimDoor, session: SimSession, options: StoredConnect) {
    this.#door = door;
    this.session = session;
    this.clientIdentifier = session.clientIdentifier;
    this.authenticationName = session.authenticationName;
    this.connectionNumber = options.connectionNumber;
    this.cleanStart = options.cleanStart;
    this.sessionExpirySeconds = options.sessionExpirySeconds;
    this.#manner = options.manner;
    this.askedAtMs = door.clock.nowMs();
  }

  /** Let in, and neither end has gone. */
  get open(): boolean {
    return this.life !== undefined && this.closedFor === undefined && !this.#vanished;
  }
  /** Nobody knows yet that it is over. */
  get waits(): boolean {
    return this.granted === undefined && this.closedFor === undefined;
  }
  get unacknowledged(): number {
    return this.#inFlight.length + this.#backlog.length;
  }
  readonly deliveryCountMax = 65_535;
  get hasCapacity(): boolean {
    return !this.stalled && this.#backlog.length < this.#manner.backlogMax;
  }
  get hasRoom(): boolean {
    return !this.stalled && this.#backlog.length * 2 <= this.#manner.backlogMax;
  }

  /** From now on it takes its messages like this, also those that it has. */
  behave(manner: Manner): void {
    this.#manner = manner;
    this.stalled = false;
    const latestMs = this.#door.clock.nowMs() + manner.acknowledgesAfterMs[1];
    for (const sent of this.#inFlight) sent.dueMs = Math.min(sent.dueMs, latestMs);
    if (this.#ackTimer !== undefined) this.#door.clock.cancel(this.#ackTimer);
    this.#ackTimer = undefined;
    this.#planAcknowledgements();
    this.#pump();
  }

  connect(onDecision?: () => void): void {
    this.#door.core.connect(this, (decision) => {
      if (this.granted !== undefined) this.session.fail('its CONNECT was decided twice');
      if (this.closedFor !== undefined) return;
      this.granted = decision;
      if (typeof decision === 'string') {
        this.closedFor = decision;
        this.session.unanswered(this);
        this.#leave(0);
      } else {
        // The ledger compares with what the life left: its messages come under those identifiers.
        this.life = this.session.granted(this, decision, this.#door.clock.nowMs());
        const left = this.life.inFlight;
        for (const identifier of decision.inFlight) {
          this.#inherited.set(identifier, left.get(identifier) ?? { id: '', topic: '' });
        }
        this.life.inFlight = new Map();
      }
      onDecision?.();
    });
  }

  subscribe(topicFilter: string, qos: 0 | 1, identifier: number, onEffective?: () => void): void {
    const { life } = this;
    if (life === undefined) return;
    const { core, published, deliveredLive } = this.#door;
    const asked = life.subscribe(topicFilter, qos, identifier, deliveredLive);
    const granted = {
      topicFilter,
      qos: asked.qos,
      noLocal: false,
      retainAsPublished: false,
      subscriptionIdentifier: identifier,
      retainHandling: identifier % 3 === 0 ? 0 : 2,
    } as const;
    this.unanswered++;
    core.subscribe(this, [granted], () => {
      this.unanswered--;
      if (!this.open) return;
      asked.from = Math.min(asked.from, published());
      onEffective?.();
    });
  }

  unsubscribe(topicFilter: string, onEffective?: () => void): void {
    const entry = this.life?.subscription(topicFilter);
    if (entry === undefined || entry.until !== Infinity) return;
    entry.until = this.#door.published();
    const isKnown = entry.from !== Infinity;
    this.unanswered++;
    const [existed] = this.#door.core.unsubscribe(this, [topicFilter], () => {
      this.unanswered--;
      if (this.open) entry.gone = true;
      onEffective?.();
    });
    if (existed !== true && isKnown) {
      this.session.fail(`its subscription to ${topicFilter} was not there`);
    }
  }

  // ---- how it ends

  /** DISCONNECT in order, with an expiry of its own or that of CONNECT. */
  disconnect(sessionExpirySeconds = this.sessionExpirySeconds): void {
    this.#end('client_disconnected', sessionExpirySeconds, false);
  }

  /** Its connection breaks, and the gateway notices. */
  breakOff(): void {
    this.#end('connection_lost', this.sessionExpirySeconds, true);
  }

  /** Its connection breaks; the gateway notices `afterMs` later. */
  vanish(afterMs: number): void {
    if (this.#vanished || this.closedFor !== undefined) return;
    this.#vanished = true;
    this.#tellLedger(this.sessionExpirySeconds);
    this.#door.clock.after(afterMs, () => this.breakOff());
  }

  /** The gateway is dead: nobody is told anything. */
  gatewayDied(): void {
    if (this.closedFor !== undefined) return;
    this.closedFor = 'connection_lost';
    this.#tellLedger(this.sessionExpirySeconds);
  }

  close(reason: Reason): void {
    if (reason === 'slow_consumer') this.session.fail('was ended for being slow');
    this.#end(reason, this.sessionExpirySeconds, true);
  }

  #end(reason: Reason, sessionExpirySeconds: number, publishesWill: boolean): void {
    if (this.closedFor !== undefined) return;
    this.closedFor = reason;
    this.#tellLedger(sessionExpirySeconds);
    this.#leave(sessionExpirySeconds, publishesWill);
  }

  #tellLedger(sessionExpirySeconds: number): void {
    const { life } = this;
    if (this.granted === undefined) this.session.unanswered(this);
    if (life === undefined || this.superseded) return;
    this.session.left(life, sessionExpirySeconds, this.#door.clock.nowMs());
  }

  #leave(sessionExpirySeconds: number, publishesWill = true): void {
    if (this.#disconnected) return;
    this.#disconnected = true;
    const { life } = this;
    if (life !== undefined) {
      life.gatewayToldMs = this.#door.clock.nowMs();
      life.inFlight = new Map(this.#inherited);
      for (const p of this.#backlog) if (p.before > 0) life.inFlight.set(p.before, p);
      for (const sent of this.#inFlight) life.inFlight.set(sent.identifier, sent);
    }
    const inFlight = [
      ...this.#inFlight.map(({ identifier, ticket }) => [identifier, ticket] as const),
      ...this.#backlog.filter((p) => p.before > 0).map((p) => [p.before, p.ticket] as const),
    ];
    this.#door.core.disconnect(this, { sessionExpirySeconds, publishesWill, inFlight });
  }

  // ---- what it gets

  deliver(
    view: PublishView,
    qos: 0 | 1 | 2,
    terms: Delivery,
    ticket: number,
    packetIdentifier: number,
  ): void {
    const topic = topicTextOf(view);
    const [id = ''] = payloadTextOf(view).split(' ', 1);
    const { expiresAtSeconds } = view;
    const { life } = this;
    if (life === undefined) return this.session.fail(`${id} came before the grant`);
    if (this.closedFor !== undefined) return this.session.fail(`${id} came after the end`);
    if (ticket > 0 && !this.hasCapacity) this.session.fail(`${id} came though there was no room`);
    if (this.superseded && this.session.exact) {
      this.session.fail(`${id} came to an older connection`);
    }
    this.#checkTerms(life, id, topic, terms);
    const before = packetIdentifier;
    if (ticket === 0) {
      if (!this.#vanished) this.#note({ id, topic, qos, retained: terms.retained }, 0, false);
      return;
    }
    if ([...this.#inFlight, ...this.#backlog].some((p) => p.ticket === ticket)) {
      this.session.fail(`${id} has the ticket of another delivery`);
    }
    this.#backlog.push({ id, topic, qos, ticket, before, expiresAtSeconds });
    this.#pump();
  }

  #checkTerms(life: Life, id: string, topic: string, terms: Delivery): void {
    const matching = life.subscribed.filter((s) => topicMatchesFilter(topic, s.topicFilter));
    if (matching.length === 0) return this.session.fail(`I7: ${id} on ${topic} was not asked for`);
    for (const identifier of terms.subscriptionIdentifiers) {
      if (matching.some((s) => s.subscriptionIdentifier === identifier)) continue;
      this.session.fail(`${id} names a subscription that does not match`);
    }
  }

  #note(
    sent: { id: string; topic: string; qos: 0 | 1 | 2; retained: boolean },
    packetIdentifier: number,
    duplicate: boolean,
  ): Receipt {
    const { connectionNumber: connection } = this;
    const receipt = { ...sent, connection, packetIdentifier, duplicate, settled: false };
    this.life?.received.push(receipt);
    return receipt;
  }

  #pump(): void {
    const { life } = this;
    const { clock, random } = this.#door;
    while (life !== undefined && this.#inFlight.length < this.#manner.receiveMaximum) {
      const pending = this.#backlog.shift();
      if (pending === undefined) return;
      const { id, topic, qos, before, ticket, expiresAtSeconds } = pending;
      if (expiresAtSeconds !== 0 && expiresAtSeconds * 1_000 <= clock.wallMs() && before === 0) {
        this.#door.core.settled(this, ticket);
        continue;
      }
      const identifier = before > 0 ? before : this.#newIdentifier();
      this.#checkIdentifier(life, identifier, before, id);
      const receipt = this.#vanished
        ? undefined
        : this.#note({ id, topic, qos, retained: false }, identifier, before > 0);
      const [min, max] = this.#manner.acknowledgesAfterMs;
      const lastMs = this.#inFlight.at(-1)?.dueMs ?? 0;
      const dueMs = Math.max(lastMs, clock.nowMs() + min + (max - min) * random());
      this.#inFlight.push({ ...pending, identifier, receipt, dueMs });
      this.#planAcknowledgements();
    }
  }

  #checkIdentifier(life: Life, identifier: number, before: number, id: string): void {
    const known = life.sentUnder.get(identifier) ?? new Set<string>();
    life.sentUnder.set(identifier, known);
    if (before > 0) {
      if (!known.has(id)) this.session.fail(`${id} comes again under ${identifier}, not its own`);
      if (!this.#inherited.delete(identifier)) {
        this.session.fail(`${id} comes again under ${identifier}, which was not granted`);
      }
    }
    known.add(id);
  }

  #newIdentifier(): number {
    const isTaken = (n: number): boolean =>
      this.#inherited.has(n) ||
      this.#inFlight.some(({ identifier }) => identifier === n) ||
      this.#backlog.some(({ before }) => before === n);
    do this.#lastIdentifier = (this.#lastIdentifier % 65_535) + 1;
    while (isTaken(this.#lastIdentifier));
    return this.#lastIdentifier;
  }

  /** In the turn of the gateway, as its sockets are read. */
  #planAcknowledgements(): void {
    const [first] = this.#inFlight;
    if (first === undefined || this.#ackTimer !== undefined || this.#vanished) return;
    const { clock, isPaused } = this.#door;
    const waits = this.stalled || this.mute || isPaused();
    const delayMs = waits ? PAUSED_RETRY_MS : Math.max(0.1, first.dueMs - clock.nowMs());
    this.#ackTimer = clock.after(delayMs, () => {
      this.#ackTimer = undefined;
      if (this.closedFor !== undefined) return;
      if (!this.stalled && !this.mute && !isPaused()) this.#acknowledge();
      this.#planAcknowledgements();
    });
  }

  #acknowledge(): void {
    const nowMs = this.#door.clock.nowMs();
    let [first] = this.#inFlight;
    while (first !== undefined && first.dueMs <= nowMs && this.open) {
      this.#inFlight.shift();
      if (first.receipt !== undefined) first.receipt.settled = true;
      this.#door.core.settled(this, first.ticket);
      this.#pump();
      [first] = this.#inFlight;
    }
  }

  freeIdentifier(packetIdentifier: number): void {
    const sent = this.#inherited.get(packetIdentifier);
    if (sent === undefined) {
      this.session.fail(`${packetIdentifier} is given free, but does not wait`);
    } else if (this.session.exact && this.life?.wants(sent) === true) {
      this.session.fail(`${sent.id} was in flight and does not come again`);
    }
    this.#inherited.delete(packetIdentifier);
  }

  appended(): void {}
  released(): void {}
  outStored(): void {}
  receivedStored(): void {}
}
