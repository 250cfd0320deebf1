/** A router's partition for tests: owner after owner over one log; the courier is the test. */
import assert from 'node:assert/strict';
import { SimClock } from '#bus';
import { sequenceOf } from '#log';
import type { Position } from '#log';
import type { EventSubscription } from '#registry';
import { createEventCounters } from '../../../services/router/delivery.ts';
import type { Courier, Delivery, Outcome } from '../../../services/router/delivery.ts';
import { RouterPartition } from '../../../services/router/router-partition.ts';
import type { RouterPartitionOptions } from '../../../services/router/router-partition.ts';
import { SubscriptionIndex } from '../../../services/router/subscription-index.ts';
import { recordOf } from './logged-message.ts';
import { MemoryTables, NOTHING_DURABLE } from '../../fixtures/memory-tables.ts';
import type { Durable } from '../../fixtures/memory-tables.ts';

const WAITS_MS = [1_000, 5_000];

export function subscription(
  name: string,
  over: Partial<EventSubscription> = {},
): EventSubscription {
  return {
    name,
    revision: 1,
    topicFilters: ['#'],
    endpointUrl: `https://${name}.example/`,
    deliveryAttemptsMax: 1_000,
    eventTtlSeconds: 86_400,
    ...over,
  };
}

/** One router process after the other over one log partition; the courier is the test. */
export class PartitionBench {
  readonly clock = new SimClock();
  readonly log: Buffer[] = [];
  /** By sequence, what the log feed found to be repeats. */
  readonly skipped = new Map<number, readonly number[]>();
  readonly subscriptions = new SubscriptionIndex(1);
  readonly counters = createEventCounters();
  readonly sent: Delivery[] = [];
  heldForMs = 0;
  onSend: ((delivery: Delivery) => void) | undefined;
  holds = true;
  pauses = 0;
  tables = new MemoryTables(this.clock);
  partition: RouterPartition;
  #generation = 0;
  #read = 0;
  readonly #limits: RouterPartitionOptions['limits'];

  constructor(subscriptions: EventSubscription[], limits?: RouterPartitionOptions['limits']) {
    this.#limits = limits;
    this.subscriptions.replace(subscriptions);
    this.partition = this.#start(NOTHING_DURABLE);
  }

  #start(recovered: Durable): RouterPartition {
    const generation = ++this.#generation;
    this.tables = new MemoryTables(this.clock, recovered);
    const courier: Courier = {
      send: (delivery) => {
        const current: Delivery = {
          ...delivery,
          onOutcome: (outcome) => {
            if (generation === this.#generation) delivery.onOutcome(outcome);
          },
        };
        this.sent.push(current);
        this.onSend?.(current);
      },
      heldForMs: () => this.heldForMs,
    };
    const partition = new RouterPartition(
      {
        partition: 0,
        clock: this.clock,
        random: () => 0,
        state: this.tables,
        checkpoint: recovered.checkpoint,
        holds: () => this.holds,
        pause: () => this.pauses++,
        resume: () => undefined,
      },
      {
        courier,
        subscriptions: this.subscriptions,
        counters: this.counters,
        retryWaitsMs: WAITS_MS,
        whenSubscribed: (listener) => this.clock.whenIdle(listener),
        ...(this.#limits === undefined ? {} : { limits: this.#limits }),
      },
    );
    let ready = false;
    partition.prepare(() => (ready = true));
    this.run(0);
    assert.ok(ready);
    // The record of the checkpoint is handed over again, unless the checkpoint is its end.
    this.#read = Math.max(0, sequenceOf(recovered.checkpoint + 1) - 1);
    return partition;
  }

  append(topics: readonly string[]): number {
    const messages = topics.map((topic) => ({ topic, payload: `p${this.log.length}` }));
    return this.log.push(recordOf(messages, this.clock.wallMs()));
  }

  /** Hands over up to `count` records that were not read yet. */
  read(count = Infinity): void {
    const after = this.tables.durableCheckpoint;
    for (let i = 0; i < count && this.#read < this.log.length; i++) {
      const sequence = ++this.#read;
      this.partition.record({
        sequence,
        payload: this.log[sequence - 1] as Buffer,
        writer: 'g.0',
        storedAtMs: this.clock.wallMs(),
        after,
        decidedBefore: false,
        skipped: this.skipped.get(sequence) ?? [],
      });
    }
  }

  commit(): void {
    this.tables.commit(this.partition.checkpoint());
  }

  /** kill −9 and a successor: only what was committed is left. */
  crash(): void {
    this.partition.end();
    this.sent.length = 0;
    this.partition = this.#start(this.tables.durable);
  }

  run(ms: number): void {
    this.clock.run(this.clock.nowMs() + ms);
  }

  answer(outcome: Outcome): void {
    for (const delivery of this.sent.splice(0)) delivery.onOutcome(outcome);
  }

  positions(): Position[] {
    return this.sent.map(({ position }) => position);
  }
}
