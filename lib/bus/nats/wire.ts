/**
 * Wire — publish, subscribe and ask over a link that comes and goes.
 *
 * Shape: subscriptions live here and are made anew on each connection; what waits for an answer
 *        stands in one pending table and ends with the connection.
 * Cost:  publish is a line and a copy in the writer's buffer; an answer is a number read from the
 *        bytes of a subject and a map look-up.
 */
import { randomBytes } from 'node:crypto';
import type { Clock, Random } from '#base';
import { Link } from './link.ts';
import type { NatsConnection, NatsTls } from './nats-connection.ts';
import type { NatsMessage } from './nats-message.ts';
import { PendingTable, type Waiter } from './pending-table.ts';

/** Subject plus reply; the server cuts a connection whose control line exceeds 4,096 bytes. */
export const SUBJECT_BYTES_MAX = 3_900;
/** Wait at `close` for the server to take what was published. */
const CLOSE_FLUSH_MS = 1_000;

interface WireSubscription {
  readonly subject: string;
  readonly onMessage: (message: NatsMessage) => void;
  /** Its number on the connection in use; 0 while there is none. */
  sid: number;
}

export interface WireOptions {
  readonly servers: readonly string[];
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly tls?: NatsTls | undefined;
  readonly onTrouble?: ((text: string) => void) | undefined;
}

export class Wire {
  readonly clock: Clock;
  readonly #link: Link;
  readonly #pending: PendingTable;
  readonly #subscriptions = new Set<WireSubscription>();
  readonly #listeners = new Set<(connected: boolean) => void>();
  readonly #inbox = `_INBOX.${randomBytes(12).toString('hex')}`;
  readonly #answers = `${this.#inbox}.`;
  #inboxes = 0;
  #payloadBytesMax = 0;
  #closed = false;

  constructor({ servers, name, clock, random, tls, onTrouble }: WireOptions) {
    this.clock = clock;
    this.#pending = new PendingTable(clock);
    this.#link = new Link({
      servers,
      name,
      clock,
      random,
      tls,
      onTrouble: onTrouble ?? ((): void => undefined),
      onUp: (connection) => this.#onUp(connection),
      onDown: (why) => this.#onDown(why),
    });
    this.subscribe(`${this.#answers}*`, (message) => {
      this.#pending.settle(message.lastNumberOfSubject(), message);
    });
  }

  start(): void {
    this.#link.start();
  }

  get connected(): boolean {
    return this.#link.connection !== undefined;
  }

  /**
   * Largest payload the server takes, bytes; a reload may change it; 0 before the first connection.
   */
  get payloadBytesMax(): number {
    return this.#link.connection?.payloadBytesMax ?? this.#payloadBytesMax;
  }

  get lastFailure(): string {
    return this.#link.lastFailure;
  }

  onConnection(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A subject that nobody else uses; never one under which answers come. */
  newInbox(): string {
    return `${this.#inbox}.u.${++this.#inboxes}`;
  }

  /** `payload` is borrowed for the call. False: not connected, or too much is not written yet. */
  publish(subject: string, payload: Uint8Array, reply?: string, headers?: Buffer): boolean {
    const { connection } = this.#link;
    if (connection === undefined) return false;
    const bytes = payload.length + (headers?.length ?? 0);
    if (bytes > connection.payloadBytesMax) {
      throw new RangeError(`payload of ${bytes} bytes would cut the connection`);
    }
    return connection.publish(subject, payload, reply, headers);
  }

  /** Sends a request; `waiter` is settled once. `payload` is borrowed for the call. */
  request(
    subject: string,
    payload: Uint8Array,
    waiter: Waiter,
    timeoutMs: number,
    headers?: Buffer,
  ): void {
    if (!this.connected) {
      this.#pending.refuse(waiter, 'not connected');
      return;
    }
    const number = this.#pending.add(waiter, timeoutMs);
    if (this.publish(subject, payload, this.#answers + number, headers)) return;
    this.#pending.remove(number);
    this.#pending.refuse(waiter, 'too much waits to be sent');
  }

  /** Settles `waiter` as unanswered after this turn. */
  refuse(waiter: Waiter, why: string): void {
    this.#pending.refuse(waiter, why);
  }

  subscribe(subject: string, onMessage: (message: NatsMessage) => void): () => void {
    const subscription: WireSubscription = { subject, onMessage, sid: 0 };
    this.#subscriptions.add(subscription);
    const { connection } = this.#link;
    if (connection !== undefined) this.#attach(connection, subscription);
    return () => {
      if (!this.#subscriptions.delete(subscription)) return;
      if (subscription.sid > 0) this.#link.connection?.unsubscribe(subscription.sid);
    };
  }

  /** The memory of a message that nobody keeps any part of. */
  giveBack(payload: Buffer): void {
    this.#link.connection?.giveBack(payload);
  }

  /** Leaves a server that is of no use, where there are others, when this turn is over. */
  tryAnother(why: string): void {
    this.clock.whenIdle(() => this.#link.tryAnother(why));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#link.close(CLOSE_FLUSH_MS);
  }

  #attach(connection: NatsConnection, subscription: WireSubscription): void {
    subscription.sid = connection.subscribe(subscription.subject, subscription.onMessage);
  }

  #onUp(connection: NatsConnection): void {
    this.#payloadBytesMax = connection.payloadBytesMax;
    for (const subscription of this.#subscriptions) this.#attach(connection, subscription);
    for (const listener of this.#listeners) listener(true);
  }

  #onDown(why: string): void {
    for (const subscription of this.#subscriptions) subscription.sid = 0;
    this.#pending.failAll(why);
    for (const listener of this.#listeners) listener(false);
  }
}
