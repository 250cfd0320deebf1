/**
 * Session — the protocol state of one connected client, from CONNECT to the end.
 *
 * Shape: input by method, effects by calls to its two seams; no clock, no sockets, no randomness,
 *        so that it replays. Everything it keeps is bounded by SessionLimits.
 * Owner: one connection. Ends with it: sessions that outlive their connection are another issue,
 *        and so are wills, QoS 2 and shared subscriptions (refused by name).
 * Cost:  PUBLISH, PUBACK and delivery allocate nothing, unless the client's window is full.
 * Spec:  MQTT 3.1.1 and 5.0; protocol 3, 21, 31 of the design.
 */
import type { Reason } from '#base';
import { REASONS } from '#base';
import { PublishView } from '#mqtt';
import type {
  AckPacket,
  AuthPacket,
  ConnectPacket,
  DecodeFault,
  DisconnectPacket,
  Packet,
  SubscribePacket,
  UnsubscribePacket,
} from '#mqtt';
import { topicFilterFault } from '#mqtt';
import { AcknowledgementRing } from './acknowledgement-ring.ts';
import type { ConnectionTerms } from './connect-rules.ts';
import { judgeConnect } from './connect-rules.ts';
import { DeliveryBacklog } from './delivery-backlog.ts';
import { DeliveryWindow } from './delivery-window.ts';
import { connectFarewell, openFarewell } from './farewell.ts';
import type { SessionLimits } from './session-limits.ts';
import type { DeliveryTerms, SessionOutput, SessionPort } from './session-port.ts';
import { SubscriptionSet } from './subscription-set.ts';

export type SessionPhase = 'awaiting_connect' | 'connecting' | 'open' | 'ended';

/** SUBSCRIBEs that await their SUBACK before input is held. Clients rarely have two. */
export const PENDING_SUBSCRIBE_MAX = 64;

const PUBACK_NOT_AUTHORIZED = REASONS.publish_not_authorized.code;
const PUBACK_QUOTA = REASONS.log_full.code;
const PACKET_IDENTIFIER_NOT_FOUND = 0x92;
const NO_SUBSCRIPTION_EXISTED = 0x11;
const RE_AUTHENTICATE = 0x19;
const NO_TOKEN = -1;

export class Session {
  readonly #port: SessionPort;
  readonly #output: SessionOutput;
  readonly #limits: SessionLimits;
  readonly #assignIdentifier: () => string;
  readonly #ring = new AcknowledgementRing();
  readonly #backlog = new DeliveryBacklog();
  readonly #subscriptions: SubscriptionSet;
  #phase: SessionPhase = 'awaiting_connect';
  /** Set with the phase `connecting`. */
  #terms: ConnectionTerms | undefined;
  /** Of the client's own size from `granted` on. */
  #window = new DeliveryWindow(1);
  #version: 0 | 4 | 5 = 0;
  #pendingSubscribes = 0;
  #isHeld = false;
  /** An AUTH of the client awaits its answer. */
  #isAuthenticating = false;

  constructor(
    port: SessionPort,
    output: SessionOutput,
    limits: SessionLimits,
    assignIdentifier: () => string,
  ) {
    this.#port = port;
    this.#output = output;
    this.#limits = limits;
    this.#assignIdentifier = assignIdentifier;
    this.#subscriptions = new SubscriptionSet(limits.subscriptionCountMax);
  }

  get phase(): SessionPhase {
    return this.#phase;
  }
  get isOpen(): boolean {
    return this.#phase === 'open';
  }
  get terms(): ConnectionTerms | undefined {
    return this.#terms;
  }
  /** Bytes of deliveries that wait for the client's PUBACKs. */
  get backlogBytes(): number {
    return this.#backlog.bytes;
  }
  /** PUBLISHes of the client without PUBACK. */
  get unacknowledgedCount(): number {
    return this.#ring.openCount;
  }
  topicFilters(): Iterable<string> {
    return this.#subscriptions.topicFilters();
  }

  /** One packet of the client. Borrowed. */
  receive(packet: Packet): void {
    if (this.#phase === 'open') {
      if (packet instanceof PublishView) this.#publish(packet);
      else this.#receiveOpen(packet);
    } else if (this.#phase === 'awaiting_connect') {
      // Anything but CONNECT first: closed without a word [MQTT-3.1.0-1].
      if (packet instanceof PublishView || packet.kind !== 'connect') this.end('protocol_error');
      else this.#connect(packet);
    } else this.end('protocol_error');
  }

  /** The client's bytes were wrong. `version`: in which CONNACK can be said, 0 = in none. */
  fault(fault: DecodeFault, version: 0 | 4 | 5): void {
    if (this.#phase === 'awaiting_connect') this.#version = version;
    this.end(fault.reason);
  }

  #receiveOpen(packet: Exclude<Packet, PublishView>): void {
    switch (packet.kind) {
      case 'puback':
      case 'pubrec':
      case 'pubrel':
      case 'pubcomp':
        this.#acknowledged(packet);
        return;
      case 'subscribe':
        this.#subscribe(packet);
        return;
      case 'unsubscribe':
        this.#unsubscribe(packet);
        return;
      case 'pingreq':
        this.#output.sendPingresp();
        return;
      case 'disconnect':
        this.end(this.#isDisconnectAllowed(packet) ? 'client_disconnected' : 'protocol_error');
        return;
      case 'auth':
        this.#authenticateAgain(packet);
        return;
      case 'connect': // [MQTT-3.1.0-2]
        this.end('protocol_error');
        return;
    }
  }

  #connect(packet: ConnectPacket): void {
    this.#version = packet.protocolVersion;
    const verdict = judgeConnect(packet, this.#limits, this.#assignIdentifier);
    if (!verdict.ok) {
      this.end(verdict.reason);
      return;
    }
    this.#phase = 'connecting';
    this.#terms = verdict.terms;
    this.#port.authenticate(packet);
  }

  /** Authenticated, and the client identifier is ours: CONNACK. */
  granted(): void {
    if (this.#phase !== 'connecting' || this.#terms === undefined) return;
    if (!this.#output.sendConnack(this.#terms.connack)) return this.end('packet_too_large');
    this.#phase = 'open';
    this.#window = new DeliveryWindow(this.#terms.deliveryCountMax);
  }

  /** The decoder has compared the methods. 0x18 is no answer to anything: we never ask on. */
  #authenticateAgain(packet: AuthPacket): void {
    if (packet.reasonCode !== RE_AUTHENTICATE || this.#isAuthenticating) {
      return this.end('protocol_error');
    }
    this.#isAuthenticating = true;
    this.#port.reauthenticate(packet);
  }

  /** The client's new credentials are good. Until then the old ones counted. */
  reauthenticated(): void {
    if (this.#phase !== 'open' || !this.#isAuthenticating) return;
    this.#isAuthenticating = false;
    this.#output.sendAuth(this.#terms?.authenticationMethod ?? '');
  }

  #publish(view: PublishView): void {
    // The decoder has refused it for MQTT 5, with its own code.
    if (view.qos === 2) return this.end('qos_unsupported');
    const isPermitted = this.#port.mayPublish(view);
    if (view.qos === 0) {
      if (isPermitted) this.#port.publish(view, NO_TOKEN);
      else this.#port.dropped('qos0_not_authorized');
      return;
    }
    const isFull = this.#ring.openCount >= this.#limits.receiveMaximum;
    if (isFull && this.#version === 5) return this.end('receive_maximum_exceeded');
    if (!isPermitted && this.#version === 4) return this.end('publish_not_authorized');
    const token = this.#ring.open(view.packetIdentifier);
    if (isPermitted) this.#port.publish(view, token);
    else this.#refuse(token, PUBACK_NOT_AUTHORIZED);
    if (this.#version === 4) this.#holdOrGoOn();
  }

  #refuse(token: number, reasonCode: number): void {
    this.#port.dropped(reasonCode === PUBACK_QUOTA ? 'log_full' : 'publish_not_authorized');
    this.#ring.settle(token, reasonCode, this);
  }

  /** The log has decided the publish of this token. */
  appended(token: number, outcome: 'stored' | 'full'): void {
    if (this.#phase !== 'open') return;
    if (outcome === 'full') {
      // 3.1.1 has no word for it: no PUBACK, the connection ends (protocol 5).
      if (this.#version === 4) return this.end('log_full');
      this.#refuse(token, PUBACK_QUOTA);
    } else this.#ring.settle(token, 0, this);
    if (this.#isHeld) this.#holdOrGoOn();
  }

  /** Called by the ring, in order of the PUBLISHes. */
  acknowledge(packetIdentifier: number, reasonCode: number): void {
    this.#output.sendPuback(packetIdentifier, reasonCode);
  }

  /** A message for this client; `qos` is the effective one. Borrowed. */
  deliver(view: PublishView, qos: 0 | 1, terms: DeliveryTerms): void {
    if (this.#phase !== 'open') return;
    if (qos === 0) {
      this.#output.sendDelivery(view, 0, 0, terms);
      return;
    }
    const identifier = this.#backlog.count === 0 ? this.#window.take() : 0;
    if (identifier === 0) this.#backlog.push(view, terms);
    else if (!this.#output.sendDelivery(view, 1, identifier, terms))
      this.#window.release(identifier);
  }

  #acknowledged(packet: AckPacket): void {
    const { packetIdentifier } = packet;
    switch (packet.kind) {
      case 'puback':
        // A code of 0x80 or above ends the delivery all the same [MQTT-4.4.0-2]; an identifier
        // that is not in use changes nothing.
        if (this.#window.release(packetIdentifier)) this.#sendWaiting();
        return;
      case 'pubrec':
        this.#output.sendPubrel(packetIdentifier, PACKET_IDENTIFIER_NOT_FOUND);
        return;
      case 'pubrel':
        this.#output.sendPubcomp(packetIdentifier, PACKET_IDENTIFIER_NOT_FOUND);
        return;
      case 'pubcomp':
        return;
    }
  }

  #sendWaiting(): void {
    while (this.#backlog.count > 0 && this.#phase === 'open') {
      const identifier = this.#window.take();
      if (identifier === 0) return;
      const waiting = this.#backlog.shift();
      if (
        waiting === undefined ||
        !this.#output.sendDelivery(waiting.view, 1, identifier, waiting.terms)
      ) {
        this.#window.release(identifier);
      }
    }
  }

  #subscribe(packet: SubscribePacket): void {
    const version = this.#version === 4 ? 4 : 5;
    const verdict = this.#subscriptions.subscribe(packet, version, (topicFilter) =>
      this.#port.maySubscribe(topicFilter),
    );
    if (typeof verdict === 'string') return this.end(verdict);
    const { reasonCodes, granted } = verdict;
    if (granted.length === 0) {
      this.#output.sendSuback(packet.packetIdentifier, reasonCodes);
      return;
    }
    this.#pendingSubscribes++;
    this.#holdOrGoOn();
    this.#port.subscribe(granted, () => {
      this.#pendingSubscribes--;
      if (this.#phase !== 'open') return;
      this.#output.sendSuback(packet.packetIdentifier, reasonCodes);
      this.#holdOrGoOn();
    });
  }

  #unsubscribe(packet: UnsubscribePacket): void {
    const existed = this.#port.unsubscribe(packet.topicFilters);
    const reasonCodes = packet.topicFilters.map((topicFilter, i) => {
      this.#subscriptions.remove(topicFilter);
      if (topicFilterFault(topicFilter) !== undefined) return REASONS.topic_filter_invalid.code;
      return existed[i] === true ? 0 : NO_SUBSCRIPTION_EXISTED;
    });
    this.#output.sendUnsuback(packet.packetIdentifier, reasonCodes);
  }

  /** An interval above 0 after a CONNECT without one is a protocol error (§3.14.2.2.2). */
  #isDisconnectAllowed(packet: DisconnectPacket): boolean {
    return (
      packet.sessionExpiryIntervalSeconds <= 0 || (this.#terms?.askedSessionExpirySeconds ?? 0) > 0
    );
  }

  #holdOrGoOn(): void {
    const isFull =
      this.#pendingSubscribes >= PENDING_SUBSCRIBE_MAX ||
      // 3.1.1 clients cannot know our receive maximum: they wait instead of being closed.
      (this.#version === 4 && this.#ring.openCount >= this.#limits.receiveMaximum);
    if (isFull === this.#isHeld) return;
    this.#isHeld = isFull;
    this.#port.holdInput(isFull);
  }

  /** Ends the session; may be called twice. The port's `end` is called once. */
  end(reason: Reason): void {
    if (this.#phase === 'ended') return;
    const phase = this.#phase;
    const farewell =
      phase === 'open' && this.#version !== 0
        ? openFarewell(reason, this.#version, this.#terms?.clientPacketBytesMax ?? 0)
        : connectFarewell(reason, this.#version, this.#terms?.clientPacketBytesMax);
    this.#phase = 'ended';
    this.#port.end(reason, farewell);
  }
}
