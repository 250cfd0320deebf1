/**
 * Router partition — the router's logic over one log partition (design §10; protocol 10–12).
 *
 * Shape: pure. Records, outcomes and time come in; deliveries to the courier and entries of the
 *        state log go out. A message that an event subscription wants gets a place in that
 *        subscription's window and is sent; without a place, or after a failed attempt, it moves to
 *        the deferred queue and comes back when due. So the checkpoint passes only what is
 *        delivered, dropped by name or durable, and a slow endpoint holds up nobody else.
 * Again: after a take-over records above the checkpoint are read once more: what is in the deferred
 *        queue is skipped, what was delivered is delivered again under the same event id.
 * Full:  a window holds WINDOW_COUNT_MAX deliveries or WINDOW_BYTES_MAX; a full deferred queue
 *        drops the event (`event_queue_full`); a state log that lags stops the reading.
 */
import { Fault } from '#base';
import { positionAfterRecord, positionOf, RecordReader, recordClosedAtMs } from '#log';
import type { Position } from '#log';
import type { LogRecordView, PartitionContext, PartitionLogic } from '#reader';
import type { EventSubscription } from '#registry';
import { DeferredQueue } from './deferred-queue.ts';
import type { DeferredEntry, DeferredLimits } from './deferred-queue.ts';
import type { Courier, Delivery, EventCounters, EventResult, Outcome } from './delivery.ts';
import { OpenPositions } from './open-positions.ts';
import { receivedAtMs, storeEvent } from './stored-event.ts';
import { retryWaitMs } from './retry-schedule.ts';
import type { SubscriptionIndex } from './subscription-index.ts';

/** Deliveries under way per subscription and partition: enough to keep an endpoint busy. */
export const WINDOW_COUNT_MAX = 128;
/** Their messages, bytes. One larger message still goes alone. */
export const WINDOW_BYTES_MAX = 4 * 1024 * 1024;
/** Bytes put into the state log and not durable before reading stops. */
export const UNDURABLE_BYTES_MAX = 8 * 1024 * 1024;
/** Entries of a deleted subscription that are dropped in one turn. */
const PURGE_PER_TURN = 500;

export interface RouterPartitionOptions {
  readonly courier: Courier;
  readonly subscriptions: SubscriptionIndex;
  readonly counters: EventCounters;
  readonly retryWaitsMs: readonly number[];
  /** Calls back, never synchronously, once `subscriptions` has the first full view. */
  whenSubscribed(listener: () => void): void;
  readonly limits?: Partial<DeferredLimits>;
}

/** What is under way for one subscription. */
interface Window {
  count: number;
  bytes: number;
}

type PartOfContext = Pick<
  PartitionContext,
  'partition' | 'clock' | 'random' | 'state' | 'checkpoint' | 'holds' | 'pause' | 'resume'
>;

export class RouterPartition implements PartitionLogic {
  /** Told once, when the partition is over. */
  onEnd: (() => void) | undefined;
  readonly #context: PartOfContext;
  readonly #o: RouterPartitionOptions;
  readonly #deferred: DeferredQueue;
  readonly #open: OpenPositions;
  readonly #windows = new Map<string, Window>();
  #phase: 'running' | 'still' | 'ended' = 'running';
  /** Subscriptions are known; before that an unknown one does not mean a deleted one. */
  #prepared = false;
  /** Outcomes that came while standing still: at most the windows. */
  #stalled: (() => void)[] = [];
  #undurableBytes = 0;
  #paused = false;
  #wakeAtMs = Infinity;
  #wake: object | undefined;

  constructor(context: PartOfContext, options: RouterPartitionOptions) {
    this.#context = context;
    this.#o = options;
    this.#deferred = new DeferredQueue(context.state, options.limits);
    this.#open = new OpenPositions(context.checkpoint);
  }

  get deferredCount(): number {
    return this.#deferred.count;
  }
  /** The last position looked at. */
  get handled(): Position {
    return this.#open.handled;
  }
  get windowCount(): number {
    let count = 0;
    for (const window of this.#windows.values()) count += window.count;
    return count;
  }

  prepare(ready: () => void): void {
    this.#deferred.recover();
    this.#o.whenSubscribed(() => {
      if (this.#phase === 'ended' || this.#prepared) return;
      this.#prepared = true;
      this.#refillAll();
      ready();
    });
  }

  checkpoint(): Position {
    return this.#open.checkpoint;
  }

  /** Without event subscriptions nobody has to read the log. */
  wantsRecords(): boolean {
    return !this.#o.subscriptions.isEmpty;
  }

  record(record: LogRecordView): void {
    if (!this.#o.subscriptions.isEmpty) {
      try {
        this.#acceptAll(record);
      } catch (fault) {
        // The rest of it cannot be read by anybody: to stop here would be to stop for ever.
        if (!(fault instanceof Fault)) throw fault;
        this.#o.counters.event_unreadable++;
      }
    }
    this.#open.passed(positionAfterRecord(record.sequence));
    this.#watchState();
  }

  #acceptAll({ sequence, payload, after, skipped }: LogRecordView): void {
    const closedAtMs = recordClosedAtMs(payload);
    const reader = new RecordReader(payload, skipped);
    for (let index = reader.next(); index >= 0; index = reader.next()) {
      const position = positionOf(sequence, index);
      if (position <= after) continue;
      const wanted = this.#o.subscriptions.match(reader.view);
      if (wanted.length === 0) continue;
      const event = storeEvent(payload, reader.messageStart, reader.messageEnd, closedAtMs);
      for (const subscription of wanted) this.#accept(subscription, position, event);
    }
  }

  copySkipped(sequence: number): void {
    this.#open.passed(positionAfterRecord(sequence));
  }

  standStill(): void {
    if (this.#phase === 'running') this.#phase = 'still';
  }

  goOn(): void {
    if (this.#phase !== 'still') return;
    this.#phase = 'running';
    const stalled = this.#stalled;
    this.#stalled = [];
    for (const resume of stalled) resume();
    this.#refillAll();
  }

  end(): void {
    this.#phase = 'ended';
    this.onEnd?.();
    if (this.#wake !== undefined) this.#context.clock.cancel(this.#wake);
  }

  /** The index has other subscriptions, or others of the same name. */
  subscriptionsChanged(): void {
    if (this.#phase !== 'ended') this.#refillAll();
  }

  #accept(subscription: EventSubscription, position: Position, event: Buffer): void {
    const { name } = subscription;
    if (this.#deferred.has(name, position)) return;
    const window = this.#window(name);
    const waits =
      this.#o.courier.heldForMs(subscription.endpointUrl) > 0 || !hasRoom(window, event.length);
    if (waits) this.#defer(name, position, event, 0, this.#context.clock.wallMs());
    else {
      this.#open.open(position);
      this.#send(subscription, position, event, 0, undefined);
    }
  }

  #send(
    subscription: EventSubscription,
    position: Position,
    event: Buffer,
    attempts: number,
    entry: DeferredEntry | undefined,
  ): void {
    const window = this.#window(subscription.name);
    window.count++;
    window.bytes += event.length;
    const delivery: Delivery = {
      subscription,
      partition: this.#context.partition,
      position,
      attempts,
      event,
      maySend: () => this.#phase === 'running' && this.#context.holds(),
      onOutcome: (outcome) => this.#whileRunning(() => this.#settle(delivery, outcome, entry)),
    };
    this.#o.courier.send(delivery);
  }

  /** Does it now, or when the lease is held again; not at all after the end. */
  #whileRunning(step: () => void): void {
    if (this.#phase === 'running') step();
    else if (this.#phase === 'still') this.#stalled.push(step);
  }

  #settle(delivery: Delivery, outcome: Outcome, entry: DeferredEntry | undefined): void {
    const { name } = delivery.subscription;
    const window = this.#window(name);
    window.count--;
    window.bytes -= delivery.event.length;
    this.#applyOutcome(delivery, outcome, entry);
    this.#refill(name);
    this.#watchState();
  }

  #applyOutcome(delivery: Delivery, outcome: Outcome, entry: DeferredEntry | undefined): void {
    switch (outcome.kind) {
      case 'delivered':
        this.#finish('delivered', delivery, entry);
        return;
      case 'refused':
        this.#finish('event_refused', delivery, entry);
        return;
      case 'held':
        if (entry === undefined) this.#moveToDeferred(delivery, 0, this.#context.clock.wallMs());
        else this.#deferred.giveBack(delivery.subscription.name, entry);
        return;
      case 'failed':
        this.#o.counters.attempt_failed++;
        this.#settleFailed(delivery, outcome.waitMsMin, entry);
    }
  }

  #settleFailed(delivery: Delivery, waitMsMin: number, entry: DeferredEntry | undefined): void {
    const { name } = delivery.subscription;
    // The limits of today count, not those at the time of sending.
    const subscription = this.#o.subscriptions.find(name);
    if (subscription === undefined) {
      this.#finish('event_subscription_deleted', delivery, entry);
      return;
    }
    const attempts = delivery.attempts + 1;
    const wait = retryWaitMs(this.#o.retryWaitsMs, attempts, this.#context.random);
    const nextAtMs = this.#context.clock.wallMs() + Math.max(wait, waitMsMin);
    const tooOften = attempts >= subscription.deliveryAttemptsMax;
    if (tooOften || nextAtMs > endOfLifeMs(subscription, delivery.event)) {
      this.#finish('event_attempts_exhausted', delivery, entry);
    } else if (entry === undefined) this.#moveToDeferred(delivery, attempts, nextAtMs);
    else this.#deferred.putBack(name, entry, attempts, nextAtMs);
  }

  #finish(result: EventResult, delivery: Delivery, entry: DeferredEntry | undefined): void {
    this.#o.counters[result]++;
    if (entry === undefined) this.#open.close(delivery.position);
    else this.#deferred.remove(delivery.subscription.name, entry);
  }

  #moveToDeferred(delivery: Delivery, attempts: number, nextAtMs: number): void {
    const { subscription, position, event } = delivery;
    this.#defer(subscription.name, position, event, attempts, nextAtMs);
    this.#open.close(position);
  }

  #defer(
    name: string,
    position: Position,
    event: Buffer,
    attempts: number,
    nextAtMs: number,
  ): void {
    if (!this.#deferred.add(name, position, event, { attempts, nextAtMs })) {
      this.#o.counters.event_queue_full++;
      return;
    }
    this.#o.counters.deferred++;
    this.#undurableBytes += event.length;
    this.#wakeAt(nextAtMs);
  }

  #refillAll(): void {
    for (const name of this.#deferred.subscriptions()) this.#refill(name);
  }

  /** Gives free places of the window to what is due, and plans when to look again. */
  #refill(name: string): void {
    if (this.#phase !== 'running' || !this.#prepared) return;
    const subscription = this.#o.subscriptions.find(name);
    if (subscription === undefined) {
      this.#purge(name);
      return;
    }
    const { clock } = this.#context;
    const held = this.#o.courier.heldForMs(subscription.endpointUrl);
    if (held > 0) {
      if (this.#deferred.countOf(name) > 0) this.#wakeAt(clock.wallMs() + held);
      return;
    }
    const window = this.#window(name);
    const nowMs = clock.wallMs();
    while (hasRoom(window, 0)) {
      const entry = this.#deferred.take(name, nowMs);
      if (entry === undefined) break;
      this.#fetch(subscription, entry);
    }
    const next = this.#deferred.nextAtMs(name);
    // What is due and found no place is looked at again when a place gets free.
    if (next !== undefined && next > nowMs) this.#wakeAt(next);
  }

  /** Reads the message of a taken delivery and sends it; it has its place from now on. */
  #fetch(subscription: EventSubscription, entry: DeferredEntry): void {
    const { name } = subscription;
    const window = this.#window(name);
    window.count++;
    window.bytes += entry.bytes;
    this.#deferred.read(entry, (event) => {
      this.#whileRunning(() => {
        window.count--;
        window.bytes -= entry.bytes;
        if (
          event !== undefined &&
          this.#context.clock.wallMs() <= endOfLifeMs(subscription, event)
        ) {
          this.#send(subscription, entry.position, event, entry.attempts, entry);
          return;
        }
        this.#o.counters[event === undefined ? 'event_unreadable' : 'event_attempts_exhausted']++;
        this.#deferred.remove(name, entry);
        this.#refill(name);
      });
    });
  }

  /** Drops what waits for a deleted subscription, some in each turn. */
  #purge(name: string): void {
    for (let i = 0; i < PURGE_PER_TURN; i++) {
      const entry = this.#deferred.take(name, Infinity);
      if (entry === undefined) return;
      this.#deferred.remove(name, entry);
      this.#o.counters.event_subscription_deleted++;
    }
    this.#context.clock.whenIdle(() => this.#refill(name));
  }

  /** Reading stops while more than UNDURABLE_BYTES_MAX wait for the disk. */
  #watchState(): void {
    if (this.#undurableBytes < UNDURABLE_BYTES_MAX || this.#paused) return;
    this.#paused = true;
    this.#context.pause();
    this.#context.state.whenDurable(() => {
      this.#paused = false;
      this.#undurableBytes = 0;
      if (this.#phase !== 'ended') this.#context.resume();
    });
  }

  #wakeAt(wallMs: number): void {
    if (wallMs >= this.#wakeAtMs || this.#phase === 'ended') return;
    const { clock } = this.#context;
    if (this.#wake !== undefined) clock.cancel(this.#wake);
    this.#wakeAtMs = wallMs;
    this.#wake = clock.after(Math.max(0, wallMs - clock.wallMs()), () => {
      this.#wake = undefined;
      this.#wakeAtMs = Infinity;
      this.#refillAll();
    });
  }

  #window(name: string): Window {
    let window = this.#windows.get(name);
    if (window === undefined) {
      window = { count: 0, bytes: 0 };
      this.#windows.set(name, window);
    }
    return window;
  }
}

function hasRoom(window: Window, bytes: number): boolean {
  if (window.count === 0) return true;
  return window.count < WINDOW_COUNT_MAX && window.bytes + bytes <= WINDOW_BYTES_MAX;
}

function endOfLifeMs(subscription: EventSubscription, event: Buffer): number {
  return receivedAtMs(event) + subscription.eventTtlSeconds * 1_000;
}
