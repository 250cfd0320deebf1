/**
 * Memory bus — the port for one process of a simulated cluster.
 *
 * Every callback runs in the process: stopped with it, never after its death. Request, answer and
 * delivery cross the connection's links one by one, with their delays and losses.
 */
import type { Clock } from '#base';
import {
  APPEND_TIMEOUT_MS,
  type AppendRequest,
  type AppendResult,
  type Bus,
  type BusMessage,
  type Follower,
  type FollowOptions,
  type GetResult,
  type StreamConfig,
  type StreamState,
} from '../port.ts';
import { MemoryConnection } from './memory-connection.ts';
import { MemoryFollower } from './memory-follower.ts';
import { MemoryRequests } from './memory-requests.ts';
import type { MemoryServer } from './memory-server.ts';
import { SimProcess } from './sim-process.ts';

const PAYLOAD_BYTES_MAX = 1024 * 1024;
const REQUEST_TIMEOUT_MS = 2_000;

/** What a simulation does to one process. */
export interface ProcessControl {
  readonly name: string;
  /** The clock to build the process on: it stops and dies with it. */
  readonly clock: Clock;
  readonly state: 'running' | 'paused' | 'killed';
  /** SIGSTOP and SIGCONT. */
  pause(): void;
  resume(): void;
  /** kill −9: nothing of the process is called again. */
  kill(): void;
  /** Nothing gets through to NATS until `heal`; noticed after 2–3 s, then answers are undecided. */
  partition(): void;
  heal(): void;
  /** The connection is cut, noticed at once, and made anew within a second. */
  disconnect(): void;
}

interface BusSubscription {
  readonly subject: string;
  readonly onMessage: (message: BusMessage) => void;
  removed: boolean;
  end: (() => void) | undefined;
}

export class MemoryBus implements Bus {
  readonly payloadBytesMax = PAYLOAD_BYTES_MAX;
  readonly control: ProcessControl;

  readonly #server: MemoryServer;
  readonly #process: SimProcess;
  readonly #connection: MemoryConnection;
  readonly #requests: MemoryRequests;
  readonly #listeners = new Set<(connected: boolean) => void>();
  readonly #subscriptions = new Set<BusSubscription>();
  readonly #followers = new Set<MemoryFollower>();
  #inboxes = 0;

  constructor(server: MemoryServer, name: string) {
    this.#server = server;
    const process = new SimProcess(name, server.clock, server.random);
    this.#process = process;
    this.#connection = new MemoryConnection(server, process, (up) => this.#onChange(up));
    this.#requests = new MemoryRequests(this.#connection, process.clock);
    this.control = this.#makeControl(process);
  }

  get connected(): boolean {
    return this.#connection.connected;
  }

  onConnection(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(subject: string, payload: Uint8Array, reply?: string): boolean {
    if (!this.connected) return false;
    if (payload.length > PAYLOAD_BYTES_MAX) {
      throw new RangeError(`payload of ${payload.length} bytes would cut the connection`);
    }
    const message = { subject, payload: Buffer.from(payload), reply };
    this.#connection.toServer(() => this.#server.route(message));
    return true;
  }

  subscribe(subject: string, onMessage: (message: BusMessage) => void): () => void {
    const subscription = { subject, onMessage, removed: false, end: undefined };
    this.#subscriptions.add(subscription);
    if (this.connected) this.#attach(subscription);
    return () => {
      if (subscription.removed) return;
      subscription.removed = true;
      this.#subscriptions.delete(subscription);
      this.#connection.toServer(() => this.#endSubscription(subscription));
    };
  }

  /** Who keeps a part in spite of it is to notice. */
  giveBack(payload: Buffer): void {
    payload.fill(0xdb);
  }

  inbox(): string {
    return `_INBOX.${this.control.name}.${++this.#inboxes}`;
  }

  append(request: AppendRequest, onResult: (result: AppendResult) => void): void {
    const payload = Buffer.from(request.payload);
    if (payload.length > PAYLOAD_BYTES_MAX) {
      const why = `payload too long (${payload.length} bytes)`;
      this.control.clock.whenIdle(() => onResult({ kind: 'failed', why }));
      return;
    }
    this.#requests.send<AppendResult>(
      (answer) => this.#server.append(request, payload, answer),
      (result, why) => onResult(result ?? { kind: 'undecided', why }),
      request.timeoutMs ?? APPEND_TIMEOUT_MS,
    );
  }

  lastOnSubject(stream: string, subject: string, onResult: (result: GetResult) => void): void {
    this.#requests.send<GetResult>(
      (answer) => {
        const led = this.#server.led(stream);
        if (led !== undefined) answer(led.lastOnSubject(subject));
      },
      (result, why) => onResult(result ?? { kind: 'undecided', why }),
      REQUEST_TIMEOUT_MS,
    );
  }

  get(stream: string, sequence: number, onResult: (result: GetResult) => void): void {
    this.#requests.send<GetResult>(
      (answer) => {
        const led = this.#server.led(stream);
        if (led === undefined) return;
        const message = led.get(sequence);
        answer(message === undefined ? { kind: 'absent' } : { kind: 'found', message });
      },
      (result, why) => onResult(result ?? { kind: 'undecided', why }),
      REQUEST_TIMEOUT_MS,
    );
  }

  state(stream: string, onResult: (state: StreamState | undefined) => void): void {
    this.#requests.send<StreamState>(
      (answer) => {
        const led = this.#server.led(stream);
        if (led !== undefined) answer(led.state());
      },
      onResult,
      REQUEST_TIMEOUT_MS,
    );
  }

  trim(stream: string, sequence: number, onResult: (done: boolean) => void): void {
    this.#requests.send<boolean>(
      (answer) => answer(this.#server.trim(stream, sequence)),
      (done) => onResult(done === true),
      REQUEST_TIMEOUT_MS,
    );
  }

  follow(options: FollowOptions): Follower {
    const follower = new MemoryFollower({
      server: this.#server,
      connection: this.#connection,
      requests: this.#requests,
      clock: this.#process.clock,
      options,
      onClose: () => this.#followers.delete(follower),
    });
    this.#followers.add(follower);
    return follower;
  }

  /** At once, without the network: set-up is no part of a run. */
  ensureStream(config: StreamConfig): Promise<void> {
    this.#server.createStream(config);
    return Promise.resolve();
  }

  close(): Promise<void> {
    for (const follower of this.#followers) follower.close();
    this.#connection.abandon();
    return Promise.resolve();
  }

  /** The server is gone (its connections die) or stops (`partition`). */
  onServerCrash(): void {
    this.#process.run('network', () => this.#connection.lose());
  }

  #makeControl(process: SimProcess): ProcessControl {
    return {
      name: process.name,
      clock: process.clock,
      get state() {
        return process.state;
      },
      pause: () => process.pause(),
      resume: () => process.resume(),
      kill: () => {
        process.kill();
        this.#connection.abandon();
      },
      partition: () => this.#connection.block(),
      heal: () => this.#connection.unblock(),
      disconnect: () => process.run('network', () => this.#connection.lose()),
    };
  }

  #attach(subscription: BusSubscription): void {
    const { epoch } = this.#connection;
    this.#connection.toServer(() => {
      if (subscription.removed || epoch !== this.#connection.epoch) return;
      subscription.end = this.#server.subscribe({
        subject: subscription.subject,
        deliver: (message) => {
          this.#connection.toClient(epoch, () => {
            if (!subscription.removed) subscription.onMessage(message);
          });
        },
      });
    });
  }

  #endSubscription(subscription: BusSubscription): void {
    subscription.end?.();
    subscription.end = undefined;
  }

  #onChange(connected: boolean): void {
    if (connected) {
      for (const subscription of this.#subscriptions) this.#attach(subscription);
    } else {
      for (const subscription of this.#subscriptions) this.#endSubscription(subscription);
      for (const follower of this.#followers) follower.stop();
    }
    if (this.#process.state === 'killed') return;
    if (!connected) this.#requests.failAll('connection lost');
    for (const listener of this.#listeners) listener(connected);
    if (!connected) return;
    for (const follower of this.#followers) follower.start();
  }
}
