/**
 * Session — the protocol state of one connected client, from CONNECT to the end.
 *
 * Shape: input by method, effects by calls to its two seams; no clock, no sockets, no randomness,
 *        so that it replays. Everything it keeps is bounded by SessionLimits.
 * Owner: one connection. What outlives it (subscriptions, deliveries, the will) is the core's: it
 *        comes with `granted` and goes with the Departure.
 * Parts: PublishFlow, what the client publishes; DeliveryFlow, what it is sent.
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
import type { ConnectionTerms } from './connect-rules.ts';
import { judgeConnect } from './connect-rules.ts';
import { DeliveryFlow } from './delivery-flow.ts';
import { connectFarewell, openFarewell } from './farewell.ts';
import { PublishFlow } from './publish-flow.ts';
import type { SessionLimits } from './session-limits.ts';
import type { DeliveryTerms, SessionGrant, SessionOutput, SessionPort } from './session-port.ts';
import { SubscriptionSet } from './subscription-set.ts';

export type SessionPhase = 'awaiting_connect' | 'connecting' | 'open' | 'ended';

/** SUBSCRIBEs and UNSUBSCRIBEs that await their answer before input is held. */
export const PENDING_SUBSCRIBE_MAX = 64;

const NO_SUBSCRIPTION_EXISTED = 0x11;
const RE_AUTHENTICATE = 0x19;
const NO_TOKEN = -1;

export class Session {
  readonly #port: SessionPort;
  readonly #output: SessionOutput;
  readonly #limits: SessionLimits;
  readonly #assignIdentifier: () => string;
  readonly #publishes: PublishFlow;
  readonly #subscriptions: SubscriptionSet;
  #phase: SessionPhase = 'awaiting_connect';
  /** Set with the phase `connecting`. */
  #terms: ConnectionTerms | undefined;
  /** Set by `granted`. */
  #deliveries: DeliveryFlow | undefined;
  /** The client has state of an earlier connection. */
  #isResumed = false;
  /** As granted, or as DISCONNECT has changed it. */
  #sessionExpirySeconds = 0;
  /** DISCONNECT with 0x00 came [MQTT-3.14.4-3]. */
  #isWillDropped = false;
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
    this.#publishes = new PublishFlow(port, output);
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
  /** Bytes of deliveries that wait for the client's acknowledgements. */
  get backlogBytes(): number {
    return this.#deliveries?.backlogBytes ?? 0;
  }
  /** PUBLISHes of the client without PUBACK or PUBREC. */
  get unacknowledgedCount(): number {
    return this.#publishes.unacknowledgedCount;
  }
  /** Deliveries may wait for the client elsewhere: it need not be ended when it is slow. */
  get isStored(): boolean {
    return this.#deliveries?.isStored === true;
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
        this.#disconnect(packet);
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
    this.#sessionExpirySeconds = verdict.terms.sessionExpirySeconds;
    this.#port.authenticate(packet);
  }

  /** Authenticated, and the client identifier is ours: CONNACK, and what an earlier life left. */
  granted(grant: SessionGrant): void {
    const terms = this.#terms;
    if (this.#phase !== 'connecting' || terms === undefined) return;
    const { sessionPresent } = grant;
    if (!this.#output.sendConnack(terms.connack, sessionPresent)) {
      return this.end('packet_too_large');
    }
    this.#phase = 'open';
    this.#isResumed = sessionPresent;
    const { deliveryCountMax } = terms;
    this.#deliveries = new DeliveryFlow(this.#port, this.#output, deliveryCountMax, grant);
    if (grant.subscriptions.length > 0) this.#resume(grant);
  }

  /** What the client may no longer have is taken from it; the rest goes on. */
  #resume(grant: SessionGrant): void {
    const gone: string[] = [];
    for (const subscription of grant.subscriptions) {
      const { topicFilter } = subscription;
      if (this.#port.maySubscribe(topicFilter)) this.#subscriptions.resume(subscription);
      else gone.push(topicFilter);
    }
    if (gone.length === 0) return;
    this.#port.unsubscribe(gone, () => undefined);
    for (let i = 0; i < gone.length; i++) this.#port.dropped('subscription_revoked');
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
    const { qos, packetIdentifier } = view;
    const publishes = this.#publishes;
    if (qos === 2 && publishes.isOpen(packetIdentifier)) return this.#repeat(packetIdentifier);
    const isPermitted = this.#port.mayPublish(view);
    if (qos === 0) {
      if (isPermitted) this.#port.publish(view, NO_TOKEN);
      else this.#port.dropped('qos0_not_authorized');
      return;
    }
    const isFull = publishes.openCount >= this.#limits.receiveMaximum;
    if (isFull && this.#version === 5) return this.end('receive_maximum_exceeded');
    if (!isPermitted && this.#version === 4) return this.end('publish_not_authorized');
    const token = publishes.open(packetIdentifier, qos);
    if (isPermitted) this.#port.publish(view, token);
    else this.#refuse(token, 'publish_not_authorized');
    if (this.#version === 4) this.#holdOrGoOn();
  }

  /** It costs a place among the unanswered ones, so that these stay bounded. */
  #repeat(packetIdentifier: number): void {
    const isFull = this.#publishes.unacknowledgedCount >= this.#limits.receiveMaximum;
    if (isFull && this.#version === 5) return this.end('receive_maximum_exceeded');
    this.#publishes.repeat(packetIdentifier);
    if (this.#version === 4) this.#holdOrGoOn();
  }

  #refuse(token: number, reason: Reason): void {
    this.#port.dropped(reason);
    this.#publishes.settle(token, REASONS[reason].code);
  }

  /** The log has decided the publish of this token. */
  appended(token: number, outcome: 'stored' | 'full'): void {
    if (this.#phase !== 'open') return;
    if (outcome === 'full') {
      // 3.1.1 has no word for it: no PUBACK, the connection ends (protocol 5).
      if (this.#version === 4) return this.end('log_full');
      this.#refuse(token, 'log_full');
    } else this.#publishes.settle(token, 0);
    if (this.#isHeld) this.#holdOrGoOn();
  }

  /** The release of a QoS 2 publish is in the log: PUBCOMP. */
  released(packetIdentifier: number): void {
    if (this.#phase === 'open') this.#publishes.released(packetIdentifier);
  }

  /** A message for this client; see LocalClient. Borrowed. */
  deliver(
    view: PublishView,
    qos: 0 | 1 | 2,
    terms: DeliveryTerms,
    ticket: number,
    packetIdentifier: number,
  ): void {
    if (this.#phase !== 'open') return;
    this.#deliveries?.deliver(view, qos, terms, ticket, packetIdentifier);
  }
  outStored(packetIdentifier: number): void {
    this.#deliveries?.outStored(packetIdentifier);
  }
  receivedStored(packetIdentifier: number): void {
    this.#deliveries?.receivedStored(packetIdentifier);
  }
  freeIdentifier(packetIdentifier: number): void {
    this.#deliveries?.freeIdentifier(packetIdentifier);
  }

  #acknowledged(packet: AckPacket): void {
    const { packetIdentifier } = packet;
    switch (packet.kind) {
      case 'puback':
        this.#deliveries?.puback(packetIdentifier);
        return;
      case 'pubrec':
        this.#deliveries?.pubrec(packetIdentifier, packet.reasonCode);
        return;
      case 'pubrel':
        if (!this.#publishes.release(packetIdentifier, this.#isResumed)) this.end('protocol_error');
        return;
      case 'pubcomp':
        this.#deliveries?.pubcomp(packetIdentifier);
        return;
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
    const { packetIdentifier } = packet;
    const answer = (): void => this.#output.sendSuback(packetIdentifier, reasonCodes);
    this.#port.subscribe(granted, this.#answerLater(answer));
  }

  #unsubscribe({ packetIdentifier, topicFilters }: UnsubscribePacket): void {
    for (const topicFilter of topicFilters) this.#subscriptions.remove(topicFilter);
    let reasonCodes: readonly number[] = [];
    const answer = (): void => this.#output.sendUnsuback(packetIdentifier, reasonCodes);
    const later = this.#answerLater(answer);
    // It may be effective before the call is over, when the codes are not known yet.
    let isEffective = false;
    const existed = this.#port.unsubscribe(topicFilters, () => {
      isEffective = true;
      if (reasonCodes.length > 0) later();
    });
    reasonCodes = topicFilters.map((topicFilter, i) => {
      if (topicFilterFault(topicFilter) !== undefined) return REASONS.topic_filter_invalid.code;
      return existed[i] === true ? 0 : NO_SUBSCRIPTION_EXISTED;
    });
    if (isEffective) later();
  }

  /** Counts an answer that waits for the core; call what it returns once. */
  #answerLater(answer: () => void): () => void {
    this.#pendingSubscribes++;
    this.#holdOrGoOn();
    return () => {
      this.#pendingSubscribes--;
      if (this.#phase !== 'open') return;
      answer();
      this.#holdOrGoOn();
    };
  }

  #disconnect(packet: DisconnectPacket): void {
    if (!this.#isDisconnectAllowed(packet)) return this.end('protocol_error');
    const { sessionExpiryIntervalSeconds: asked } = packet;
    if (asked >= 0) {
      this.#sessionExpirySeconds = Math.min(asked, this.#limits.sessionExpirySecondsMax);
    }
    this.#isWillDropped = packet.reasonCode === 0;
    this.end('client_disconnected');
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
      (this.#version === 4 && this.#publishes.unacknowledgedCount >= this.#limits.receiveMaximum);
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
    // Whose rights are withdrawn publishes nothing any more.
    const isSilent = this.#isWillDropped || reason === 'authorization_revoked';
    this.#port.end(reason, farewell, {
      sessionExpirySeconds: this.#sessionExpirySeconds,
      publishesWill: phase === 'open' && !isSilent,
      inFlight: this.#deliveries?.close() ?? [],
    });
  }
}
