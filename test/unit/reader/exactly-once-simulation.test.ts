/**
 * Random histories of QoS 2 publishers on the memory bus: gateways cut off while they append,
 * sessions that move on and send again, readers of both groups killed, paused and cut off. Every
 * message has one position at which it is dispatched, the same one for every owner of a group.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MemoryBus, MemoryCluster, SimClock } from '#bus';
import { leaseStreamConfig } from '#lease';
import { logStreamConfig, PartitionAppender, positionAfterRecord } from '#log';
import { type LogRecordView, READER_GROUPS, ReaderGroup } from '#reader';
import { stateStreamConfig } from '#state';
import { publishView } from '../../fixtures/publish-view.ts';
import { seededRandom } from '../../fixtures/seeded-random.ts';
import { CountingLogic } from './counting-logic.ts';
import { Dispatches, type Qos2Entry, Qos2Session } from './qos2-session.ts';

const SEEDS = 12;
const STEPS = 250;

/** Dispatches what it reads; its checkpoint stays some records behind. */
class DispatchingLogic extends CountingLogic {
  dispatches = new Dispatches();
  lag = (): number => 0;
  override record(record: LogRecordView): void {
    super.record(record);
    this.dispatches.note(record);
  }
  override checkpoint(): number {
    const lag = this.lag();
    if (lag === 0) return super.checkpoint();
    const sequence = this.sequences.at(-1 - lag);
    return sequence === undefined ? this.context.checkpoint : positionAfterRecord(sequence);
  }
}

interface Gateway {
  readonly bus: MemoryBus;
  readonly appender: PartitionAppender;
}

class World {
  readonly clock = new SimClock();
  readonly random: () => number;
  readonly cluster: MemoryCluster;
  readonly sessions: Qos2Session[] = [];
  readonly dispatches = new Map<string, Dispatches>();
  readonly what: string;
  lag = 6;
  readers: { readonly group: string; readonly bus: MemoryBus }[] = [];
  readonly gateways: Gateway[] = [];
  /** Where each session is connected. */
  readonly #at = new Map<Qos2Session, Gateway>();
  #names = 0;

  constructor(seed: number) {
    this.what = `seed ${seed}`;
    this.random = seededRandom(seed);
    this.cluster = new MemoryCluster(this.clock, this.random);
    this.cluster.createStream(leaseStreamConfig(1));
    this.cluster.createStream(logStreamConfig(0, 1));
    for (const group of READER_GROUPS) {
      this.cluster.createStream(stateStreamConfig(group, 0, 1));
      this.dispatches.set(group, new Dispatches());
      for (let i = 0; i < 2; i++) this.spawn(group);
    }
    for (let i = 0; i < 3; i++) this.gateways.push(this.#newGateway(`g${i}`));
    for (let i = 0; i < 2; i++) {
      this.sessions.push(new Qos2Session(100 + i, (entry) => this.#append(entry)));
    }
    for (const session of this.sessions) this.move(session);
  }

  #newGateway(incarnation: string): Gateway {
    const bus = this.cluster.connect(incarnation);
    const { clock } = bus.control;
    const onDrain = (): void => undefined;
    return {
      bus,
      appender: new PartitionAppender({ bus, clock, partition: 0, incarnation, onDrain }),
    };
  }

  spawn(group: string): void {
    const name = `p${++this.#names}`;
    const bus = this.cluster.connect(name);
    new ReaderGroup({
      bus,
      clock: bus.control.clock,
      random: this.random,
      group,
      partitions: 1,
      instance: name,
      member: name,
      makeLogic: (context) => {
        const logic = new DispatchingLogic(context);
        logic.lag = () => this.lag;
        logic.dispatches = this.dispatches.get(group) ?? logic.dispatches;
        return logic;
      },
      onEvent: (event) => assert.notEqual(event.kind, 'record unreadable', this.what),
    }).start();
    this.readers.push({ group, bus });
  }

  /** The client connects to a gateway that lives. */
  move(session: Qos2Session): void {
    const gateway = this.#pick(this.gateways.filter(({ bus }) => bus.control.state === 'running'));
    this.#at.set(session, gateway);
    session.reconnect();
  }

  #append(entry: Qos2Entry): void {
    const { session, message, phase, epoch } = entry;
    const { generation } = session;
    const key = { generation, epoch, packetIdentifier: message.packetIdentifier };
    const owner = {
      appended: (_token: number, outcome: 'stored' | 'full') => {
        assert.equal(outcome, 'stored');
        session.landed(entry);
      },
    };
    const appender = this.#at.get(session)?.appender;
    if (phase === 'releasing') appender?.addRelease(key, owner, 0);
    else {
      const view = publishView({ topic: 't', payload: message.id, qos: 2 });
      appender?.add(view, 0, false, owner, 0, key);
    }
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.random() * list.length)] as T;
  }

  disturb(): void {
    const dice = this.random();
    if (dice < 0.3) {
      const { control } = this.#pick(this.gateways).bus;
      control.partition();
      this.clock.after(this.random() * 12_000, () => control.heal());
      return;
    }
    if (dice < 0.65) return this.move(this.#pick(this.sessions));
    const victim = this.#pick(this.readers);
    const { control } = victim.bus;
    if (dice < 0.85) {
      control.kill();
      this.readers = this.readers.filter((reader) => reader !== victim);
      this.spawn(victim.group);
    } else if (dice < 0.95) {
      control.pause();
      this.clock.after(this.random() * 5_000, () => control.resume());
    } else {
      this.cluster.crash();
      this.clock.after(this.random() * 5_000, () => this.cluster.recover());
    }
  }

  run(spanMs: number): void {
    this.clock.run(this.clock.nowMs() + spanMs);
  }

  finish(): void {
    this.lag = 0;
    this.cluster.recover();
    for (const { bus } of [...this.readers, ...this.gateways]) {
      bus.control.heal();
      bus.control.resume();
    }
    Object.assign(this.cluster.faults, { appendStalled: 0, appendLost: 0, appendAnswerLost: 0 });
    this.run(20_000);
    for (const session of this.sessions) this.move(session);
    for (let i = 0; i < 3; i++) {
      this.run(2_000);
      for (const session of this.sessions) session.hear();
    }
    this.run(20_000);
  }
}

test('QoS 2 messages have one position each, whatever happens to gateways and readers', () => {
  let published = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const world = new World(seed);
    Object.assign(world.cluster.faults, {
      appendAnswerLost: 0.03,
      appendLost: 0.03,
      appendUndecided: 0.03,
      appendStalled: 0.02,
    });
    for (let step = 0; step < STEPS; step++) {
      for (const session of world.sessions) {
        if (world.random() < 0.4) session.publish();
        if (world.random() < 0.6) session.hear();
      }
      if (world.random() < 0.1) world.disturb();
      world.run(world.random() * 400);
    }
    world.finish();
    for (const session of world.sessions) {
      assert.deepEqual(session.open, [], world.what);
      published += session.messages.length;
      for (const [group, dispatches] of world.dispatches) {
        const wrong = session.messages.filter(({ id }) => dispatches.positions.get(id)?.size !== 1);
        assert.deepEqual(wrong, [], `${world.what}: ${group}`);
      }
    }
  }
  assert.ok(published > SEEDS * 50, `${published} messages`);
});
