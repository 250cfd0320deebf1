/**
 * A connection of a stored session at a simulated gateway, in the place of the real edge: the real
 * delivery flow between the core and a simulated device.
 *
 * Lost:  a device that is gone without a word (`vanish`) takes nothing any more, but its gateway
 *        goes on delivering until it notices.
 */
import type { Clock, Random, Reason } from '#base';
import type { PublishView } from '#mqtt';
import type { SessionGrant, SessionPort } from '#session';
import { topicMatchesFilter } from '#topics';
import { DeliveryFlow } from '../../lib/session/delivery-flow.ts';
import type { Delivery, GatewayCore, LiveHold, LocalClient } from '../../services/gateway/port.ts';
import { payloadTextOf, topicTextOf } from '../fixtures/publish-view.ts';
import { type AnswerKind, DeviceEnd, type Manner } from './device-end.ts';
import type { Life, Sent, SimSession } from './sim-session.ts';

export type { Manner } from './device-end.ts';

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

/** Bytes that a small delivery counts for in a backlog. */
const SMALL_BYTES = 300;
const RETAINED: Sent = { id: '', topic: '', qos: 2 };

export class StoredClient implements LocalClient {
  readonly connectionNumber: number;
  readonly clientIdentifier: string;
  readonly authenticationName: string;
  readonly cleanStart: boolean;
  readonly sessionExpirySeconds: number;
  readonly will = undefined;
  readonly deliveryCountMax = 65_535;
  readonly session: SimSession;
  readonly askedAtMs: number;
  hold: LiveHold | undefined;
  closedFor: Reason | undefined;
  granted: SessionGrant | Reason | undefined;
  life: Life | undefined;
  /** SUBSCRIBEs and UNSUBSCRIBEs without answer. */
  unanswered = 0;
  readonly #door: SimDoor;
  readonly #manner: Manner;
  #flow: DeliveryFlow | undefined;
  #device: DeviceEnd | undefined;
  /** Deliveries that were not settled, by ticket. */
  readonly #open = new Map<number, Sent>();
  /** Identifiers that the grant named and that have not come again. */
  readonly #inherited = new Map<number, Sent>();
  #stalled = false;
  #superseded = false;
  #vanished = false;
  #disconnected = false;

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
  /** Its device takes answers: not any more once another connection was let in. */
  get #hears(): boolean {
    return this.open && !this.#superseded;
  }
  /** Nobody knows yet that it is over. */
  get waits(): boolean {
    return this.granted === undefined && this.closedFor === undefined;
  }
  get hasCapacity(): boolean {
    const { backlogBytes = 0 } = this.#flow ?? {};
    return !this.#stalled && backlogBytes < this.#manner.backlogMax * SMALL_BYTES;
  }
  get hasRoom(): boolean {
    const { backlogBytes = 0 } = this.#flow ?? {};
    return !this.#stalled && backlogBytes * 2 <= this.#manner.backlogMax * SMALL_BYTES;
  }

  /** Takes and acknowledges nothing until it is false again. */
  get stalled(): boolean {
    return this.#stalled;
  }
  set stalled(stalled: boolean) {
    this.#stalled = stalled;
    this.mute = stalled;
  }
  /** Takes, but acknowledges nothing until it is false again. */
  set mute(mute: boolean) {
    if (this.#device !== undefined) this.#device.isMute = mute;
  }

  /** Another connection of the session was let in: its device hears this one no more. */
  supersede(): void {
    this.#superseded = true;
    this.#device?.leave();
  }

  /** From now on it takes its messages like this, also those that it has. */
  behave(manner: Manner): void {
    this.stalled = false;
    this.#device?.behave(manner);
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
        this.#begin(decision);
      }
      onDecision?.();
    });
  }

  /** The ledger compares with what the life left: its messages come under those identifiers. */
  #begin(grant: SessionGrant): void {
    const { session } = this;
    const life = session.granted(this, grant, this.#door.clock.nowMs());
    this.life = life;
    for (const identifier of grant.inFlight) {
      const sent = life.inFlight.get(identifier) ?? life.openQos2.get(identifier);
      this.#inherited.set(identifier, sent ?? RETAINED);
    }
    life.inFlight = new Map();
    const { clock, random, isPaused } = this.#door;
    const device = new DeviceEnd({
      session,
      life,
      connection: this.connectionNumber,
      clock,
      random,
      manner: this.#manner,
      isPaused,
      onAnswer: (kind, identifier) => this.#answered(kind, identifier),
    });
    this.#device = device;
    this.#flow = new DeliveryFlow(this.#port(life), device, this.#manner.receiveMaximum, grant);
  }

  #answered(kind: AnswerKind, identifier: number): void {
    if (!this.open) return;
    if (kind === 'puback') this.#flow?.puback(identifier);
    else if (kind === 'pubrec') this.#flow?.pubrec(identifier, 0);
    else this.#flow?.pubcomp(identifier);
  }

  /** What the flow asks of its connection. */
  #port(life: Life): SessionPort {
    const { core } = this.#door;
    const nothing = (): void => undefined;
    return {
      settled: (ticket) => {
        this.#open.delete(ticket);
        core.settled(this, ticket);
      },
      storeOut: (identifier, ticket) => {
        const sent = this.#open.get(ticket) ?? RETAINED;
        life.nameSent(identifier, sent.id);
        life.openQos2.set(identifier, sent);
        core.storeOut(this, identifier, ticket);
      },
      storeReceived: (identifier) => core.storeReceived(this, identifier),
      storeFinished: (identifier) => {
        life.openQos2.delete(identifier);
        core.storeFinished(this, identifier);
      },
      authenticate: nothing,
      reauthenticate: nothing,
      mayPublish: () => true,
      maySubscribe: () => true,
      publish: nothing,
      subscribe: nothing,
      unsubscribe: () => [],
      releasePublish: nothing,
      holdInput: nothing,
      dropped: nothing,
      end: nothing,
    };
  }

  subscribe(
    topicFilter: string,
    qos: 0 | 1 | 2,
    identifier: number,
    onEffective?: () => void,
  ): void {
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
      if (!this.#hears) return;
      asked.from = Math.min(asked.from, published());
      asked.isLowering = false;
      onEffective?.();
    });
  }

  unsubscribe(topicFilter: string, onEffective?: () => void): void {
    const entry = this.life?.subscription(topicFilter);
    if (entry === undefined || entry.until !== Infinity) return;
    entry.until = this.#door.published();
    entry.untilReceipt = this.life?.received.length ?? 0;
    const isKnown = entry.from !== Infinity;
    this.unanswered++;
    const [existed] = this.#door.core.unsubscribe(this, [topicFilter], () => {
      this.unanswered--;
      if (this.#hears) entry.gone = true;
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
    this.#device?.leave();
    this.#tellLedger(this.sessionExpirySeconds);
    this.#door.clock.after(afterMs, () => this.breakOff());
  }

  /** The gateway is dead: nobody is told anything. */
  gatewayDied(): void {
    if (this.closedFor !== undefined) return;
    this.closedFor = 'connection_lost';
    this.#device?.leave();
    this.#tellLedger(this.sessionExpirySeconds);
  }

  close(reason: Reason): void {
    if (reason === 'slow_consumer') this.session.fail('was ended for being slow');
    this.#end(reason, this.sessionExpirySeconds, true);
  }

  #end(reason: Reason, sessionExpirySeconds: number, publishesWill: boolean): void {
    if (this.closedFor !== undefined) return;
    this.closedFor = reason;
    this.#device?.leave();
    this.#tellLedger(sessionExpirySeconds);
    this.#leave(sessionExpirySeconds, publishesWill);
  }

  #tellLedger(sessionExpirySeconds: number): void {
    const { life } = this;
    if (this.granted === undefined) this.session.unanswered(this);
    if (life === undefined || this.#superseded) return;
    this.session.left(life, sessionExpirySeconds, this.#door.clock.nowMs());
  }

  #leave(sessionExpirySeconds: number, publishesWill = true): void {
    if (this.#disconnected) return;
    this.#disconnected = true;
    const { life } = this;
    const inFlight = this.#flow?.close() ?? [];
    if (life !== undefined) {
      life.gatewayToldMs = this.#door.clock.nowMs();
      life.inFlight = new Map(this.#inherited);
      for (const [identifier, ticket] of inFlight) {
        life.inFlight.set(identifier, this.#open.get(ticket) ?? RETAINED);
      }
    }
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
    const { life } = this;
    if (life === undefined) return this.session.fail(`${id} came before the grant`);
    if (this.closedFor !== undefined) return this.session.fail(`${id} came after the end`);
    if (ticket > 0 && !this.hasCapacity) this.session.fail(`${id} came though there was no room`);
    if (this.#superseded && this.session.exact) {
      this.session.fail(`${id} came to an older connection`);
    }
    this.#checkTerms(life, id, topic, terms);
    if (ticket > 0) {
      if (this.#open.has(ticket)) this.session.fail(`${id} has the ticket of another delivery`);
      this.#open.set(ticket, { id, topic, qos });
    }
    if (packetIdentifier > 0) this.#checkAgain(life, packetIdentifier, id);
    this.#flow?.deliver(view, qos, terms, ticket, packetIdentifier);
  }

  #checkAgain(life: Life, identifier: number, id: string): void {
    if (life.sentUnder.get(identifier)?.has(id) !== true) {
      this.session.fail(`${id} comes again under ${identifier}, not its own`);
    }
    if (!this.#inherited.delete(identifier)) {
      this.session.fail(`${id} comes again under ${identifier}, which was not granted`);
    }
  }

  #checkTerms(life: Life, id: string, topic: string, terms: Delivery): void {
    const matching = life.subscribed.filter((s) => topicMatchesFilter(topic, s.topicFilter));
    if (matching.length === 0) return this.session.fail(`I7: ${id} on ${topic} was not asked for`);
    for (const identifier of terms.subscriptionIdentifiers) {
      if (matching.some((s) => s.subscriptionIdentifier === identifier)) continue;
      this.session.fail(`${id} names a subscription that does not match`);
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
    this.#flow?.freeIdentifier(packetIdentifier);
  }

  outStored(packetIdentifier: number): void {
    this.#flow?.outStored(packetIdentifier);
  }
  receivedStored(packetIdentifier: number): void {
    this.#inherited.delete(packetIdentifier);
    this.#flow?.receivedStored(packetIdentifier);
  }

  appended(): void {}
  released(): void {}
}
