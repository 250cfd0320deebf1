/**
 * A connected client of a simulated gateway: drives the core's seam and writes down what it gets.
 */
import type { Reason } from '#base';
import { PublishView } from '#mqtt';
import type { Delivery, GatewayCore, LocalClient } from '../../services/gateway/port.ts';

export interface Received {
  readonly topic: string;
  readonly payload: string;
  readonly qos: number;
}

/** A PUBLISH as a view over bytes of its own, as an MQTT 3.1.1 packet would hold them. */
export function publishView(topic: string, payload: string, qos: 0 | 1): PublishView {
  const name = Buffer.from(topic, 'utf8');
  const body = Buffer.from(payload, 'utf8');
  const view = new PublishView();
  view.buffer = Buffer.concat([Buffer.from([name.length >> 8, name.length & 0xff]), name, body]);
  view.topicStart = 0;
  view.topicEnd = 2 + name.length;
  view.propertiesStart = view.topicEnd;
  view.payloadStart = view.topicEnd;
  view.end = view.buffer.length;
  view.qos = qos;
  return view;
}

export class SimClient implements LocalClient {
  readonly connectionNumber: number;
  readonly clientIdentifier: string;
  readonly authenticationName: string;
  readonly received: Received[] = [];
  /** Payloads whose append was acknowledged, in that order. */
  readonly acknowledged: string[] = [];
  /** Payloads published at QoS 1, in order. */
  readonly published: string[] = [];
  closedFor: Reason | undefined;
  granted: Reason | 'granted' | undefined;
  readonly #core: GatewayCore;
  readonly #waiting = new Map<number, string>();
  #token = 0;

  constructor(
    core: GatewayCore,
    connectionNumber: number,
    clientIdentifier: string,
    name?: string,
  ) {
    this.#core = core;
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
      this.granted = decision;
      if (decision !== 'granted') this.#core.disconnect(this);
      onDecision?.();
    });
  }

  subscribe(topicFilter: string, onEffective?: () => void, qos: 0 | 1 = 1): void {
    const options = { qos, noLocal: false, retainAsPublished: false, subscriptionIdentifier: 0 };
    this.#core.subscribe(this, [{ topicFilter, ...options }], () => onEffective?.());
  }

  publish(topic: string, payload: string, qos: 0 | 1 = 1): void {
    const token = ++this.#token;
    if (qos === 1) {
      this.#waiting.set(token, payload);
      this.published.push(payload);
    }
    this.#core.publish(this, publishView(topic, payload, qos), topic, token);
  }

  disconnect(): void {
    this.closedFor ??= 'client_disconnected';
    this.#core.disconnect(this);
  }

  deliver(view: PublishView, qos: 0 | 1 | 2, _delivery: Delivery): void {
    this.received.push({
      topic: view.buffer.toString('utf8', view.topicStart + 2, view.topicEnd),
      payload: view.buffer.toString('utf8', view.payloadStart, view.end),
      qos,
    });
  }

  appended(token: number, outcome: 'stored' | 'full'): void {
    const payload = this.#waiting.get(token);
    this.#waiting.delete(token);
    if (outcome === 'stored' && payload !== undefined) this.acknowledged.push(payload);
  }

  close(reason: Reason): void {
    this.closedFor = reason;
    this.#core.disconnect(this);
  }
}
