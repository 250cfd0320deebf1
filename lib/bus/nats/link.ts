/**
 * Link — one connection to NATS that is either up or lost, with a reconnect loop of its own.
 *
 * Shape: the library connects once and never reconnects by itself, so nothing can be buffered over
 *        a lost connection (protocol 2); after a loss this file connects anew until `close`.
 * Loss:  a closed socket at once; a stopped or unreachable server by silence: a ping a second,
 *        lost when neither pong nor message came for SILENCE_MS_MAX. A connection is given up by
 *        being destroyed: waiting for a stopped server to say goodbye would take for ever.
 */
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { Clock, Timer } from '#base';

/** Distance of pings. */
export const PING_INTERVAL_MS = 1_000;
/** Silence after a ping that means loss. Below the 3 s of the shortest lease. */
export const SILENCE_MS_MAX = 2_000;
/** One attempt to connect to one server. */
const CONNECT_TIMEOUT_MS = 2_000;
/** Wait between attempts; doubles up to the maximum, with jitter. */
const RECONNECT_MS_MIN = 50;
const RECONNECT_MS_MAX = 1_000;
/** The library's own pings are not needed. */
const LIBRARY_PING_INTERVAL_MS = 3_600_000;

export interface LinkOptions {
  readonly servers: readonly string[];
  readonly name: string;
  readonly clock: Clock;
  readonly onUp: (connection: NatsConnection) => void;
  readonly onDown: (why: string) => void;
}

export class Link {
  /** The connection in use; undefined while there is none. */
  connection: NatsConnection | undefined;
  /** Why the last attempt or connection ended. */
  lastFailure = 'never connected';

  readonly #o: LinkOptions;
  #closed = false;
  #attempts = 0;
  #retryTimer: Timer | undefined;
  #pingTimer: Timer | undefined;
  #pingSentMs = 0;
  #tickMs = 0;
  #messagesSeen = 0;

  constructor(options: LinkOptions) {
    this.#o = options;
  }

  /** Begins to connect; `onUp` follows. */
  start(): void {
    this.#dial();
  }

  /** Hands over what was published, then ends for good. */
  async close(flushMs: number): Promise<void> {
    this.#closed = true;
    this.#cancelTimers();
    const { connection } = this;
    if (connection === undefined) return;
    await Promise.race([
      connection.flush().catch(() => undefined),
      new Promise<void>((resolve) => this.#o.clock.after(flushMs, resolve)),
    ]);
    if (this.connection === connection) this.#lose(connection, 'closed');
  }

  #dial(): void {
    this.#attempts++;
    connect({
      servers: [...this.#o.servers],
      name: this.#o.name,
      reconnect: false,
      timeout: CONNECT_TIMEOUT_MS,
      pingInterval: LIBRARY_PING_INTERVAL_MS,
      ignoreClusterUpdates: true,
    }).then(
      (connection) => this.#onConnected(connection),
      (error: unknown) => this.#onRefused(error),
    );
  }

  #onRefused(error: unknown): void {
    this.lastFailure = error instanceof Error ? error.message : String(error);
    this.#planDial();
  }

  #planDial(): void {
    if (this.#closed) return;
    const doubled = RECONNECT_MS_MIN * 2 ** Math.min(this.#attempts, 10);
    const waitMs = Math.min(RECONNECT_MS_MAX, doubled) * (0.5 + Math.random() / 2);
    this.#retryTimer = this.#o.clock.after(waitMs, () => this.#dial());
  }

  #onConnected(connection: NatsConnection): void {
    if (this.#closed) {
      void connection.close();
      return;
    }
    this.#attempts = 0;
    this.connection = connection;
    void connection.closed().then((error) => {
      this.#lose(connection, error instanceof Error ? error.message : 'connection lost');
    });
    this.#pingSentMs = 0;
    this.#tickMs = this.#o.clock.nowMs();
    this.#planPing();
    this.#o.onUp(connection);
  }

  #lose(connection: NatsConnection, why: string): void {
    if (this.connection !== connection) return;
    this.connection = undefined;
    this.lastFailure = why;
    this.#cancelTimers();
    // Destroys the socket at once: this form of closing waits for nothing.
    void connection.close();
    this.#o.onDown(why);
    this.#planDial();
  }

  #cancelTimers(): void {
    if (this.#retryTimer !== undefined) this.#o.clock.cancel(this.#retryTimer);
    if (this.#pingTimer !== undefined) this.#o.clock.cancel(this.#pingTimer);
  }

  #planPing(): void {
    this.#pingTimer = this.#o.clock.after(PING_INTERVAL_MS, () => this.#onPingTick());
  }

  #onPingTick(): void {
    const { connection } = this;
    if (connection === undefined) return;
    const nowMs = this.#o.clock.nowMs();
    // A late tick means that this process stood: what arrived meanwhile has not been read yet.
    const stood = nowMs - this.#tickMs > 2 * PING_INTERVAL_MS;
    this.#tickMs = nowMs;
    const { inMsgs } = connection.stats();
    if (inMsgs !== this.#messagesSeen) {
      this.#messagesSeen = inMsgs;
      if (this.#pingSentMs !== 0) this.#pingSentMs = nowMs;
    }
    if (this.#pingSentMs === 0) this.#ping(connection, nowMs);
    else if (stood) this.#pingSentMs = nowMs;
    else if (nowMs - this.#pingSentMs >= SILENCE_MS_MAX) {
      this.#lose(connection, `no answer to a ping for ${SILENCE_MS_MAX} ms`);
      return;
    }
    this.#planPing();
  }

  #ping(connection: NatsConnection, nowMs: number): void {
    this.#pingSentMs = nowMs;
    connection.flush().then(
      () => {
        if (this.connection === connection) this.#pingSentMs = 0;
      },
      // A ping that fails: the connection is closing and `closed()` tells.
      () => undefined,
    );
  }
}
