/**
 * Random histories of two reader groups on the memory bus: kills, pauses, partitions, outages, lost
 * and late writes, late copies of log records. Checked at every step: one owner acts per partition,
 * the same records count as copies for every owner, the log is not trimmed too far or too young;
 * at the end: everything is handled and the checkpoints stand at the head.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Random } from '#base';
import { type MemoryBus, MemoryCluster, SimClock } from '#bus';
import { GATEWAY_TTL_MS, gatewayLeaseSubject, LeaseHolder, leaseStreamConfig } from '#lease';
import {
  DUPLICATE_WINDOW_MS,
  logStream,
  logStreamConfig,
  logSubject,
  positionAfterRecord,
  sequenceOf,
} from '#log';
import { READER_GROUPS, type ReaderEvent, ReaderGroup } from '#reader';
import { stateStreamConfig } from '#state';
import { seededRandom } from '../../fixtures/seeded-random.ts';
import { CountingLogic } from './counting-logic.ts';
import { emptyRecord } from './empty-record.ts';

const PARTITIONS = 2;
const PROCESSES = 2;

interface Process {
  readonly group: string;
  readonly bus: MemoryBus;
  readonly reader: ReaderGroup;
  readonly events: ReaderEvent[];
  readonly logics: CountingLogic[];
}

/** Tells at once what it is given, so that a wrong one is caught where it happens. */
class CheckedLogic extends CountingLogic {
  #see: (partition: number, sequence: number, copy: boolean) => void = () => {};
  #lag: () => number = () => 0;
  readonly #seen: number[] = [];
  watch(see: (partition: number, sequence: number, copy: boolean) => void): this {
    this.#see = see;
    return this;
  }
  /** Its checkpoint stays so many records behind. */
  behind(lag: () => number): this {
    this.#lag = lag;
    return this;
  }
  override checkpoint(): number {
    const lag = this.#lag();
    if (lag === 0) return super.checkpoint();
    const sequence = this.#seen.at(-1 - lag);
    return sequence === undefined ? this.context.checkpoint : positionAfterRecord(sequence);
  }
  override record(record: { sequence: number; payload: Buffer }): void {
    super.record(record as Parameters<CountingLogic['record']>[0]);
    this.#seen.push(record.sequence);
    this.#see(this.context.partition, record.sequence, false);
  }
  override copySkipped(sequence: number): void {
    super.copySkipped(sequence);
    this.#seen.push(sequence);
    this.#see(this.context.partition, sequence, true);
  }
}

class World {
  readonly clock = new SimClock();
  readonly random: Random;
  readonly cluster: MemoryCluster;
  readonly appender: MemoryBus;
  processes: Process[] = [];
  readonly seed: number;
  /** Records that checkpoints stay behind. */
  lag = 8;
  #names = 0;
  #numbers = new Map<string, number>();
  /** Per partition and sequence: stored at, and whether it is a copy. */
  readonly log = new Map<string, { atMs: number; copy: boolean; handled: Set<string> }>();

  constructor(seed: number) {
    this.seed = seed;
    this.random = seededRandom(seed);
    this.cluster = new MemoryCluster(this.clock, this.random);
    this.cluster.createStream(leaseStreamConfig(1));
    for (let partition = 0; partition < PARTITIONS; partition++) {
      this.cluster.createStream(logStreamConfig(partition, 1));
      for (const group of READER_GROUPS) {
        this.cluster.createStream(stateStreamConfig(group, partition, 1));
      }
    }
    const highest = new Map<string, number>();
    this.cluster.onStored((stream, message) => {
      if (!stream.startsWith('LOG_')) return;
      const number = message.payload.readUIntBE(4, 6);
      const copy = number <= (highest.get(message.subject) ?? 0);
      if (!copy) highest.set(message.subject, number);
      const atMs = this.clock.nowMs();
      this.log.set(`${stream}.${message.sequence}`, { atMs, copy, handled: new Set() });
    });
    this.appender = this.cluster.connect('appender');
    for (const group of READER_GROUPS) {
      for (let i = 0; i < PROCESSES; i++) this.spawn(group);
    }
  }

  spawn(group: string): void {
    const name = `p${++this.#names}`;
    const bus = this.cluster.connect(name);
    const events: ReaderEvent[] = [];
    const logics: CountingLogic[] = [];
    const reader = new ReaderGroup({
      bus,
      clock: bus.control.clock,
      random: this.random,
      group,
      partitions: PARTITIONS,
      instance: name,
      member: name,
      makeLogic: (context) => {
        const logic = new CheckedLogic(context)
          .behind(() => this.lag)
          .watch((partition, sequence, copy) => {
            const known = this.log.get(`${logStream(partition)}.${sequence}`);
            assert.equal(known?.copy, copy, `${this.what()}: record ${sequence} judged wrongly`);
            known?.handled.add(group);
          });
        logics.push(logic);
        return logic;
      },
      onEvent: (event) => {
        assert.notEqual(event.kind, 'log gap', `${this.what()}: ${event.detail}`);
        events.push(event);
      },
    });
    reader.start();
    this.processes.push({ group, bus, reader, events, logics });
  }

  what(): string {
    return `seed ${this.seed} at ${Math.round(this.clock.nowMs())} ms`;
  }

  append(): void {
    const partition = Math.floor(this.random() * PARTITIONS);
    const subject = logSubject(partition, `w${Math.floor(this.random() * 3)}`, 0);
    const last = this.#numbers.get(subject) ?? 0;
    const copy = last > 0 && this.random() < 0.2;
    const number = copy ? Math.max(1, last - Math.floor(this.random() * 2)) : last + 1;
    this.#numbers.set(subject, Math.max(last, number));
    const payload = emptyRecord(number);
    this.appender.append({ stream: logStream(partition), subject, payload }, () => undefined);
  }

  /** Only what all groups have behind them may be gone, and nothing young. */
  check(): void {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const first = this.cluster.stream(logStream(partition))?.firstSequence ?? 1;
      const trimmed = this.log.get(`${logStream(partition)}.${first - 1}`);
      if (trimmed !== undefined) {
        const ageMs = this.clock.nowMs() - trimmed.atMs;
        assert.ok(ageMs > DUPLICATE_WINDOW_MS - 10, `${this.what()}: trimmed after ${ageMs} ms`);
        assert.equal(trimmed.handled.size, READER_GROUPS.length, `${this.what()}: trimmed early`);
      }
      for (const group of READER_GROUPS) {
        const acting = this.processes.filter(({ group: of, bus, logics }) => {
          if (of !== group || bus.control.state !== 'running') return false;
          return logics.some((l) => !l.ended && l.context.partition === partition && holds(l));
        });
        assert.ok(acting.length <= 1, `${this.what()}: ${acting.length} owners act`);
      }
    }
  }

  step(spanMs: number): void {
    this.clock.run(this.clock.nowMs() + spanMs);
    this.check();
  }

  atHead(): boolean {
    return READER_GROUPS.every((group) =>
      Array.from({ length: PARTITIONS }, (_, partition) => partition).every((partition) =>
        this.processes.some(({ group: of, reader }) => {
          const owned = of === group ? reader.partitions.get(partition) : undefined;
          const last = this.cluster.stream(logStream(partition))?.lastSequence ?? 0;
          const checkpoint = owned?.state?.durableCheckpoint ?? -1;
          return owned?.phase === 'reading' && sequenceOf(checkpoint) === last;
        }),
      ),
    );
  }
}

function holds(logic: CountingLogic): boolean {
  return logic.context.holds();
}

function disturb(world: World): void {
  const dice = world.random();
  const victim = world.processes[Math.floor(world.random() * world.processes.length)];
  if (victim === undefined) return;
  const { control } = victim.bus;
  if (dice < 0.1) {
    control.kill();
    world.processes = world.processes.filter((process) => process !== victim);
    world.spawn(victim.group);
  } else if (dice < 0.2) {
    const spanMs = world.random() * 6_000;
    control.pause();
    world.clock.after(spanMs, () => control.resume());
  } else if (dice < 0.25) {
    control.partition();
    world.clock.after(world.random() * 8_000, () => control.heal());
  } else if (dice < 0.3) control.disconnect();
  else if (dice < 0.33) {
    world.cluster.crash();
    world.clock.after(world.random() * 15_000, () => world.cluster.recover());
  } else if (dice < 0.36) {
    world.processes = world.processes.filter((process) => process !== victim);
    victim.reader.leave(() => control.kill());
    world.spawn(victim.group);
  } else if (dice < 0.4) world.cluster.stallStream('GW', world.random() * 3_000);
}

test('readers under all faults: one owner, the same decisions, nothing left behind', () => {
  for (let seed = 1; seed <= 15; seed++) {
    const world = new World(seed);
    Object.assign(world.cluster.faults, {
      appendAnswerLost: 0.02,
      appendLost: 0.02,
      appendUndecided: 0.02,
      appendStalled: 0.005,
    });
    for (let step = 0; step < 400; step++) {
      for (let n = world.random() * 3; n > 1; n--) world.append();
      if (world.random() < 0.1) disturb(world);
      world.step(world.random() * 400);
    }
    world.lag = 0;
    world.cluster.recover();
    Object.assign(world.cluster.faults, { appendStalled: 0, appendLost: 0 });
    for (const process of world.processes) process.bus.control.resume();
    const untilMs = world.clock.nowMs() + 40_000;
    assert.ok(
      world.clock.runUntil(() => world.atHead(), untilMs),
      `${world.what()}: not at the head`,
    );
    const missed = [...world.log].filter(([, record]) => record.handled.size < 2);
    assert.deepEqual(missed, [], world.what());
  }
});

test('an outage alone ends no owner, member or gateway; a dead gateway is ended', () => {
  for (let seed = 1; seed <= 8; seed++) {
    const world = new World(seed);
    const gateways = ['g1', 'g2'].map((incarnation) => {
      const bus = world.cluster.connect(incarnation);
      const report = { incarnation, instance: incarnation, done: [], heard: [], unanswered: [] };
      const holder = new LeaseHolder({
        bus,
        clock: bus.control.clock,
        subject: gatewayLeaseSubject(incarnation),
        holder: incarnation,
        ttlMs: GATEWAY_TTL_MS,
        content: () => ({ ...report, filterVersion: 0 }),
      });
      holder.take(0);
      return { bus, holder, incarnation };
    });
    world.step(15_000);
    const epochs = (): (number | undefined)[] =>
      world.processes.flatMap(({ reader }) => [0, 1].map((p) => reader.partitions.get(p)?.epoch));
    const before = epochs();
    for (let outage = 0; outage < 4; outage++) {
      world.cluster.crash();
      world.step(world.random() * 25_000);
      world.cluster.recover();
      world.step(500 + world.random() * 8_000);
    }
    world.step(5_000);
    assert.deepEqual(epochs(), before, world.what());
    for (const { holder } of gateways) assert.equal(holder.holds(), true, world.what());
    const [dead] = gateways;
    dead?.bus.control.kill();
    world.step(12_000);
    for (const { reader } of world.processes) {
      assert.equal(reader.leases.isEnded('g1'), true, world.what());
      assert.equal(reader.leases.gateways.has('g2'), true, world.what());
    }
  }
});
