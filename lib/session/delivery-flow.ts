/**
 * Delivery flow — messages on their way to the client, QoS 0 to 2, until they are acknowledged.
 *
 *     QoS 1            PUBLISH → PUBACK
 *     QoS 2            PUBLISH → PUBREC → PUBREL → PUBCOMP
 *     QoS 2, stored    storeOut, outStored → PUBLISH → PUBREC → storeReceived, receivedStored →
 *                      PUBREL → PUBCOMP, storeFinished
 *
 * Order:  what cannot be sent at once waits in the backlog, and all that comes later behind it.
 * Quota:  the window counts each delivery from its identifier to PUBACK, PUBCOMP or PUBREC ≥ 0x80.
 * Ticket: of a stored session or a shared subscription; told back once, when its delivery is
 *         acknowledged or dropped by name. What is neither when the connection ends is forgotten
 *         here: the core knows it.
 * Cost:   no allocation but for what has to wait; a clean session keeps tickets once it has one.
 * Calls:  the port may call back in the middle of a call (`deliver`, `outStored`, the end): own
 *         state is changed first, and `#advance` never runs twice at once.
 * Spec:   MQTT 5 §4.3, §4.4, §4.6, §4.9; 3.1.1 §4.3, §4.4, §4.6; protocol 29, 31.
 */
import type { PublishView } from '#mqtt';
import { DeliveryBacklog } from './delivery-backlog.ts';
import type { WaitingDelivery } from './delivery-backlog.ts';
import { DeliveryTickets } from './delivery-tickets.ts';
import {
  AWAITS_PUBACK,
  AWAITS_PUBCOMP,
  AWAITS_PUBREC,
  DeliveryWindow,
  FREE,
  QUEUED,
  RECEIVED,
  RESERVED,
  STORING,
} from './delivery-window.ts';
import type {
  DeliveryTerms,
  Departure,
  SessionGrant,
  SessionOutput,
  SessionPort,
} from './session-port.ts';

const PACKET_IDENTIFIER_NOT_FOUND = 0x92;
const FAILURE = 0x80;

export class DeliveryFlow {
  readonly #port: SessionPort;
  readonly #output: SessionOutput;
  readonly #backlog = new DeliveryBacklog();
  readonly #window: DeliveryWindow;
  readonly isStored: boolean;
  /** Undefined: a clean session that has got nothing of a shared subscription. */
  #tickets: DeliveryTickets | undefined;
  #isOpen = true;
  #isAdvancing = false;
  #isAskedToAdvance = false;

  /** `countMax`: deliveries that may be unacknowledged. CONNACK has been sent. */
  constructor(port: SessionPort, output: SessionOutput, countMax: number, grant: SessionGrant) {
    this.#port = port;
    this.#output = output;
    this.#window = new DeliveryWindow(countMax);
    this.isStored = grant.isStored;
    if (grant.isStored) this.#tickets = new DeliveryTickets();
    for (const identifier of grant.received) {
      this.#window.reserve(identifier, AWAITS_PUBCOMP);
      output.sendPubrel(identifier, 0);
    }
    for (const identifier of grant.inFlight) this.#window.reserve(identifier, RESERVED);
  }

  get backlogBytes(): number {
    return this.#backlog.bytes;
  }

  /** A message for the client; borrowed. `identifier` > 0: sent before, see LocalClient. */
  deliver(
    view: PublishView,
    qos: 0 | 1 | 2,
    terms: DeliveryTerms,
    ticket: number,
    identifier: number,
  ): void {
    if (qos === 0) {
      this.#output.sendDelivery(view, 0, 0, terms, false, false);
      if (ticket > 0) this.#port.settled(ticket);
      return;
    }
    const isStoredFirst = qos === 2 && this.isStored && identifier === 0;
    if (this.#backlog.count === 0 && !isStoredFirst) {
      const state = qos === 1 ? AWAITS_PUBACK : AWAITS_PUBREC;
      const taken = identifier === 0 ? this.#window.take(state) : this.#claim(identifier, state);
      if (taken !== 0) {
        this.#send(view, qos, taken, terms, ticket, identifier > 0, identifier > 0);
        return;
      }
    }
    if (identifier > 0) this.#window.change(identifier, QUEUED);
    this.#backlog.push(view, qos, terms, ticket, identifier);
    this.#advance();
  }

  #claim(identifier: number, state: number): number {
    return this.#window.claim(identifier, state) ? identifier : 0;
  }

  /** The identifier is in its state already. */
  #send(
    view: PublishView,
    qos: 1 | 2,
    identifier: number,
    terms: DeliveryTerms,
    ticket: number,
    isPromised: boolean,
    dup: boolean,
  ): void {
    const isSent = this.#output.sendDelivery(view, qos, identifier, terms, isPromised, dup);
    if (isSent) {
      if (ticket > 0) this.#tickets ??= new DeliveryTickets();
      if (this.#tickets !== undefined) this.#tickets.put(identifier, ticket);
      return;
    }
    // Dropped by name. The client may have got a QoS 2 message before: PUBREL makes it forget it.
    if (qos === 2 && dup) this.#received(identifier);
    else {
      this.#window.release(identifier);
      if (qos === 2 && this.isStored) this.#port.storeFinished(identifier);
    }
    if (ticket > 0) this.#port.settled(ticket);
    this.#advance();
  }

  /** Gives identifiers and sends, as far as the window and the store allow. */
  #advance(): void {
    this.#isAskedToAdvance = true;
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    while (this.#isAskedToAdvance) {
      this.#isAskedToAdvance = false;
      this.#giveIdentifiers();
      this.#sendReady();
    }
    this.#isAdvancing = false;
  }

  #giveIdentifiers(): void {
    const backlog = this.#backlog;
    for (
      let waiting = backlog.next;
      waiting !== undefined && this.#isOpen;
      waiting = backlog.next
    ) {
      const { qos, dup } = waiting;
      const isStoredFirst = qos === 2 && !dup && this.isStored;
      const state = qos === 1 ? AWAITS_PUBACK : isStoredFirst ? STORING : AWAITS_PUBREC;
      const taken = dup ? this.#claim(waiting.identifier, state) : this.#window.take(state);
      if (taken === 0) return;
      backlog.pass();
      waiting.identifier = taken;
      if (isStoredFirst) this.#storeOut(waiting);
      else waiting.isReady = true;
    }
  }

  /** The last moment in which it may be dropped: from here on it has an identifier. */
  #storeOut(waiting: WaitingDelivery): void {
    const { view, qos, terms, ticket, identifier } = waiting;
    if (this.#output.takesDelivery(view, qos, terms)) {
      waiting.isPromised = true;
      this.#port.storeOut(identifier, ticket);
      return;
    }
    waiting.isDropped = true;
    this.#window.release(identifier);
    if (ticket > 0) this.#port.settled(ticket);
  }

  #sendReady(): void {
    const backlog = this.#backlog;
    for (let waiting = backlog.first; waiting !== undefined; waiting = backlog.first) {
      if (!this.#isOpen || !(waiting.isReady || waiting.isDropped)) return;
      backlog.shift();
      if (waiting.isDropped) continue;
      const { view, qos, identifier, terms, ticket, isPromised, dup } = waiting;
      this.#send(view, qos, identifier, terms, ticket, isPromised, dup);
    }
  }

  /** What `storeOut` asked for is durable. */
  outStored(identifier: number): void {
    if (!this.#isOpen || this.#window.stateOf(identifier) !== STORING) return;
    const waiting = this.#backlog.find(identifier);
    if (waiting === undefined) return;
    this.#window.change(identifier, AWAITS_PUBREC);
    waiting.isReady = true;
    this.#advance();
  }

  /**
   * A code of 0x80 or above ends the delivery all the same [MQTT-4.4.0-2]; an identifier that does
   * not await a PUBACK changes nothing.
   */
  puback(identifier: number): void {
    if (this.#window.stateOf(identifier) === AWAITS_PUBACK) this.#finish(identifier, false);
  }

  pubrec(identifier: number, reasonCode: number): void {
    switch (this.#window.stateOf(identifier)) {
      case AWAITS_PUBREC:
        if (reasonCode < FAILURE) this.#received(identifier);
        else this.#finish(identifier, true);
        return;
      case AWAITS_PUBCOMP:
        this.#output.sendPubrel(identifier, 0);
        return;
      case FREE:
      case AWAITS_PUBACK:
        this.#output.sendPubrel(identifier, PACKET_IDENTIFIER_NOT_FOUND);
        return;
      default:
      // Of an earlier connection, or told twice: the answer is still to come.
    }
  }

  #received(identifier: number): void {
    if (this.isStored) {
      this.#window.change(identifier, RECEIVED);
      this.#port.storeReceived(identifier);
    } else {
      this.#window.change(identifier, AWAITS_PUBCOMP);
      this.#output.sendPubrel(identifier, 0);
    }
  }

  /** What `storeReceived` asked for is durable, or an inherited delivery cannot come again. */
  receivedStored(identifier: number): void {
    if (!this.#isOpen) return;
    const state = this.#window.stateOf(identifier);
    if (state === RECEIVED) this.#window.change(identifier, AWAITS_PUBCOMP);
    else if (state === RESERVED) this.#window.closeReserved(identifier);
    else return;
    this.#output.sendPubrel(identifier, 0);
  }

  pubcomp(identifier: number): void {
    if (this.#window.stateOf(identifier) === AWAITS_PUBCOMP) this.#finish(identifier, true);
  }

  /** An inherited identifier whose message does not come again. */
  freeIdentifier(identifier: number): void {
    if (this.#window.stateOf(identifier) === RESERVED) this.#window.release(identifier);
  }

  #finish(identifier: number, isQos2: boolean): void {
    this.#window.release(identifier);
    const ticket = this.#tickets?.take(identifier) ?? 0;
    if (isQos2 && this.isStored) this.#port.storeFinished(identifier);
    if (ticket > 0) this.#port.settled(ticket);
    if (this.#backlog.count > 0 && this.#isOpen) this.#advance();
  }

  /** The connection is over: what was sent and is not acknowledged. */
  close(): Departure['inFlight'] {
    this.#isOpen = false;
    const window = this.#window;
    if (!this.isStored || this.#tickets === undefined) return [];
    const sent = this.#tickets.inOrder((identifier) => {
      const state = window.stateOf(identifier);
      return state === AWAITS_PUBACK || state === AWAITS_PUBREC;
    });
    for (const { dup, identifier, ticket } of this.#backlog.waiting()) {
      if (dup && ticket > 0) sent.push([identifier, ticket]);
    }
    return sent;
  }
}
