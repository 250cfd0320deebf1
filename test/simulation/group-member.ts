/** A client with a shared subscription: acknowledges at its own pace, and may go at any time. */
import type { Clock, Random, Reason } from '#base';
import type { PublishView } from '#mqtt';
import type { Departure } from '#session';
import type { Delivery, LiveHold, LocalClient } from '../../services/gateway/port.ts';
import { payloadTextOf, topicTextOf } from '../fixtures/publish-view.ts';
import type { SimGateway } from './sim-cluster.ts';

const LOST: Departure = { sessionExpirySeconds: 0, publishesWill: true, inFlight: [] };

/** One delivery of one message. */
export interface GroupDelivery {
  readonly id: string;
  readonly topic: string;
  readonly qos: number;
  readonly member: GroupClient;
  acknowledged: boolean;
}

export interface GroupClientOptions {
  readonly gateway: SimGateway;
  readonly clock: Clock;
  readonly random: Random;
  readonly connectionNumber: number;
  /** Longest time until it acknowledges, ms. */
  readonly slownessMs: number;
  readonly deliveryCountMax: number;
  readonly onDelivery: (delivery: GroupDelivery) => void;
}

export class GroupClient implements LocalClient {
  readonly connectionNumber: number;
  readonly clientIdentifier: string;
  readonly authenticationName = 'member';
  readonly cleanStart = true;
  readonly sessionExpirySeconds = 0;
  readonly will = undefined;
  readonly hasRoom = true;
  readonly deliveryCountMax: number;
  hold: LiveHold | undefined;
  subscribed = false;
  closed = false;
  readonly problems: string[] = [];
  readonly #o: GroupClientOptions;
  #open = 0;

  constructor(options: GroupClientOptions) {
    this.#o = options;
    this.connectionNumber = options.connectionNumber;
    this.clientIdentifier = `member-${options.connectionNumber}`;
    this.deliveryCountMax = options.deliveryCountMax;
  }

  get hasCapacity(): boolean {
    return this.#open < this.deliveryCountMax;
  }
  get gateway(): SimGateway {
    return this.#o.gateway;
  }

  join(topicFilter: string, qos: 0 | 1): void {
    const { core } = this.#o.gateway;
    core.connect(this, (decision) => {
      if (typeof decision === 'string') {
        this.closed = true;
        core.disconnect(this, LOST);
        return;
      }
      const terms = { noLocal: false, retainAsPublished: false, subscriptionIdentifier: 0 };
      core.subscribe(this, [{ topicFilter, qos, ...terms, retainHandling: 0 }], () => {
        this.subscribed = true;
      });
    });
  }

  /** The connection breaks. */
  leave(): void {
    if (this.closed) return;
    this.closed = true;
    this.#o.gateway.core.disconnect(this, LOST);
  }

  deliver(
    view: PublishView,
    qos: 0 | 1 | 2,
    { retained }: Delivery,
    ticket: number,
    identifier: number,
  ): void {
    const [id = ''] = payloadTextOf(view).split(' ', 1);
    if (this.closed) this.problems.push(`${id} came after the end`);
    if (retained || identifier > 0) this.problems.push(`${id} came as something else`);
    if (!this.hasCapacity && ticket > 0) this.problems.push(`${id} came though there was no room`);
    const topic = topicTextOf(view);
    const delivery = { id, topic, qos, member: this, acknowledged: false };
    this.#o.onDelivery(delivery);
    const { gateway, clock, random, slownessMs } = this.#o;
    if (qos === 0) {
      delivery.acknowledged = true;
      if (ticket > 0) gateway.core.settled(this, ticket);
      return;
    }
    if (ticket === 0) this.problems.push(`${id} came without a ticket`);
    this.#open++;
    clock.after(random() * slownessMs, () => {
      this.#open--;
      if (this.closed) return;
      delivery.acknowledged = true;
      gateway.core.settled(this, ticket);
    });
  }

  released(): void {}
  outStored(): void {}
  receivedStored(): void {}
  freeIdentifier(): void {}
  appended(): void {}
  close(_reason: Reason): void {
    this.leave();
  }
}
