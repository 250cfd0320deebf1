/**
 * Will keeper — the wills of all connections whose home is here (MQTT 5 §3.1.2.5, docs/adr/0014).
 *
 * Shape: table 7 of the home's state log, client identifier → connection, delay, time at which it
 *        is due, and the message (resident). One per client identifier: a will is its connection's.
 * Fires: moves wills that are due into records for the will appender, within one turn, so that one
 *        state record holds both. A will that was due while there was no home fires at recovery.
 * Cost:  a will in memory per connection that has one. Looking for those of an ended gateway walks
 *        all of them.
 */
import { type Clock, hashText, partitionOf } from '#base';
import type { ClaimedWill } from '#frames';
import { messageLength, RecordBuilder, RECORD_BYTES_DEFAULT, RECORD_MESSAGES_DEFAULT } from '#log';
import { PublishView } from '#mqtt';
import type { StateTables } from '#state';
import { ExpiryCalendar } from './expiry-calendar.ts';
import type { WillAppender } from './will-appender.ts';

/** Table of the dispatchers' state logs. */
export const WILL_TABLE = 7;
/** Wills looked at per tick because of their time. */
const WILLS_PER_TICK = 1_000;

interface Connected {
  readonly incarnation: string;
  readonly connection: number;
}

interface KeptWill extends Connected {
  readonly will: ClaimedWill;
  /** Wall clock, ms; null: its connection lives. */
  readonly dueMs: number | null;
}

export interface WillKeeperOptions {
  readonly clock: Clock;
  readonly state: StateTables;
  readonly partitions: number;
  readonly appender: WillAppender;
  readonly isAlive: (incarnation: string) => boolean;
}

export class WillKeeper {
  fired = 0;
  readonly #o: WillKeeperOptions;
  readonly #wills = new Map<string, KeptWill>();
  readonly #due = new ExpiryCalendar();

  constructor(options: WillKeeperOptions) {
    this.#o = options;
    const { state } = options;
    for (const clientIdentifier of state.keys(WILL_TABLE)) {
      const value = state.peek(WILL_TABLE, clientIdentifier);
      if (value === undefined) continue;
      const kept = JSON.parse(Buffer.from(value).toString('utf8')) as KeptWill;
      this.#wills.set(clientIdentifier, kept);
      this.#due.set(clientIdentifier, kept.dueMs ?? Infinity);
    }
  }

  get size(): number {
    return this.#wills.size;
  }

  /** Gateways that ended while nobody was home; `sessionExpirySeconds` of a client identifier. */
  recover(sessionExpirySeconds: (clientIdentifier: string) => number): void {
    for (const [clientIdentifier, { incarnation, dueMs }] of this.#wills) {
      if (dueMs !== null || this.#o.isAlive(incarnation)) continue;
      this.#lost(clientIdentifier, sessionExpirySeconds(clientIdentifier));
    }
  }

  /**
   * A connection is let in, `isResumed` to a session that was there. What an earlier connection
   * left is decided; then its own will is kept. True: something was put, wait until it is durable.
   */
  attach(
    clientIdentifier: string,
    at: Connected,
    will: ClaimedWill | undefined,
    isResumed: boolean,
  ): boolean {
    const older = this.#wills.get(clientIdentifier);
    // Asked for again: it is kept already.
    if (older !== undefined && isSame(older, at)) return true;
    if (older !== undefined) {
      const isCancelled = isResumed && older.will.delaySeconds > 0;
      if (isCancelled) this.#forget(clientIdentifier);
      else this.#fire([clientIdentifier]);
    }
    if (will === undefined) return older !== undefined;
    this.#keep(clientIdentifier, { ...at, will, dueMs: null });
    return true;
  }

  /** The connection has ended. True: something was put. */
  release(
    clientIdentifier: string,
    at: Connected,
    isPublished: boolean,
    sessionExpirySeconds: number,
  ): boolean {
    const kept = this.#wills.get(clientIdentifier);
    if (kept === undefined || !isSame(kept, at) || kept.dueMs !== null) return false;
    if (isPublished) this.#lost(clientIdentifier, sessionExpirySeconds);
    else this.#forget(clientIdentifier);
    return true;
  }

  gatewayEnded(
    incarnation: string,
    sessionExpirySeconds: (clientIdentifier: string) => number,
  ): void {
    const now: string[] = [];
    for (const [clientIdentifier, kept] of this.#wills) {
      if (kept.incarnation !== incarnation || kept.dueMs !== null) continue;
      const seconds = Math.min(kept.will.delaySeconds, sessionExpirySeconds(clientIdentifier));
      if (seconds === 0) now.push(clientIdentifier);
      else this.#delay(clientIdentifier, kept, seconds);
    }
    this.#fire(now);
  }

  /** The session has ended: what waited for it does not wait any longer. */
  sessionEnded(clientIdentifier: string): void {
    const kept = this.#wills.get(clientIdentifier);
    if (kept !== undefined && kept.dueMs !== null) this.#fire([clientIdentifier]);
  }

  /** A few times a second. */
  tick(): void {
    this.#fire(this.#due.due(this.#o.clock.wallMs(), WILLS_PER_TICK));
  }

  #lost(clientIdentifier: string, sessionExpirySeconds: number): void {
    const kept = this.#wills.get(clientIdentifier);
    if (kept === undefined) return;
    const seconds = Math.min(kept.will.delaySeconds, sessionExpirySeconds);
    if (seconds === 0) this.#fire([clientIdentifier]);
    else this.#delay(clientIdentifier, kept, seconds);
  }

  #delay(clientIdentifier: string, kept: KeptWill, seconds: number): void {
    this.#keep(clientIdentifier, { ...kept, dueMs: this.#o.clock.wallMs() + seconds * 1_000 });
  }

  #keep(clientIdentifier: string, kept: KeptWill): void {
    this.#wills.set(clientIdentifier, kept);
    this.#due.set(clientIdentifier, kept.dueMs ?? Infinity);
    this.#o.state.put(WILL_TABLE, clientIdentifier, Buffer.from(JSON.stringify(kept), 'utf8'));
  }

  #forget(clientIdentifier: string): void {
    this.#wills.delete(clientIdentifier);
    this.#due.set(clientIdentifier, Infinity);
    this.#o.state.delete(WILL_TABLE, clientIdentifier);
  }

  /** Packed per partition of the log: all of a turn take a few records. */
  #fire(clientIdentifiers: readonly string[]): void {
    const { appender, partitions, clock } = this.#o;
    const builders = new Map<number, RecordBuilder>();
    for (const clientIdentifier of clientIdentifiers) {
      const kept = this.#wills.get(clientIdentifier);
      if (kept === undefined) continue;
      this.#forget(clientIdentifier);
      this.fired++;
      const { will } = kept;
      const view = viewOf(will);
      const partition = partitionOf(hashText(will.topic), partitions);
      let builder = builders.get(partition);
      if (builder === undefined) builders.set(partition, (builder = new RecordBuilder()));
      const length = messageLength(view);
      if (!builder.fits(length, RECORD_MESSAGES_DEFAULT, RECORD_BYTES_DEFAULT)) {
        appender.fire(partition, builder.take(appender.nextNumber, clock.wallMs()));
      }
      builder.add(view, length, this.#expiryOf(will), 0, false);
    }
    for (const [partition, builder] of builders) {
      appender.fire(partition, builder.take(appender.nextNumber, clock.wallMs()));
    }
  }

  /** Counts from its publication, seconds since 1970; 0 = never. */
  #expiryOf({ messageExpirySeconds }: ClaimedWill): number {
    if (messageExpirySeconds < 0) return 0;
    return Math.min(0xffffffff, Math.ceil(this.#o.clock.wallMs() / 1_000) + messageExpirySeconds);
  }
}

function isSame(a: Connected, b: Connected): boolean {
  return a.connection === b.connection && a.incarnation === b.incarnation;
}

function viewOf(will: ClaimedWill): PublishView {
  const topic = Buffer.from(will.topic, 'utf8');
  const properties = Buffer.from(will.properties, 'base64');
  const view = new PublishView();
  view.buffer = Buffer.concat([
    Buffer.from([topic.length >> 8, topic.length & 0xff]),
    topic,
    properties,
    Buffer.from(will.payload, 'base64'),
  ]);
  view.topicEnd = 2 + topic.length;
  view.propertiesStart = view.topicEnd;
  view.payloadStart = view.topicEnd + properties.length;
  view.end = view.buffer.length;
  view.qos = will.qos;
  view.retain = will.retain;
  return view;
}
