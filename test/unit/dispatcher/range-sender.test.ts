/**
 * Ranges to gateways: each gets what it wants, once, in log order, whatever frames are lost; from
 * the tail, or from the log when the tail is too short; copies of records and repeats of messages
 * are never sent.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type MemoryBus, MemoryCluster, SimClock } from '#bus';
import { frameSubject, type GatewayMessage, type RangeReader } from '#frames';
import {
  logStreamConfig,
  logSubject,
  messageLength,
  POSITION_START,
  positionAfterRecord,
  RecordBuilder,
  recordNumber,
  writerOfSubject,
} from '#log';
import { DispatchCounters } from '../../../services/dispatcher/dispatch-counters.ts';
import { PartitionLink } from '../../../services/dispatcher/partition-link.ts';
import { RangeSender } from '../../../services/dispatcher/range-sender.ts';
import { Switchboard } from '../../../services/dispatcher/switchboard.ts';
import { OwnerLink } from '../../../services/gateway/owner-link.ts';
import { payloadTextOf, publishView, topicTextOf } from '../../fixtures/publish-view.ts';
import { seededRandom } from '../../fixtures/seeded-random.ts';
import { readRanges } from './read-ranges.ts';

interface Message {
  readonly topic: string;
  readonly bytes: number;
  readonly liveElsewhere: boolean;
  /** Of QoS 2: behind it stand a release, and a repeat that the log feed found. */
  readonly isRepeated?: boolean;
}

const KEY = { generation: 9, epoch: 1, packetIdentifier: 1 };

const EPOCH = 7;
const WANTED = 'wanted/+';

/** A gateway that reads frames as the real one does. */
class Reader {
  readonly name: string;
  readonly received: string[] = [];
  readonly link: OwnerLink;
  readonly asks: GatewayMessage[] = [];
  frames = 0;

  constructor(name: string, bus: MemoryBus, clock: SimClock) {
    this.name = name;
    this.link = new OwnerLink(0, name, (message) => this.asks.push(message));
    this.link.welcome(EPOCH, POSITION_START);
    bus.subscribe(frameSubject(name), ({ payload }) => {
      this.frames++;
      readRanges(payload, (range) => this.#take(range, clock.nowMs()));
    });
  }

  #take(range: RangeReader, nowMs: number): void {
    const { link } = this;
    if (link.judge(range, nowMs) === 'ignore') return;
    const done = link.done ?? 0;
    let last = -1;
    while (range.next()) {
      assert.ok(range.position > last && range.position <= range.to, 'in order, within its range');
      last = range.position;
      assert.match(topicTextOf(range.view), /^wanted/);
      const [id = ''] = payloadTextOf(range.view).split(' ', 1);
      if (range.position > done) this.received.push(id);
    }
    link.took(range);
  }
}

class World {
  readonly clock = new SimClock();
  readonly cluster: MemoryCluster;
  readonly bus: MemoryBus;
  readonly board: Switchboard;
  readonly sender: RangeSender;
  readonly counters = new DispatchCounters();
  readonly readers: Reader[] = [];
  readonly links: PartitionLink[] = [];
  readonly trimmed: string[] = [];
  durableCheckpoint = POSITION_START;
  readonly expected: string[] = [];
  /** By record number, indexes of repeats. */
  readonly #skipped = new Map<number, readonly number[]>();
  readonly #windowBytes: number;
  #number = 0;
  #messages = 0;

  constructor(seed: number, limits: { tailBytes?: number; windowBytes?: number }) {
    this.cluster = new MemoryCluster(this.clock, seededRandom(seed));
    this.cluster.createStream(logStreamConfig(0, 1));
    this.bus = this.cluster.connect('dispatcher');
    const { clock } = this.bus.control;
    this.board = new Switchboard(this.bus, clock);
    this.#windowBytes = limits.windowBytes ?? 1_000_000;
    this.sender = new RangeSender({
      bus: this.bus,
      clock,
      partition: 0,
      epoch: EPOCH,
      board: this.board,
      counters: this.counters,
      start: POSITION_START,
      tailBytes: limits.tailBytes,
      durableCheckpoint: () => this.durableCheckpoint,
      onStored: () => undefined,
      onRetained: () => assert.fail('nothing is retained here'),
      onTrimmed: (incarnation) => this.trimmed.push(incarnation),
    });
    this.board.addUser(0, {
      closeRange: (line) => this.sender.closeRange(line),
      beforeFlush: () => undefined,
      onJoin: () => undefined,
      onLeave: () => undefined,
      onInterest: () => undefined,
    });
    this.#follow();
    this.#beacon();
  }

  addGateway(name: string): Reader {
    this.board.join(name);
    this.board.onInterest(name, [WANTED], []);
    const line = this.board.line(name);
    assert.ok(line !== undefined);
    const link = new PartitionLink(line, this.#windowBytes);
    link.phase = 'ready';
    this.sender.addLink(link);
    this.links.push(link);
    const reader = new Reader(name, this.cluster.connect(name), this.clock);
    this.readers.push(reader);
    this.clock.run(this.clock.nowMs() + 2);
    return reader;
  }

  /** As the log feed does: copies are passed over. */
  #follow(): void {
    let last = 0;
    this.bus.follow({
      stream: 'LOG_00',
      fromSequence: 1,
      onMessage: ({ sequence, payload, subject }) => {
        const number = recordNumber(payload);
        if (number <= last) return this.sender.passOver(sequence);
        last = number;
        const [incarnation = ''] = writerOfSubject(subject).split('.');
        const record = { sequence, payload, incarnation };
        this.sender.dispatch(record, POSITION_START, false, this.#skipped.get(number) ?? []);
      },
    });
  }

  #beacon(): void {
    this.bus.control.clock.after(200, () => {
      this.sender.beacon(this.links);
      this.board.planFlush();
      this.#beacon();
    });
  }

  append(messages: readonly Message[], copyOf?: Buffer): Buffer {
    const builder = new RecordBuilder();
    const skipped: number[] = [];
    for (const { topic, bytes, liveElsewhere, isRepeated = false } of messages) {
      const id = `${++this.#messages}`;
      const view = publishView({ topic, payload: `${id} `.padEnd(bytes, 'x') });
      const key = isRepeated ? KEY : undefined;
      builder.add(view, messageLength(view, key), 0, 1, liveElsewhere, key);
      if (isRepeated) {
        builder.addRelease(KEY);
        skipped.push(builder.count);
        builder.add(view, messageLength(view, KEY), 0, 1, liveElsewhere, KEY);
      }
      if (topic.startsWith('wanted') && !liveElsewhere) this.expected.push(id);
    }
    const payload = copyOf ?? builder.take(++this.#number, 0);
    if (copyOf === undefined) this.#skipped.set(this.#number, skipped);
    const subject = logSubject(0, 'g0', 0);
    this.bus.append({ stream: 'LOG_00', subject, payload }, () => undefined);
    return payload;
  }

  /** What gateways ask reaches the owner; reports do, too. */
  run(spanMs: number): void {
    const endMs = this.clock.nowMs() + spanMs;
    while (this.clock.nowMs() < endMs) {
      this.clock.run(Math.min(endMs, this.clock.nowMs() + 50));
      for (const [i, reader] of this.readers.entries()) {
        const link = this.links[i] as PartitionLink;
        for (const message of reader.asks.splice(0)) {
          if (message.t === 'again') this.sender.again(link, message.from);
          else if (message.t === 'taken') this.sender.taken(link, message.to);
        }
        link.done = reader.link.done ?? 0;
        this.sender.taken(link, link.done);
        this.board.planFlush();
      }
    }
  }

  check(): void {
    for (const reader of this.readers) {
      assert.deepEqual(reader.received, this.expected, reader.name);
      assert.equal(reader.link.done, this.sender.position);
    }
    assert.deepEqual([this.sender.linksBehind, this.trimmed], [0, []]);
  }
}

const message: fc.Arbitrary<Message> = fc.record({
  topic: fc.constantFrom('wanted/a', 'wanted/b', 'other'),
  bytes: fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 60_000 })),
  liveElsewhere: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  isRepeated: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
});
const step = fc.oneof(
  { weight: 5, arbitrary: fc.array(message, { minLength: 1, maxLength: 6 }) },
  { weight: 1, arbitrary: fc.constant('copy' as const) },
  { weight: 2, arbitrary: fc.constant('run' as const) },
  { weight: 1, arbitrary: fc.constant('lose' as const) },
);
const limits = fc.constantFrom(
  {},
  { tailBytes: 20_000 },
  { windowBytes: 50_000 },
  { tailBytes: 70_000, windowBytes: 100_000 },
);

describe('RangeSender', () => {
  it('brings every gateway everything it wants, once and in order, over losses', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        limits,
        fc.array(step, { minLength: 5, maxLength: 60 }),
        (seed, bounds, steps) => {
          const world = new World(seed, bounds);
          const random = seededRandom(seed);
          for (const name of ['ga', 'gb']) world.addGateway(name);
          const records: Buffer[] = [];
          let losing = false;
          for (const one of steps) {
            if (one === 'run') world.run(random() * 400);
            else if (one === 'lose') {
              losing = !losing;
              world.cluster.faults.coreLoss = [
                { subjectPrefix: 'frame.', probability: losing ? 0.4 : 0 },
              ];
            } else if (one === 'copy') {
              const copy = records[Math.floor(random() * records.length)];
              if (copy !== undefined) world.append([], copy);
            } else records.push(world.append(one));
          }
          world.cluster.faults.coreLoss = [];
          world.run(6_000);
          world.check();
        },
      ),
      { numRuns: 60 },
    );
  });

  it('forgets what it leaves out once nobody can ask for it', () => {
    const world = new World(1, {});
    world.addGateway('ga');
    const record = [{ topic: 'wanted/a', bytes: 10, liveElsewhere: false, isRepeated: true }];
    for (let i = 0; i < 3; i++) world.append([], world.append(record));
    world.run(100);
    assert.equal(world.sender.leftOut.size, 6, 'three repeats, three copies');
    world.durableCheckpoint = positionAfterRecord(4);
    world.append(record);
    world.run(500);
    assert.equal(world.sender.leftOut.size, 4, 'the oldest is that of the checkpoint itself');
    world.check();
  });

  it('stops at the window of a gateway that takes nothing, and only there', () => {
    const world = new World(1, { windowBytes: 100_000, tailBytes: 50_000 });
    const [slow, quick] = [world.addGateway('ga'), world.addGateway('gb')];
    world.cluster.faults.coreLoss = [{ subjectPrefix: 'frame.ga', probability: 1 }];
    for (let i = 0; i < 200; i++) {
      world.append([{ topic: 'wanted/a', bytes: 5_000, liveElsewhere: false }]);
      world.run(50);
    }
    const { framed } = world.counters;
    assert.equal(quick.received.length, 200);
    assert.equal(slow.received.length, 0);
    assert.ok(framed >= 220 && framed <= 240, `${framed} copies: 200 and a window`);
    assert.ok(world.sender.tailBytes <= 50_000);
    world.cluster.faults.coreLoss = [];
    world.run(5_000);
    world.check();
  });

  it('passes over what cannot be read and goes on behind it', () => {
    const world = new World(1, {});
    const [reader] = [world.addGateway('ga')];
    world.append([{ topic: 'wanted/a', bytes: 10, liveElsewhere: false }]);
    const builder = new RecordBuilder();
    for (const payload of ['good', 'bad']) {
      const view = publishView({ topic: 'wanted/a', payload });
      builder.add(view, messageLength(view), 0, 1, false);
    }
    const damaged = Buffer.from(builder.take(2, 0));
    world.append([], damaged.subarray(0, damaged.length - 1));
    world.run(100);
    const later = new RecordBuilder();
    const view = publishView({ topic: 'wanted/a', payload: 'later' });
    later.add(view, messageLength(view), 0, 1, false);
    world.append([], later.take(3, 0));
    world.run(500);
    assert.deepEqual(reader?.received, ['1', 'good', 'later']);
    assert.equal(world.counters.recordsDamaged, 1);
  });

  it('tells of a gateway whose records are gone', () => {
    const world = new World(1, { tailBytes: 10 });
    world.addGateway('ga');
    for (let i = 0; i < 5; i++) {
      world.append([{ topic: 'wanted/a', bytes: 10, liveElsewhere: false }]);
    }
    world.cluster.faults.coreLoss = [{ subjectPrefix: 'frame.', probability: 1 }];
    world.run(100);
    world.bus.trim('LOG_00', 4, () => undefined);
    world.run(100);
    world.cluster.faults.coreLoss = [];
    world.run(1_000);
    assert.deepEqual(new Set(world.trimmed), new Set(['ga']));
  });

  it('carries messages as large as any record may hold', () => {
    const world = new World(1, {});
    world.addGateway('ga');
    for (const bytes of [100_000, 1_000_000, 10, 900_000, 50]) {
      world.append([{ topic: 'wanted/a', bytes, liveElsewhere: false }]);
    }
    world.run(1_000);
    world.check();
    assert.equal(world.counters.oversized, 0);
  });
});
