/**
 * A connected client of a simulated gateway: drives the core's seam and writes down what it gets.
 */
import type { Clock, Reason } from '#base';
import type { PublishView } from '#mqtt';
import type { Departure } from '#session';
import { topicMatchesFilter } from '#topics';
import type { Delivery, GatewayCore, LiveHold, LocalClient } from '../../services/gateway/port.ts';
import { payloadTextOf, publishView, topicTextOf } from '../fixtures/publish-view.ts';

export interface Received {
  readonly topic: string;
  /** What stands before the padding. */
  readonly id: string;
  readonly qos: number;
  /** Kept, and sent because of a new subscription. */
  readonly retained: boolean;
}

export interface SimPublish {
  readonly topic: string;
  readonly id: string;
  readonly qos: 0 | 1 | 2;
  /** Payload bytes; at least those of the id. */
  readonly bytes?: number;
  readonly expirySeconds?: number;
  readonly retain?: boolean;
  /** Clears the retained message: no payload, so no id arrives. */
  readonly clears?: boolean;
}

const LOST: Departure = { sessionExpirySeconds: 0, publishesWill: true, inFlight: [] };

export class SimClient implements LocalClient {
  readonly connectionNumber: number;
  readonly clientIdentifier: string;
  readonly authenticationName: string;
  readonly received: Received[] = [];
  /** Ids whose append was acknowledged, in that order. */
  readonly acknowledged: string[] = [];
  /** What it saw that must not be. */
  readonly problems: string[] = [];
  hold: LiveHold | undefined;
  readonly hasRoom = true;
  readonly hasCapacity = true;
  readonly deliveryCountMax = 65_535;
  readonly cleanStart = true;
  readonly sessionExpirySeconds = 0;
  readonly will = undefined;
  /** Told each message of the log that comes live. */
  onLive: ((id: string) => void) | undefined;
  closedFor: Reason | undefined;
  granted: Reason | 'granted' | undefined;
  readonly #core: GatewayCore;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, string>();
  /** Tokens of QoS 2 publishes. */
  readonly #releasing = new Set<number>();
  readonly #subscribed = new Set<string>();
  #token = 0;

  constructor(
    core: GatewayCore,
    clock: Clock,
    connectionNumber: number,
    clientIdentifier: string,
    name?: string,
  ) {
    this.#core = core;
    this.#clock = clock;
    this.connectionNumber = connectionNumber;
    this.clientIdentifier = clientIdentifier;
    this.authenticationName = name ?? clientIdentifier;
  }

  get open(): boolean {
    return this.granted === 'granted' && this.closedFor === undefined;
  }
  get unacknowledged(): number {
    return this.#waiting.size;
  }

  connect(onDecision?: () => void): void {
    this.#core.connect(this, (decision) => {
      if (this.granted !== undefined) this.problems.push('its CONNECT was decided twice');
      this.granted = typeof decision === 'string' ? decision : 'granted';
      if (this.granted !== 'granted') this.#core.disconnect(this, LOST);
      onDecision?.();
    });
  }

  subscribe(topicFilter: string, onEffective?: () => void, qos: 0 | 1 = 1): void {
    this.#subscribed.add(topicFilter);
    const options = {
      qos,
      noLocal: false,
      retainAsPublished: false,
      subscriptionIdentifier: 0,
      retainHandling: 0,
    } as const;
    this.#core.subscribe(this, [{ topicFilter, ...options }], () => onEffective?.());
  }

  unsubscribe(topicFilter: string): void {
    this.#subscribed.delete(topicFilter);
    const [existed] = this.#core.unsubscribe(this, [topicFilter], () => undefined);
    if (existed !== true) this.problems.push(`its subscription to ${topicFilter} was not there`);
  }

  publish(message: SimPublish): void {
    const { topic, id, qos, bytes = 0, expirySeconds = -1, retain, clears } = message;
    const token = ++this.#token;
    if (qos > 0) this.#waiting.set(token, id);
    if (qos === 2) this.#releasing.add(token);
    const payload = clears === true ? '' : `${id} `.padEnd(bytes, 'x');
    const view = publishView({ topic, payload, qos, retain: retain === true });
    view.messageExpiryIntervalSeconds = expirySeconds;
    view.packetIdentifier = qos === 2 ? identifierOf(token) : 0;
    this.#core.publish(this, view, topic, token);
  }

  disconnect(): void {
    this.closedFor ??= 'client_disconnected';
    this.#core.disconnect(this, LOST);
  }

  deliver(view: PublishView, qos: 0 | 1 | 2, { retained }: Delivery): void {
    const topic = topicTextOf(view);
    const [id = ''] = payloadTextOf(view).split(' ', 1);
    this.received.push({ topic, id, qos, retained });
    if (!retained && id.startsWith('m')) this.onLive?.(id);
    const { expiresAtSeconds } = view;
    if (expiresAtSeconds !== 0 && expiresAtSeconds * 1_000 <= this.#clock.wallMs()) {
      this.problems.push(`${id} was delivered after its expiry`);
    }
    if (this.closedFor !== undefined) this.problems.push(`${id} came after the end`);
    for (const topicFilter of this.#subscribed) {
      if (topicMatchesFilter(topic, topicFilter)) return;
    }
    this.problems.push(`${id} on ${topic} came without a subscription`);
  }

  released(): void {}
  outStored(): void {}
  receivedStored(): void {}
  freeIdentifier(): void {}

  appended(token: number, outcome: 'stored' | 'full'): void {
    const id = this.#waiting.get(token);
    if (id === undefined) this.problems.push(`an append was decided twice, or never made`);
    else if (outcome === 'stored') this.acknowledged.push(id);
    this.#waiting.delete(token);
    if (this.#releasing.delete(token) && outcome === 'stored') {
      this.#core.releasePublish(this, identifierOf(token));
    }
  }

  close(reason: Reason): void {
    this.closedFor ??= reason;
    this.#core.disconnect(this, LOST);
  }
}

/** Packet identifier of a publish. */
function identifierOf(token: number): number {
  return (token % 65_535) + 1;
}
