/** A session without sockets: packets in as bytes, every effect recorded. */
import assert from 'node:assert/strict';
import type { Reason } from '#base';
import { PacketDecoder } from '#mqtt';
import type { AuthPacket, ConnackProperties, ConnectPacket, PublishView } from '#mqtt';
import { DEFAULT_SESSION_LIMITS, Session } from '#session';
import type {
  DeliveryTerms,
  Departure,
  GrantedSubscription,
  SessionGrant,
  SessionLimits,
  SessionOutput,
  SessionPort,
} from '#session';
import { connect, publish } from '../../fixtures/mqtt-client-encoder.ts';
import type { ConnectFields, Version } from '../../fixtures/mqtt-client-encoder.ts';

export const NO_TERMS: DeliveryTerms = {
  retainAsPublished: false,
  subscriptionIdentifiers: [],
  retained: false,
};

export const CLEAN: SessionGrant = {
  sessionPresent: false,
  isStored: false,
  subscriptions: [],
  inFlight: [],
  received: [],
};
export const STORED: SessionGrant = { ...CLEAN, isStored: true };

export interface SentDelivery {
  readonly identifier: number;
  readonly payload: string;
  readonly qos: 0 | 1 | 2;
  readonly dup: boolean;
}

/** Records every effect. */
export class Recorder implements SessionPort, SessionOutput {
  readonly pubacks: [number, number][] = [];
  readonly deliveries: SentDelivery[] = [];
  readonly tokens: number[] = [];
  readonly effective: (() => void)[] = [];
  /** Kinds of packets, and of the four acknowledgements for QoS 2 with identifier and code. */
  readonly sent: string[] = [];
  readonly holds: boolean[] = [];
  readonly renewed: string[] = [];
  readonly dropped_: Reason[] = [];
  readonly settledTickets: number[] = [];
  /** What was asked of the store, and which publishes are to be released. */
  readonly asked: string[] = [];
  readonly unsubscribed: string[] = [];
  ended: { reason: Reason; farewell: Buffer | undefined; departure: Departure } | undefined;
  authenticated: ConnectPacket | undefined;
  sessionPresent: boolean | undefined;
  isDenied = false;
  /** Filters that may not be subscribed to. */
  deniedFilter = '';
  /** Payloads that are dropped by name: as if expired, unless they were promised. */
  expired = new Set<string>();
  /** Payloads that are too large for the client. */
  tooLarge = new Set<string>();
  onSettled: (ticket: number) => void = () => undefined;
  onAsked: (what: string, packetIdentifier: number, ticket: number) => void = () => undefined;

  authenticate(packet: ConnectPacket): void {
    this.authenticated = packet;
  }
  reauthenticate(packet: AuthPacket): void {
    this.renewed.push(packet.authenticationData?.toString('latin1') ?? '');
  }
  mayPublish(): boolean {
    return !this.isDenied;
  }
  maySubscribe(topicFilter: string): boolean {
    return !this.isDenied && topicFilter !== this.deniedFilter;
  }
  publish(_view: PublishView, token: number): void {
    if (token >= 0) this.tokens.push(token);
  }
  subscribe(_subscriptions: readonly GrantedSubscription[], onEffective: () => void): void {
    this.effective.push(onEffective);
  }
  unsubscribe(topicFilters: readonly string[], onEffective: () => void): readonly boolean[] {
    this.unsubscribed.push(...topicFilters);
    this.effective.push(onEffective);
    return topicFilters.map(() => false);
  }
  releasePublish(packetIdentifier: number): void {
    this.#ask('release', packetIdentifier, 0);
  }
  settled(ticket: number): void {
    this.settledTickets.push(ticket);
    this.onSettled(ticket);
  }
  storeOut(packetIdentifier: number, ticket: number): void {
    this.#ask('out', packetIdentifier, ticket);
  }
  storeReceived(packetIdentifier: number): void {
    this.#ask('received', packetIdentifier, 0);
  }
  storeFinished(packetIdentifier: number): void {
    this.#ask('finished', packetIdentifier, 0);
  }
  #ask(what: string, packetIdentifier: number, ticket: number): void {
    this.asked.push(`${what} ${packetIdentifier}`);
    this.onAsked(what, packetIdentifier, ticket);
  }
  holdInput(held: boolean): void {
    this.holds.push(held);
  }
  dropped(reason: Reason): void {
    this.dropped_.push(reason);
  }
  end(reason: Reason, farewell: Buffer | undefined, departure: Departure): void {
    assert.equal(this.ended, undefined, 'ended once');
    this.ended = { reason, farewell, departure };
  }

  sendConnack(_properties: ConnackProperties | undefined, sessionPresent: boolean): boolean {
    this.sessionPresent = sessionPresent;
    return this.#put('connack');
  }
  sendPuback(packetIdentifier: number, reasonCode: number): void {
    this.pubacks.push([packetIdentifier, reasonCode]);
    this.#put('puback');
  }
  sendPubrec(packetIdentifier: number, reasonCode: number): void {
    this.#put(`pubrec ${packetIdentifier} ${reasonCode}`);
  }
  sendPubcomp(packetIdentifier: number, reasonCode: number): void {
    this.#put(`pubcomp ${packetIdentifier} ${reasonCode}`);
  }
  sendPubrel(packetIdentifier: number, reasonCode: number): void {
    this.#put(`pubrel ${packetIdentifier} ${reasonCode}`);
  }
  sendSuback(): void {
    this.#put('suback');
  }
  sendUnsuback(): void {
    this.#put('unsuback');
  }
  sendAuth(): void {
    this.#put('auth');
  }
  sendPingresp(): void {
    this.#put('pingresp');
  }
  takesDelivery(view: PublishView): boolean {
    const payload = payloadOf(view);
    return !this.expired.has(payload) && !this.tooLarge.has(payload);
  }
  sendDelivery(
    view: PublishView,
    qos: 0 | 1 | 2,
    identifier: number,
    _terms: DeliveryTerms,
    isPromised: boolean,
    dup: boolean,
  ): boolean {
    const payload = payloadOf(view);
    if (this.tooLarge.has(payload) || (!isPromised && this.expired.has(payload))) return false;
    this.deliveries.push({ identifier, payload, qos, dup });
    return this.#put('publish');
  }

  #put(kind: string): true {
    assert.equal(this.ended, undefined, `${kind} after the end`);
    this.sent.push(kind);
    return true;
  }
}

export class Driver {
  readonly recorder = new Recorder();
  readonly session: Session;
  readonly #decoder = new PacketDecoder({ packetBytesMax: 1 << 20 });

  constructor(limits: Partial<SessionLimits> = {}) {
    const all = { ...DEFAULT_SESSION_LIMITS, ...limits };
    this.session = new Session(this.recorder, this.recorder, all, () => 'assigned');
  }
  send(...packets: readonly Buffer[]): void {
    this.#decoder.push(Buffer.concat(packets));
    for (let p = this.#decoder.next(); p !== undefined; p = this.#decoder.next()) {
      if ('kind' in p && p.kind === 'fault') this.session.fault(p, this.#decoder.protocolVersion);
      else if (this.session.phase !== 'ended') this.session.receive(p);
    }
  }
  deliver(payload: string, qos: 0 | 1 | 2, ticket = 0, packetIdentifier = 0): void {
    this.session.deliver(message(payload), qos, NO_TERMS, ticket, packetIdentifier);
  }
  /** What was sent since the last call. */
  sent(): string[] {
    return this.recorder.sent.splice(0);
  }
}

export function open(
  version: Version,
  limits: Partial<SessionLimits> = {},
  fields: ConnectFields = {},
  grant: SessionGrant = CLEAN,
): Driver {
  const driver = new Driver(limits);
  driver.send(connect(version, fields));
  driver.session.granted(grant);
  assert.equal(driver.session.phase, 'open');
  return driver;
}

/** A message of the core for this client. */
export function message(payload: string): PublishView {
  const decoder = new PacketDecoder({ packetBytesMax: 1_000 });
  decoder.push(
    Buffer.concat([connect(5), publish(5, { topic: 't', qos: 1, payload: Buffer.from(payload) })]),
  );
  decoder.next();
  return decoder.next() as PublishView;
}

function payloadOf(view: PublishView): string {
  return view.buffer.toString('latin1', view.payloadStart, view.end);
}
