/** A client that only writes down what it is handed. */
import type { Reason } from '#base';
import type { PublishView } from '#mqtt';
import type {
  Delivery,
  LiveHold,
  LocalClient,
  Subscription,
} from '../../../services/gateway/port.ts';
import { payloadTextOf } from '../../fixtures/publish-view.ts';

export interface Handed {
  readonly payload: string;
  readonly qos: number;
  readonly identifiers: readonly number[];
  readonly retainAsPublished: boolean;
  readonly retained: boolean;
}

export class RecordingClient implements LocalClient {
  readonly connectionNumber: number;
  readonly clientIdentifier: string;
  readonly authenticationName: string;
  readonly handed: Handed[] = [];
  readonly appends: string[] = [];
  readonly closed: Reason[] = [];
  hold: LiveHold | undefined;
  hasRoom = true;
  hasCapacity = true;
  deliveryCountMax = 65_535;
  cleanStart = true;
  sessionExpirySeconds = 0;
  readonly will = undefined;
  readonly settledTickets: number[] = [];

  constructor(connectionNumber: number, clientIdentifier = `c${connectionNumber}`, name = 'name') {
    this.connectionNumber = connectionNumber;
    this.clientIdentifier = clientIdentifier;
    this.authenticationName = name;
  }

  deliver(view: PublishView, qos: 0 | 1 | 2, delivery: Delivery): void {
    this.handed.push({
      payload: payloadTextOf(view),
      qos,
      identifiers: delivery.subscriptionIdentifiers.toSorted((a, b) => a - b),
      retainAsPublished: delivery.retainAsPublished,
      retained: delivery.retained,
    });
  }
  released(): void {}
  outStored(_packetIdentifier: number): void {}
  receivedStored(_packetIdentifier: number): void {}
  freeIdentifier(): void {}
  appended(token: number, outcome: 'stored' | 'full'): void {
    this.appends.push(`${token} ${outcome}`);
  }
  close(reason: Reason): void {
    this.closed.push(reason);
  }
}

export function subscription(
  topicFilter: string,
  options: Partial<Subscription> = {},
): Subscription {
  return {
    topicFilter,
    qos: 1,
    noLocal: false,
    retainAsPublished: false,
    subscriptionIdentifier: 0,
    retainHandling: 2,
    ...options,
  };
}
