/**
 * Memory server — the NATS side of the simulation: subscriptions of live sessions, streams, and
 * what chance does to appends. Callers bring the delay of their own links.
 */
import type { Random } from '#base';
import type { AppendRequest, AppendResult, StreamConfig, StreamMessage } from '../port.ts';
import { drawSpan, type Faults, happens } from './faults.ts';
import { MemoryConsumer, type ConsumerSink } from './memory-consumer.ts';
import { MemoryStream } from './memory-stream.ts';
import type { SimClock } from './sim-clock.ts';
import { hasWildcard, subjectMatches } from './subject-match.ts';

/** A core message on its way. */
export interface CoreMessage {
  readonly subject: string;
  readonly payload: Buffer;
  readonly reply: string | undefined;
}

/** A subscription of a connection. */
export interface ServerSubscription {
  readonly subject: string;
  deliver(message: CoreMessage): void;
}

interface StreamSlot {
  readonly stream: MemoryStream;
  readonly consumers: Set<MemoryConsumer>;
  /** When the last append under way will be committed. */
  busyUntilMs: number;
  /** No leader until then. */
  stalledUntilMs: number;
}

export class MemoryServer {
  readonly clock: SimClock;
  readonly random: Random;
  readonly faults: Faults;
  up = true;
  /** Told each stored message at its commit: for checkers. */
  readonly storedListeners = new Set<(stream: string, message: StreamMessage) => void>();

  readonly #streams = new Map<string, StreamSlot>();
  readonly #exact = new Map<string, Set<ServerSubscription>>();
  readonly #wild = new Set<ServerSubscription>();
  /** Counts crashes: what was under way in an earlier life may or may not have landed. */
  #life = 0;

  constructor(clock: SimClock, random: Random, faults: Faults) {
    this.clock = clock;
    this.random = random;
    this.faults = faults;
  }

  createStream(config: StreamConfig): void {
    const slot = this.#streams.get(config.name);
    if (slot !== undefined) slot.stream.config = config;
    else {
      this.#streams.set(config.name, {
        stream: new MemoryStream(config, this.random),
        consumers: new Set(),
        busyUntilMs: 0,
        stalledUntilMs: 0,
      });
    }
  }

  stream(name: string): MemoryStream | undefined {
    return this.#streams.get(name)?.stream;
  }

  /** The stream, if it has a leader that answers now. */
  led(name: string): MemoryStream | undefined {
    const slot = this.#streams.get(name);
    return slot !== undefined && this.clock.nowMs() >= slot.stalledUntilMs
      ? slot.stream
      : undefined;
  }

  stall(name: string, spanMs: number): void {
    const slot = this.#streams.get(name);
    if (slot === undefined) throw new RangeError(`no stream ${name}`);
    slot.stalledUntilMs = Math.max(slot.stalledUntilMs, this.clock.nowMs() + spanMs);
  }

  crash(): void {
    this.up = false;
    this.#life++;
  }

  subscribe(subscription: ServerSubscription): () => void {
    const { subject } = subscription;
    if (hasWildcard(subject)) {
      this.#wild.add(subscription);
      return () => this.#wild.delete(subscription);
    }
    const set = this.#exact.get(subject) ?? new Set();
    this.#exact.set(subject, set.add(subscription));
    return () => {
      set.delete(subscription);
      if (set.size === 0 && this.#exact.get(subject) === set) this.#exact.delete(subject);
    };
  }

  /** Hands a core message to every subscription that matches and is not struck by loss. */
  route(message: CoreMessage): void {
    const { subject } = message;
    const loss = this.faults.coreLoss.find((row) => subject.startsWith(row.subjectPrefix));
    const probability = loss?.probability ?? 0;
    const give = (subscription: ServerSubscription): void => {
      if (!happens(this.random, probability)) subscription.deliver(message);
    };
    for (const subscription of this.#exact.get(subject) ?? []) give(subscription);
    for (const subscription of this.#wild) {
      if (subjectMatches(subscription.subject, subject)) give(subscription);
    }
  }

  append(request: AppendRequest, payload: Buffer, onResult: (result: AppendResult) => void): void {
    const slot = this.#streams.get(request.stream);
    if (slot === undefined || !slot.stream.takes(request.subject)) {
      onResult({ kind: 'undecided', why: 'no stream answers (503)' });
      return;
    }
    const { random, faults } = this;
    if (happens(random, faults.appendLost)) return;
    if (happens(random, faults.appendUndecided)) {
      onResult({ kind: 'undecided', why: '10163 another write is under way' });
    } else if (happens(random, faults.appendStalled)) {
      const atMs = this.clock.nowMs() + drawSpan(random, faults.stalledMs);
      this.clock.at(atMs, () => this.#commit(slot, request, payload, undefined));
    } else this.#plan(slot, request, payload, onResult);
  }

  #plan(
    slot: StreamSlot,
    request: AppendRequest,
    payload: Buffer,
    onResult: (result: AppendResult) => void,
  ): void {
    const nowMs = this.clock.nowMs();
    const stalled = nowMs < slot.stalledUntilMs;
    if (stalled && this.random() < 0.5) {
      onResult({ kind: 'undecided', why: 'no leader (503)' });
      return;
    }
    const fromMs = Math.max(nowMs, slot.busyUntilMs, slot.stalledUntilMs);
    slot.busyUntilMs = fromMs + drawSpan(this.random, this.faults.storeMs);
    const life = this.#life;
    this.clock.at(slot.busyUntilMs, () => {
      if (life === this.#life) this.#commit(slot, request, payload, onResult);
      else if (this.random() < 0.5) this.#commit(slot, request, payload, undefined);
    });
  }

  #commit(
    slot: StreamSlot,
    request: AppendRequest,
    payload: Buffer,
    onResult: ((result: AppendResult) => void) | undefined,
  ): void {
    const { clock, faults } = this;
    const result = slot.stream.append(request, payload, clock.nowMs(), clock.wallMs());
    if (onResult !== undefined && !happens(this.random, faults.appendAnswerLost)) onResult(result);
    if (result.kind !== 'stored' || result.duplicate) return;
    const message = slot.stream.get(result.sequence);
    if (message !== undefined) {
      for (const listener of this.storedListeners) listener(request.stream, message);
      this.route({ subject: request.subject, payload, reply: undefined });
    }
    for (const consumer of slot.consumers) consumer.pump();
  }

  trim(name: string, sequence: number): boolean {
    const slot = this.#streams.get(name);
    if (slot === undefined || this.led(name) === undefined) return false;
    slot.stream.trim(sequence);
    for (const consumer of slot.consumers) consumer.pump();
    return true;
  }

  /** Begins to send to `sink`; undefined: no such stream or no leader. */
  consume(
    name: string,
    fromSequence: number,
    subject: string | undefined,
    sink: ConsumerSink,
  ): { grant(bytes: number): void; end(): void } | undefined {
    const slot = this.#streams.get(name);
    if (slot === undefined || this.led(name) === undefined) return undefined;
    const consumer = new MemoryConsumer(slot.stream, fromSequence, subject, sink);
    slot.consumers.add(consumer);
    consumer.pump();
    return {
      grant: (bytes) => {
        if (slot.consumers.has(consumer)) consumer.grant(bytes);
      },
      end: () => slot.consumers.delete(consumer),
    };
  }
}
