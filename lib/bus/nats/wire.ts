/**
 * Wire — publish, subscribe and ask over a link that comes and goes.
 *
 * Shape: subscriptions live here and are made anew on each connection; what waits for an answer
 *        stands in one pending table and ends with the connection.
 * Cost:  publish is a copy into what leaves at the end of the turn of callbacks; an answer is a
 *        number read from a subject and a map look-up.
 * Fails: a callback that throws is a programming error: it is raised outside of the library, whose
 *        reader would swallow it.
 */
import { randomBytes } from 'node:crypto';
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import type { Clock } from '#base';
import type { CommandWriter } from './command-writer.ts';
import { takeOver } from './direct-socket.ts';
import { Link } from './link.ts';
import { PendingTable, type Waiter } from './pending-table.ts';
import { lastNumberOfSubject } from './wire-message.ts';

/** Subject plus reply; the server cuts a connection whose control line exceeds 4,096 bytes. */
export const SUBJECT_BYTES_MAX = 3_900;
/** Wait at `close` for the server to take what was published. */
const CLOSE_FLUSH_MS = 1_000;

interface WireSubscription {
  readonly subject: string;
  readonly onMessage: (message: Msg) => void;
  library: Subscription | undefined;
  removed: boolean;
}

export class Wire {
  readonly clock: Clock;
  readonly #link: Link;
  readonly #pending: PendingTable;
  readonly #subscriptions = new Set<WireSubscription>();
  readonly #listeners = new Set<(connected: boolean) => void>();
  readonly #inbox = `_INBOX.${randomBytes(12).toString('hex')}`;
  readonly #answers = `${this.#inbox}.`;
  /** Of the connection in use. */
  #writer: CommandWriter | undefined;
  #inboxes = 0;
  #payloadBytesMax = 0;
  #closed = false;

  constructor(servers: readonly string[], name: string, clock: Clock) {
    this.clock = clock;
    this.#pending = new PendingTable(clock);
    this.#link = new Link({
      servers,
      name,
      clock,
      onUp: (connection) => this.#onUp(connection),
      onDown: (why) => this.#onDown(why),
    });
    this.subscribe(`${this.#answers}*`, (message) => {
      this.#pending.settle(lastNumberOfSubject(message), message);
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
    return this.#link.connection?.info?.max_payload ?? this.#payloadBytesMax;
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

  /** `payload` is borrowed for the call. False: not connected. */
  publish(subject: string, payload: Uint8Array, reply = '', headers?: Buffer): boolean {
    const { connection } = this.#link;
    if (connection === undefined || connection.isClosed()) return false;
    const bytes = payload.length + (headers?.length ?? 0);
    if (bytes > this.payloadBytesMax) {
      throw new RangeError(`payload of ${bytes} bytes would cut the connection`);
    }
    this.#writer?.publish(subject, payload, reply, headers);
    return true;
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
    this.publish(subject, payload, this.#answers + number, headers);
  }

  /** Settles `waiter` as unanswered after this turn. */
  refuse(waiter: Waiter, why: string): void {
    this.#pending.refuse(waiter, why);
  }

  subscribe(subject: string, onMessage: (message: Msg) => void): () => void {
    const subscription: WireSubscription = {
      subject,
      onMessage,
      library: undefined,
      removed: false,
    };
    this.#subscriptions.add(subscription);
    const { connection } = this.#link;
    if (connection !== undefined) this.#attach(connection, subscription);
    return () => {
      if (subscription.removed) return;
      subscription.removed = true;
      this.#subscriptions.delete(subscription);
      if (this.connected) subscription.library?.unsubscribe();
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#writer?.flush();
    await this.#link.close(CLOSE_FLUSH_MS);
  }

  #attach(connection: NatsConnection, subscription: WireSubscription): void {
    // What is published from now on leaves after the SUB: see CommandWriter.
    this.#writer?.flush();
    subscription.library = connection.subscribe(subscription.subject, {
      callback: (error, message) => {
        // What a given-up connection still brings is not heard any more.
        if (error !== null || subscription.removed) return;
        if (this.#link.connection !== connection) return;
        try {
          subscription.onMessage(message);
        } catch (thrown) {
          queueMicrotask(() => {
            throw thrown;
          });
        }
      },
    });
  }

  #onUp(connection: NatsConnection): void {
    this.#writer = takeOver(connection);
    this.#payloadBytesMax = connection.info?.max_payload ?? 0;
    for (const subscription of this.#subscriptions) this.#attach(connection, subscription);
    for (const listener of this.#listeners) listener(true);
  }

  #onDown(why: string): void {
    this.#writer = undefined;
    for (const subscription of this.#subscriptions) subscription.library = undefined;
    this.#pending.failAll(why);
    for (const listener of this.#listeners) listener(false);
  }
}
