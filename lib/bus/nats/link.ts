/**
 * Link — one connection to NATS that is either up or lost, with a reconnect loop of its own.
 *
 * Shape: a connection lives once and is never mended, so nothing can be buffered over a loss
 *        (protocol 2); after a loss this file connects anew until `close`: the servers in turn,
 *        from a random one, with a wait after each round.
 * Several: after a loss the next one in turn; `tryAnother` leaves one that lives and is of no use.
 * Loss:  a closed socket at once; a stopped or unreachable server by silence: a ping a second,
 *        lost when neither pong nor anything else came for SILENCE_MS_MAX. A connection is given up
 *        by being destroyed: waiting for a stopped server to say goodbye would take for ever.
 */
import type { Clock, Random, Timer } from '#base';
import { NatsConnection, type NatsTls } from './nats-connection.ts';
import { readServerAddress } from './server-address.ts';

/** Distance of pings. */
export const PING_INTERVAL_MS = 1_000;
/** Silence after a ping that means loss. Below the 3 s of the shortest lease. */
export const SILENCE_MS_MAX = 2_000;
/** One attempt to connect to one server. */
const CONNECT_TIMEOUT_MS = 2_000;
/** Wait between attempts; doubles up to the maximum, with jitter. */
const RECONNECT_MS_MIN = 50;
const RECONNECT_MS_MAX = 1_000;

export interface LinkOptions {
  readonly servers: readonly string[];
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly tls: NatsTls | undefined;
  readonly onUp: (connection: NatsConnection) => void;
  readonly onDown: (why: string) => void;
  /** A complaint of the server that leaves the connection. */
  readonly onTrouble: (text: string) => void;
}

export class Link {
  /** The connection in use; undefined while there is none. */
  connection: NatsConnection | undefined;
  /** Why the last attempt or connection ended. */
  lastFailure = 'never connected';

  readonly #o: LinkOptions;
  #dialling: NatsConnection | undefined;
  #closed = false;
  #attempts = 0;
  #nextServer = 0;
  #retryTimer: Timer | undefined;
  #pingTimer: Timer | undefined;
  #pingSentMs = 0;
  #tickMs = 0;
  #readsSeen = 0;

  constructor(options: LinkOptions) {
    this.#o = options;
    this.#nextServer = Math.floor(options.random() * options.servers.length);
  }

  /** Begins to connect; `onUp` follows. */
  start(): void {
    this.#dial();
  }

  /** Ends the connection in use when there is another server to go to. */
  tryAnother(why: string): void {
    if (this.#o.servers.length > 1) this.connection?.end(why);
  }

  /** Hands over what was published, then ends for good. */
  async close(flushMs: number): Promise<void> {
    this.#closed = true;
    this.#cancelTimers();
    this.#dialling?.end('closed');
    const { connection } = this;
    if (connection === undefined) return;
    await new Promise<void>((resolve) => {
      connection.ping(() => resolve());
      this.#o.clock.after(flushMs, resolve);
    });
    connection.end('closed');
  }

  #dial(): void {
    this.#attempts++;
    const text = this.#o.servers[this.#nextServer++ % this.#o.servers.length] ?? '';
    const server = readServerAddress(text);
    if (server === undefined) {
      this.lastFailure = `no address of a NATS server: ${text.replace(/\/\/.*@/, '//')}`;
      this.#planDial();
      return;
    }
    this.#dialling = new NatsConnection({
      server,
      name: this.#o.name,
      clock: this.#o.clock,
      timeoutMs: CONNECT_TIMEOUT_MS,
      tls: this.#o.tls,
      onReady: (connection) => this.#onReady(connection),
      onEnd: (connection, why) => this.#onEnd(connection, why),
      onTrouble: this.#o.onTrouble,
    });
  }

  #planDial(): void {
    if (this.#closed) return;
    const servers = Math.max(1, this.#o.servers.length);
    const rounds = Math.ceil(this.#attempts / servers);
    const doubled = RECONNECT_MS_MIN * 2 ** Math.min(rounds, 10);
    const pauseMs = Math.min(RECONNECT_MS_MAX, doubled) * (0.5 + this.#o.random() / 2);
    const waitMs = this.#attempts % servers === 0 ? pauseMs : 0;
    this.#retryTimer = this.#o.clock.after(waitMs, () => this.#dial());
  }

  #onReady(connection: NatsConnection): void {
    this.#dialling = undefined;
    this.#attempts = 0;
    this.connection = connection;
    this.#pingSentMs = 0;
    this.#tickMs = this.#o.clock.nowMs();
    this.#planPing();
    this.#o.onUp(connection);
  }

  #onEnd(connection: NatsConnection, why: string): void {
    this.lastFailure = why;
    this.#cancelTimers();
    if (this.connection === connection) {
      this.connection = undefined;
      this.#o.onDown(why);
    } else this.#dialling = undefined;
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
    const { reads } = connection;
    if (reads !== this.#readsSeen) {
      this.#readsSeen = reads;
      if (this.#pingSentMs !== 0) this.#pingSentMs = nowMs;
    }
    if (this.#pingSentMs === 0) this.#ping(connection, nowMs);
    else if (stood) this.#pingSentMs = nowMs;
    else if (nowMs - this.#pingSentMs >= SILENCE_MS_MAX) {
      connection.end(`no answer to a ping for ${SILENCE_MS_MAX} ms`);
      return;
    }
    this.#planPing();
  }

  #ping(connection: NatsConnection, nowMs: number): void {
    this.#pingSentMs = nowMs;
    connection.ping(() => {
      if (this.connection === connection) this.#pingSentMs = 0;
    });
  }
}
