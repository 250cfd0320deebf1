/**
 * NATS follower — reads a stream in order for ever, over lost connections and lost consumers.
 *
 * Shape: an ephemeral pull consumer without acknowledgements, asked by PULLS_MAX requests of half a
 *        window in bytes each; when one is used up the next is sent while the other still runs.
 *        (A push consumer's flow control lets the server send 32 MB ahead: too much to share a
 *        connection with.) Pause = ask no more.
 * Order: the consumer sequence has no holes; a hole, silence or a lost connection begins anew at
 *        the last sequence delivered + 1: never a repeat, never a skip. What a replica that is
 *        behind hands out below that is left out.
 * Place: the consumer stands on one server, maybe another than the client's and than the leader's.
 *        Its heartbeats tell that it lives; a new one may be put on a server that has just died,
 *        so that the wait for its creation begins short.
 * Caught up: the last message that is wanted, as the leader names it, was delivered; a consumer on
 *        a replica that is behind believes too early that nothing is left.
 * Gap:   each start compares the stream's first sequence with the wanted one. Where sequences are
 *        contiguous (all subjects, no limit per subject) a jump in mid-flight starts anew, too, so
 *        that a trim that overtook the follower is told before anything behind it is delivered.
 */
import { randomBytes } from 'node:crypto';
import type { Timer } from '#base';
import {
  type Follower,
  FOLLOW_WINDOW_BYTES,
  type FollowOptions,
  type StreamState,
} from '../port.ts';
import { statusOf } from './header-block.ts';
import { Delivery, type NatsMessage } from './nats-message.ts';
import { type ApiAnswer, readState, type StreamApi } from './stream-api.ts';
import { StoredMessage } from './stored-message.ts';
import type { Wire } from './wire.ts';

const PULLS_MAX = 2;
/** Messages of one pull; bytes end it first. */
const PULL_MESSAGES_MAX = 1_000_000;
const PULL_EXPIRES_MS = 30_000;
const HEARTBEAT_MS = 1_000;
/** The consumer ends by itself when nobody asked it for so long. */
const INACTIVE_MS = 60_000;
/** Room in a pull for subject, headers and reply of the largest message. */
const ENVELOPE_BYTES = 64 * 1024;
const TICK_MS = 1_000;
/** Ticks without message or heartbeat after which the consumer counts as lost. */
const QUIET_TICKS_MAX = 3;
const RESTART_MS = 250;
/**
 * Wait for an answer at a start; grows with each attempt, for a server that is slow. Short, since
 * what is asked just before a leader is elected gets no answer.
 */
const ANSWER_MS_MIN = 500;
const ANSWER_MS_STEP = 100;
const ANSWER_MS_MAX = 2_000;
const NS_PER_MS = 1_000_000;

export class NatsFollower implements Follower {
  readonly #wire: Wire;
  readonly #api: StreamApi;
  readonly #o: FollowOptions;
  readonly #delivery = new Delivery();
  readonly #removeListener: () => void;
  /** Next stream sequence wanted. */
  #next: number;
  /** Counts starts: whatever belongs to an older one is ignored. */
  #generation = 0;
  #consumer = '';
  #inbox = '';
  #unsubscribe: (() => void) | undefined;
  #consumerSequence = 0;
  /** Of the last message. */
  #subject = '';
  #pulls = 0;
  #paused = false;
  #closed = false;
  #alive = false;
  #quietTicks = 0;
  /** Sequence to be told as caught up; undefined once told. */
  #catchUpTo: number | undefined;
  /** Delivered up to here is caught up: the last message that is wanted; 0: none. */
  #target = 0;
  /** Starts without a consumer since the last that brought one. */
  #failures = 0;
  #contiguous = false;
  /** A jump at this sequence was looked at: it is a hole, not a trim. */
  #holeBefore = 0;
  #timer: Timer | undefined;
  #restartTimer: Timer | undefined;

  constructor(wire: Wire, api: StreamApi, options: FollowOptions) {
    this.#wire = wire;
    this.#api = api;
    this.#o = options;
    this.#next = Math.max(1, options.fromSequence);
    this.#removeListener = wire.onConnection((connected) => {
      if (connected) this.#start();
      else this.#stop();
    });
    if (wire.connected) this.#start();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#quietTicks = 0;
    this.#pull();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#removeListener();
    this.#stop();
  }

  /** Forgets the consumer; the server is told when it can be. */
  #stop(): void {
    this.#generation++;
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    this.#pulls = 0;
    if (this.#timer !== undefined) this.#wire.clock.cancel(this.#timer);
    if (this.#restartTimer !== undefined) this.#wire.clock.cancel(this.#restartTimer);
    const consumer = this.#consumer;
    this.#consumer = '';
    if (consumer !== '' && this.#wire.connected) {
      const verb = `CONSUMER.DELETE.${this.#o.stream}.${consumer}`;
      this.#api.ask(verb, undefined, () => undefined);
    }
  }

  #start(): void {
    this.#stop();
    if (this.#closed) return;
    const generation = this.#generation;
    this.#api.info(
      this.#o.stream,
      (info) => {
        if (generation !== this.#generation) return;
        const state = info === undefined ? undefined : readState(info);
        if (state === undefined) {
          this.#startLater();
          return;
        }
        const perSubject = info?.config?.max_msgs_per_subject ?? 0;
        this.#contiguous = this.#o.subject === undefined && perSubject <= 0;
        this.#catchUpTo = state.lastSequence;
        if (state.firstSequence > this.#next) {
          this.#next = state.firstSequence;
          this.#o.onGap?.(state.firstSequence);
          if (generation !== this.#generation) return;
        }
        this.#aim(state, () => this.#createConsumer(generation));
      },
      this.#answerMs,
    );
  }

  get #answerMs(): number {
    return Math.min(ANSWER_MS_MAX, ANSWER_MS_MIN + this.#failures * ANSWER_MS_STEP);
  }

  /** Asks the leader which message ends the catching up; `onAimed` comes for this start only. */
  #aim(state: StreamState, onAimed: () => void): void {
    const { stream, subject } = this.#o;
    const generation = this.#generation;
    if (state.messages === 0 || subject === undefined) {
      this.#target = state.messages === 0 ? 0 : state.lastSequence;
      onAimed();
      return;
    }
    this.#api.last(stream, subject, (result) => {
      if (generation !== this.#generation) return;
      if (result.kind === 'undecided') {
        this.#startLater();
        return;
      }
      // Stored since the leader was asked for its state: that one is ahead of what is told.
      const last = result.kind === 'found' ? result.message.sequence : 0;
      this.#target = Math.min(last, state.lastSequence);
      onAimed();
    });
  }

  #startLater(): void {
    this.#stop();
    this.#failures++;
    this.#restartTimer = this.#wire.clock.after(RESTART_MS, () => this.#start());
  }

  #createConsumer(generation: number): void {
    const name = `f${randomBytes(8).toString('hex')}`;
    this.#consumer = name;
    this.#inbox = this.#wire.newInbox();
    this.#consumerSequence = 0;
    this.#unsubscribe = this.#wire.subscribe(this.#inbox, (message) => this.#onWire(message));
    const config = {
      name,
      deliver_policy: 'by_start_sequence',
      opt_start_seq: this.#next,
      ack_policy: 'none',
      replay_policy: 'instant',
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: INACTIVE_MS * NS_PER_MS,
      ...(this.#o.subject === undefined ? {} : { filter_subject: this.#o.subject }),
    };
    const body = { stream_name: this.#o.stream, config, action: 'create' };
    const onAnswer = (answer: ApiAnswer | undefined): void => {
      if (generation !== this.#generation) return;
      if (answer === undefined || answer.error !== undefined) {
        this.#startLater();
        return;
      }
      this.#failures = 0;
      this.#quietTicks = 0;
      this.#plan();
      this.#pull();
      if (this.#next > this.#target) this.#caughtUp();
    };
    const verb = `CONSUMER.CREATE.${this.#o.stream}.${name}`;
    this.#api.ask(verb, body, onAnswer, this.#answerMs);
  }

  #pull(): void {
    if (this.#unsubscribe === undefined) return;
    while (!this.#paused && this.#pulls < PULLS_MAX) {
      const bytes = FOLLOW_WINDOW_BYTES / PULLS_MAX;
      const bytesMax = Math.max(bytes, this.#wire.payloadBytesMax + ENVELOPE_BYTES);
      const body = `{"batch":${PULL_MESSAGES_MAX},"max_bytes":${bytesMax},"expires":${
        PULL_EXPIRES_MS * NS_PER_MS
      },"idle_heartbeat":${HEARTBEAT_MS * NS_PER_MS}}`;
      const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.#o.stream}.${this.#consumer}`;
      if (!this.#wire.publish(subject, Buffer.from(body), this.#inbox)) return;
      this.#pulls++;
    }
  }

  #onWire(message: NatsMessage): void {
    this.#alive = true;
    if (!this.#delivery.read(message)) {
      this.#onStatus(statusOf(message.header), message);
      return;
    }
    const { streamSequence, consumerSequence, storedAtMs } = this.#delivery;
    if (consumerSequence !== this.#consumerSequence + 1) {
      this.#start();
      return;
    }
    if (streamSequence < this.#next) {
      this.#consumerSequence = consumerSequence;
      return;
    }
    if (this.#contiguous && streamSequence > this.#next && this.#holeBefore !== streamSequence) {
      this.#holeBefore = streamSequence;
      this.#start();
      return;
    }
    this.#consumerSequence = consumerSequence;
    this.#next = streamSequence + 1;
    this.#subject = message.subjectLike(this.#subject);
    const { header, payload } = message;
    this.#o.onMessage(
      new StoredMessage(this.#subject, streamSequence, storedAtMs, payload, header),
    );
    if (this.#catchUpTo !== undefined && streamSequence >= this.#target) this.#caughtUp();
  }

  /** Heartbeat, end of a pull, or end of the consumer. */
  #onStatus(status: number, message: NatsMessage): void {
    if (status === 100) return;
    const header = message.header.toString('latin1');
    const pullEnded = status === 408 || (status === 409 && /MaxBytes|Batch Completed/.test(header));
    if (!pullEnded) {
      this.#startLater();
      return;
    }
    this.#pulls = Math.max(0, this.#pulls - 1);
    this.#pull();
  }

  #caughtUp(): void {
    const lastSequence = this.#catchUpTo;
    this.#catchUpTo = undefined;
    if (lastSequence !== undefined && !this.#closed) this.#o.onCaughtUp?.(lastSequence);
  }

  #plan(): void {
    this.#timer = this.#wire.clock.after(TICK_MS, () => this.#onTick());
  }

  #onTick(): void {
    this.#plan();
    if (this.#alive || this.#pulls === 0) {
      this.#alive = false;
      this.#quietTicks = 0;
    } else if (++this.#quietTicks >= QUIET_TICKS_MAX) {
      this.#start();
      return;
    }
    if (this.#catchUpTo !== undefined && this.#pulls > 0) this.#aimAgain();
  }

  /** What was waited for may have been deleted: then no delivery tells that it is all. */
  #aimAgain(): void {
    const generation = this.#generation;
    const catchUpTo = this.#catchUpTo;
    this.#api.state(this.#o.stream, (state) => {
      if (generation !== this.#generation || state === undefined) return;
      this.#aim({ ...state, lastSequence: catchUpTo ?? 0 }, () => {
        if (this.#catchUpTo === catchUpTo && this.#next > this.#target) this.#caughtUp();
      });
    });
  }
}
