/**
 * One log partition in memory, sessions that publish to it at QoS 2, and one owner after the other
 * that reads it: a real feed on tables of which only what was committed survives.
 */
import assert from 'node:assert/strict';
import { type MemoryBus, MemoryCluster, SimClock } from '#bus';
import {
  logStream,
  logStreamConfig,
  type Position,
  positionAfterRecord,
  RecordBuilder,
} from '#log';
import { type LogRecordView, SKIPPED_TABLE } from '#reader';
import type { StateProgress } from '#state';
import { ExactlyOnce } from '../../../lib/reader/exactly-once.ts';
import { LogFeed } from '../../../lib/reader/log-feed.ts';
import { SkippedMessages } from '../../../lib/reader/skipped-messages.ts';
import { WriterNumbers } from '../../../lib/reader/writer-numbers.ts';
import { type Durable, MemoryTables, NOTHING_DURABLE } from '../../fixtures/memory-tables.ts';
import { seededRandom } from '../../fixtures/seeded-random.ts';
import { addEntry, Dispatches, type Qos2Entry, Qos2Session } from './qos2-session.ts';

/** Rules left out, to see that their histories break. */
export interface Faults {
  readonly noEpoch?: boolean;
  /** A later owner decides anew what an earlier one has decided (but not about copies). */
  readonly decideAgain?: boolean;
}

interface Saved {
  readonly tables: Durable;
  readonly progress: StateProgress;
}

const NOTHING_SAVED: Saved = {
  tables: NOTHING_DURABLE,
  progress: { checkpoint: 0, decided: 0, skippedRecords: [] },
};

export class ExactlyOnceBench {
  readonly clock = new SimClock();
  readonly bus: MemoryBus;
  readonly sessions: readonly Qos2Session[];
  readonly dispatches = new Dispatches();
  /** What the present owner reads is not dispatched for anybody while false. */
  wanted = true;
  hasSession: (generation: number) => boolean | undefined = () => undefined;
  /** Entries that hang in a gateway, oldest first. */
  readonly stuck: Qos2Entry[] = [];
  /** Whether what sessions send from now on hangs. */
  sticks = false;
  owner: Owner;
  readonly #faults: Faults;
  #pending: Qos2Entry[] = [];
  #number = 0;
  #checkpoint: Position = 0;
  #saved = NOTHING_SAVED;

  constructor(sessions = 1, faults: Faults = {}) {
    this.#faults = faults;
    const nats = new MemoryCluster(this.clock, seededRandom(1));
    nats.createStream(logStreamConfig(0, 1));
    this.bus = nats.connect('reader');
    this.sessions = Array.from(
      { length: sessions },
      (_, i) => new Qos2Session(100 + i, (entry) => this.#append(entry)),
    );
    this.owner = this.#newOwner();
  }

  get session(): Qos2Session {
    return this.sessions[0] as Qos2Session;
  }
  get checkpoint(): Position {
    return this.#checkpoint;
  }

  #append(entry: Qos2Entry): void {
    (this.sticks ? this.stuck : this.#pending).push(entry);
  }

  /** What hung goes on its way after all. */
  land(index = 0): void {
    this.#pending.push(...this.stuck.splice(index, 1));
  }

  /** Appends what was sent as one record, and lets it be read. Returns its sequence. */
  seal(): number {
    const builder = new RecordBuilder();
    for (const entry of this.#pending) {
      addEntry(builder, entry, this.#faults.noEpoch === true ? 1 : entry.epoch);
    }
    const payload = builder.take(++this.#number, this.clock.wallMs());
    this.appendBytes(payload);
    for (const entry of this.#pending.splice(0)) entry.session.landed(entry);
    this.run(10);
    return this.#number;
  }

  appendBytes(payload: Buffer): void {
    this.bus.append({ stream: logStream(0), subject: 'log.00.g.0', payload }, ({ kind }) =>
      assert.equal(kind, 'stored'),
    );
  }

  run(spanMs: number): void {
    this.clock.run(this.clock.nowMs() + spanMs);
  }

  /** The state record of this moment: decided up to what was read. */
  commit(checkpoint: Position = this.#checkpoint): void {
    const { decided } = this.owner.feed;
    this.#checkpoint = Math.max(this.#checkpoint, Math.min(checkpoint, decided));
    this.#saved = this.owner.save(this.#checkpoint);
  }

  /** The owner dies; the next one begins with what was committed. */
  crash(): void {
    this.owner.feed.close();
    this.#checkpoint = this.#saved.progress.checkpoint;
    this.owner = this.#newOwner();
    this.run(10);
  }

  #newOwner(): Owner {
    const { tables, progress } = this.#saved;
    const decideAgain = this.#faults.decideAgain === true;
    const { checkpoint } = progress;
    const recovered = decideAgain
      ? { checkpoint, decided: checkpoint, skippedRecords: [] }
      : progress;
    return new Owner(this, { tables, progress: recovered }, decideAgain);
  }

  /** All is sent again until it is answered. */
  settle(): void {
    this.sticks = false;
    this.seal();
    for (const session of this.sessions) session.reconnect();
    for (let i = 0; i < 2; i++) {
      this.seal();
      for (const session of this.sessions) session.hear();
    }
    for (const session of this.sessions) assert.deepEqual(session.open, []);
  }

  /** Then all that hangs lands. */
  finish(): void {
    this.settle();
    while (this.stuck.length > 0) this.land();
    this.seal();
  }
}

class Owner {
  readonly tables: MemoryTables;
  readonly exactlyOnce: ExactlyOnce;
  readonly skipped: SkippedMessages;
  readonly feed: LogFeed;
  readonly unreadable: number[] = [];
  readonly #numbers: WriterNumbers;

  constructor(bench: ExactlyOnceBench, { tables, progress }: Saved, anyNumber: boolean) {
    this.tables = new MemoryTables(bench.clock, tables);
    this.#numbers = new WriterNumbers(anyNumber ? new MemoryTables(bench.clock) : this.tables);
    this.exactlyOnce = new ExactlyOnce(this.tables, (generation) => bench.hasSession(generation));
    this.skipped = new SkippedMessages(this.tables);
    this.feed = new LogFeed({
      bus: bench.bus,
      clock: bench.clock,
      partition: 0,
      recovered: progress,
      numbers: this.#numbers,
      exactlyOnce: this.exactlyOnce,
      skipped: this.skipped,
      holds: () => true,
      onRecord: (record: LogRecordView) => bench.dispatches.note(record),
      onCopy: (sequence) => assert.ok(!bench.wanted || sequence > 0),
      onGap: () => undefined,
      onUnreadable: (sequence) => this.unreadable.push(sequence),
      wanted: () => bench.wanted,
    });
    const { exactlyOnce, skipped } = this;
    for (const decider of [this.#numbers, exactlyOnce, skipped]) decider.load();
    this.feed.start();
  }

  save(checkpoint: Position): Saved {
    const { feed, tables } = this;
    this.#numbers.ride();
    this.exactlyOnce.ride();
    this.skipped.ride(checkpoint);
    tables.commit(checkpoint);
    const skippedRecords = [...feed.skippedRecords(checkpoint)];
    for (const sequence of tables.keys(SKIPPED_TABLE)) {
      assert.ok(positionAfterRecord(Number(sequence)) > checkpoint, 'the others are deleted');
    }
    const progress = { checkpoint, decided: feed.decided, skippedRecords };
    return { tables: tables.durable, progress };
  }
}
