/** Memory follower — the client's side of a consumer: survives connections, returns credit. */
import type { Clock, Timer } from '#base';
import {
  type Follower,
  FOLLOW_WINDOW_BYTES,
  type FollowOptions,
  type StreamMessage,
} from '../port.ts';
import type { MemoryConnection } from './memory-connection.ts';
import type { MemoryRequests } from './memory-requests.ts';
import type { MemoryServer } from './memory-server.ts';

const START_TIMEOUT_MS = 2_000;
const RESTART_MS = 250;
/** Credit goes back in steps, not per message. */
const CREDIT_STEP_BYTES = FOLLOW_WINDOW_BYTES / 4;

type ServerConsumer = ReturnType<MemoryServer['consume']>;

export interface MemoryFollowerOptions {
  readonly server: MemoryServer;
  readonly connection: MemoryConnection;
  readonly requests: MemoryRequests;
  readonly clock: Clock;
  readonly options: FollowOptions;
  readonly onClose: () => void;
}

export class MemoryFollower implements Follower {
  readonly #o: MemoryFollowerOptions;
  #next: number;
  #generation = 0;
  #consumer: ServerConsumer;
  #creditBytes = 0;
  #paused = false;
  #closed = false;
  #restart: Timer | undefined;

  constructor(options: MemoryFollowerOptions) {
    this.#o = options;
    this.#next = Math.max(1, options.options.fromSequence);
    this.start();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#giveCredit();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.stop();
    this.#o.onClose();
  }

  stop(): void {
    this.#generation++;
    this.#consumer?.end();
    this.#consumer = undefined;
    this.#creditBytes = 0;
    if (this.#restart !== undefined) this.#o.clock.cancel(this.#restart);
  }

  start(): void {
    this.stop();
    if (this.#closed || !this.#o.connection.connected) return;
    const generation = this.#generation;
    const { epoch } = this.#o.connection;
    this.#o.requests.send<boolean>(
      (answer) => {
        if (generation !== this.#generation) return;
        // The answer goes first: the link keeps the order.
        const led = this.#o.server.led(this.#o.options.stream) !== undefined;
        answer(led);
        if (led) this.#consume(generation, epoch);
      },
      (started) => {
        if (generation !== this.#generation || started === true) return;
        this.#restart = this.#o.clock.after(RESTART_MS, () => this.start());
      },
      START_TIMEOUT_MS,
    );
  }

  #consume(generation: number, epoch: number): void {
    const { connection, server, options } = this.#o;
    const send = (arrive: () => void): void => {
      connection.toClient(epoch, () => {
        if (generation === this.#generation) arrive();
      });
    };
    this.#consumer = server.consume(options.stream, this.#next, options.subject, {
      message: (message) => send(() => this.#onMessage(message)),
      caughtUp: (lastSequence) => send(() => options.onCaughtUp?.(lastSequence)),
      gap: (firstSequence) =>
        send(() => {
          this.#next = Math.max(this.#next, firstSequence);
          options.onGap?.(firstSequence);
        }),
    });
  }

  #onMessage(message: StreamMessage): void {
    this.#next = message.sequence + 1;
    this.#creditBytes += message.payload.length;
    // The stream's own bytes stay whole, whatever becomes of those handed out.
    this.#o.options.onMessage({ ...message, payload: Buffer.from(message.payload) });
    if (!this.#paused && this.#creditBytes >= CREDIT_STEP_BYTES) this.#giveCredit();
  }

  #giveCredit(): void {
    const bytes = this.#creditBytes;
    if (bytes === 0) return;
    this.#creditBytes = 0;
    const consumer = this.#consumer;
    this.#o.connection.toServer(() => consumer?.grant(bytes));
  }
}
