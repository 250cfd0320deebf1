/**
 * NATS bus — the port on real servers: what is stored goes raw to JetStream's subjects with the
 * answer coming to an own inbox (1.7–4 µs an append; a JetStream client's takes 32 µs).
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
import { encodeHeaders, PendingAppend } from './append-wire.ts';
import { statusOf } from './header-block.ts';
import { NatsFollower } from './nats-follower.ts';
import { checkSubject } from './nats-writer.ts';
import { QuorumWatch } from './quorum-watch.ts';
import { StreamApi } from './stream-api.ts';
import { ensureStream } from './stream-setup.ts';
import { SUBJECT_BYTES_MAX, type Wire } from './wire.ts';

/** The server's own answer to a request on a subject that nobody subscribes to. */
const NO_RESPONDERS = 503;

export class NatsBus implements Bus {
  readonly #wire: Wire;
  readonly #api: StreamApi;
  readonly #clock: Clock;
  readonly #watch: QuorumWatch;
  readonly #followers = new Set<NatsFollower>();

  constructor(wire: Wire) {
    this.#wire = wire;
    this.#api = new StreamApi(wire);
    this.#clock = wire.clock;
    this.#watch = new QuorumWatch(wire.clock, () => wire.tryAnother('decides no append'));
    wire.onConnection(() => this.#watch.reset());
  }

  get connected(): boolean {
    return this.#wire.connected;
  }

  get payloadBytesMax(): number {
    return this.#wire.payloadBytesMax;
  }

  onConnection(listener: (connected: boolean) => void): () => void {
    return this.#wire.onConnection(listener);
  }

  publish(subject: string, payload: Uint8Array, reply?: string): boolean {
    if (subject.length + (reply?.length ?? 0) > SUBJECT_BYTES_MAX) {
      throw new RangeError(`subject of ${subject.length} bytes would cut the connection`);
    }
    if (reply !== undefined) checkSubject(reply);
    return this.#wire.publish(subject, payload, reply);
  }

  subscribe(subject: string, onMessage: (message: BusMessage) => void): () => void {
    const fixed = /[*>]/.test(subject) ? undefined : subject;
    return this.#wire.subscribe(subject, (message) => {
      // Nobody answered is no answer: whoever asked has a time-out.
      if (statusOf(message.header) === NO_RESPONDERS) return;
      const { payload, reply } = message;
      onMessage({ subject: fixed ?? message.subject, payload, reply });
    });
  }

  giveBack(payload: Buffer): void {
    this.#wire.giveBack(payload);
  }

  inbox(): string {
    return this.#wire.newInbox();
  }

  append(request: AppendRequest, onResult: (result: AppendResult) => void): void {
    const { stream, subject, payload } = request;
    const headers = encodeHeaders(request);
    const waiter = new PendingAppend(stream, this.#watch, onResult);
    const bytes = payload.length + (headers?.length ?? 0);
    if (subject.length > SUBJECT_BYTES_MAX || (this.connected && bytes > this.payloadBytesMax)) {
      const why = `subject or payload too long (${bytes} bytes)`;
      this.#clock.whenIdle(() => onResult({ kind: 'failed', why }));
      return;
    }
    const timeoutMs = request.timeoutMs ?? APPEND_TIMEOUT_MS;
    if (this.connected) this.#watch.sent();
    this.#wire.request(subject, payload, waiter, timeoutMs, headers);
  }

  lastOnSubject(stream: string, subject: string, onResult: (result: GetResult) => void): void {
    this.#api.last(stream, subject, onResult);
  }

  get(stream: string, sequence: number, onResult: (result: GetResult) => void): void {
    this.#api.get(stream, sequence, onResult);
  }

  state(stream: string, onResult: (state: StreamState | undefined) => void): void {
    this.#api.state(stream, onResult);
  }

  trim(stream: string, sequence: number, onResult: (done: boolean) => void): void {
    // To the server sequence 0 means everything.
    if (sequence <= 1) this.#clock.whenIdle(() => onResult(true));
    else this.#api.trim(stream, sequence, onResult);
  }

  follow(options: FollowOptions): Follower {
    const follower = new NatsFollower(this.#wire, this.#api, options);
    this.#followers.add(follower);
    return {
      pause: () => follower.pause(),
      resume: () => follower.resume(),
      close: () => {
        this.#followers.delete(follower);
        follower.close();
      },
    };
  }

  ensureStream(config: StreamConfig, onWait?: (why: string) => void): Promise<void> {
    return ensureStream(this.#api, this.#clock, config, onWait);
  }

  async close(): Promise<void> {
    for (const follower of this.#followers) follower.close();
    this.#followers.clear();
    await this.#wire.close();
  }
}
