/**
 * Shared subscriptions at their owner: what holds the checkpoint, what is filed and found again,
 * limits and expiry by name, and groups that end.
 */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { SimClock } from '#bus';
import { encodePositions, type GroupMessage, type HeldOfGroup, type OwnerMessage } from '#frames';
import { messageLength, readMessage, RecordBuilder, RecordReader } from '#log';
import { PublishView } from '#mqtt';
import type { PartitionContext } from '#reader';
import { DispatchCounters } from '../../../services/dispatcher/dispatch-counters.ts';
import { GroupBoard } from '../../../services/dispatcher/group-board.ts';
import {
  GROUP_MESSAGE_TABLE,
  GROUP_OVER_TABLE,
  GROUP_TABLE,
} from '../../../services/dispatcher/group-store.ts';
import { OwnerGroups } from '../../../services/dispatcher/owner-groups.ts';
import { PartitionLink } from '../../../services/dispatcher/partition-link.ts';
import type { QueueLimits } from '../../../services/dispatcher/session-queues.ts';
import type { GatewayLine } from '../../../services/dispatcher/switchboard.ts';
import { UndurableLimit } from '../../../services/dispatcher/undurable-limit.ts';
import { type Durable, MemoryTables } from '../../fixtures/memory-tables.ts';
import { payloadTextOf, publishView } from '../../fixtures/publish-view.ts';

const GROUP = '$share/g/t/#';
const EXPIRY_SECONDS = 10;

interface WorldOptions {
  readonly durable?: Durable;
  readonly limits?: QueueLimits;
  /** What the gateway named when it answered hello. */
  readonly named?: readonly HeldOfGroup[];
}

/** One owner, and one gateway `g` that has nothing but a voice. */
class World {
  readonly clock = new SimClock();
  readonly counters = new DispatchCounters();
  readonly board = new GroupBoard(this.clock, 0, EXPIRY_SECONDS);
  readonly tables: MemoryTables;
  readonly groups: OwnerGroups;
  readonly sent: string[] = [];
  readonly heard: number[] = [];
  readonly links = new Map<string, PartitionLink>();
  readonly link: PartitionLink;
  position: number;
  #reports = 0;
  #taken = 0;

  constructor({ durable, limits, named = [] }: WorldOptions = {}) {
    this.tables = new MemoryTables(this.clock, durable);
    this.position = this.tables.durableCheckpoint;
    const line: Pick<GatewayLine, 'incarnation'> = { incarnation: 'g' };
    this.link = new PartitionLink(line as GatewayLine);
    this.link.phase = 'ready';
    this.link.groupsNamed = named;
    this.links.set('g', this.link);
    this.board.gatewayNames('g', GROUP);
    const context = {
      partition: 0,
      epoch: 1,
      clock: this.clock,
      state: this.tables,
      checkpoint: this.tables.durableCheckpoint,
      bus: { payloadBytesMax: 1024 * 1024 },
      pause: () => undefined,
      resume: () => undefined,
    } as unknown as PartitionContext;
    this.groups = new OwnerGroups({
      context,
      board: this.board,
      counters: this.counters,
      links: this.links,
      voice: {
        tell: (_incarnation: string, message: OwnerMessage) => {
          if (message.t === 'groups') this.heard.push(message.heard);
        },
        tellGroup: (_inc: string, number: number, _group: string, entries) => {
          // What was not called taken comes again.
          if (number <= this.#taken) return;
          this.#taken = number;
          this.#onSection(entries);
        },
      },
      limit: new UndurableLimit(context),
      position: () => this.position,
      planFlush: () => undefined,
      queueLimits: limits,
    });
    this.groups.begin();
  }

  #onSection(entries: readonly GroupMessage[]): void {
    const view = new PublishView();
    for (const { position, message } of entries) {
      readMessage(message, 0, view);
      this.sent.push(`${position} ${payloadTextOf(view)}`);
    }
  }

  /** A message of the log at this position. */
  publish(position: number, expiresAtSeconds = 0, topic = 't/1'): void {
    const view = publishView({ topic, payload: `p${position}`, qos: 1 });
    const builder = new RecordBuilder();
    builder.add(view, messageLength(view), expiresAtSeconds, 0, false);
    const payload = builder.take(1, 0);
    const reader = new RecordReader(payload);
    reader.next();
    const record = { sequence: position, payload, incarnation: 'g' };
    this.groups.dispatch(topic, position, record, reader);
    this.position = position;
  }

  report(report: { window?: number; done?: number[]; back?: number[] }): void {
    const { window, done, back } = report;
    this.groups.onReport(this.link, {
      t: 'groups',
      inc: 'g',
      epoch: 1,
      number: ++this.#reports,
      taken: this.#taken,
      windows: window === undefined ? [] : [[GROUP, window]],
      done: done === undefined ? [] : [[GROUP, encodePositions(done)]],
      back: back === undefined ? [] : [[GROUP, encodePositions(back)]],
    });
    this.groups.beforeFlush();
  }

  /** Time passes with the owner's ticks; what was put becomes durable. */
  pass(ms: number): void {
    for (let at = 0; at < ms; at += 500) {
      this.clock.run(this.clock.nowMs() + 500);
      this.board.tick();
      this.groups.tick();
      this.groups.beforeFlush();
    }
    this.tables.commit(Math.min(this.position, this.groups.position));
  }
}

let world: World;
beforeEach(() => {
  world = new World();
});

describe('shared subscriptions of an owner', () => {
  it('hold the checkpoint until a message is done', () => {
    for (const position of [1, 2, 3]) world.publish(position);
    assert.equal(world.groups.position, 0);
    world.report({ window: 5 });
    assert.deepEqual(world.sent, ['1 p1', '2 p2', '3 p3']);
    world.report({ done: [2] });
    assert.equal(world.groups.position, 0, 'out of order');
    world.report({ done: [1] });
    assert.equal(world.groups.position, 2);
    world.report({ done: [3] });
    assert.equal(world.groups.position, Infinity);
    assert.deepEqual(world.heard, [], 'not before it is durable');
    world.pass(500);
    assert.deepEqual(world.heard, [1, 2, 3, 4]);
  });

  it('file what waits for seconds, and read it again when somebody takes it', () => {
    for (const position of [1, 2, 3]) world.publish(position);
    world.pass(4_000);
    assert.equal(world.groups.position, Infinity);
    assert.equal(world.tables.count(GROUP_MESSAGE_TABLE), 3);
    world.report({ window: 2 });
    world.pass(500);
    assert.deepEqual(world.sent, ['1 p1', '2 p2']);
    world.report({ done: [1, 2] });
    world.pass(500);
    assert.deepEqual(world.sent, ['1 p1', '2 p2', '3 p3']);
    assert.equal(world.tables.count(GROUP_MESSAGE_TABLE), 1);
  });

  it('are found again by the next owner: filed, held and finished', () => {
    for (const position of [1, 2, 3]) world.publish(position);
    world.report({ window: 1 });
    world.pass(4_000);
    for (const position of [4, 5, 6]) world.publish(position);
    world.pass(500);
    assert.deepEqual(world.sent, ['1 p1']);
    // 1 is held; 2 and 5 went by another gateway of the first owner, and are done.
    const named: HeldOfGroup[] = [[GROUP, encodePositions([1]), encodePositions([2, 5])]];
    const next = new World({ durable: world.tables.durable, named });
    assert.equal(next.groups.inFlight, 1);
    for (const position of [4, 5, 6]) next.publish(position);
    next.report({ window: 100, done: [1] });
    next.pass(500);
    assert.deepEqual(next.sent, ['3 p3', '4 p4', '6 p6']);
  });

  it('know what a gateway that ended had finished', () => {
    world.publish(1);
    world.publish(2);
    world.report({ window: 1 });
    world.report({ done: [1] });
    world.report({ back: [2], window: 0 });
    world.groups.gatewayEnded('g');
    assert.equal(world.tables.count(GROUP_OVER_TABLE), 1);
    world.tables.commit(0);
    const next = new World({ durable: world.tables.durable });
    next.publish(1);
    next.publish(2);
    next.report({ window: 5 });
    assert.deepEqual(next.sent, ['2 p2']);
  });

  it('give back to others what a gateway had that ended', () => {
    world.publish(1);
    world.report({ window: 5 });
    assert.equal(world.groups.inFlight, 1);
    world.groups.gatewayEnded('g');
    assert.equal(world.groups.waiting, 1);
    assert.equal(world.counters.groupRedelivered, 1);
  });

  it('drop by policy when a queue is full, and by name what has expired', () => {
    const limits = { messagesMax: 2, bytesMax: 1_000, policy: 'drop_oldest' } as const;
    const full = new World({ limits });
    for (const position of [1, 2, 3]) full.publish(position);
    full.report({ window: 5 });
    assert.deepEqual(full.sent, ['2 p2', '3 p3']);
    assert.equal(full.counters.groupQueueFull, 1);
    const newest = new World({ limits: { ...limits, policy: 'drop_newest' } });
    for (const position of [1, 2, 3]) newest.publish(position);
    newest.report({ window: 5 });
    assert.deepEqual(newest.sent, ['1 p1', '2 p2']);
    const second = Math.ceil(world.clock.wallMs() / 1_000) + 1;
    world.publish(1, second);
    world.publish(2, second + 60);
    world.pass(4_000);
    world.report({ window: 5 });
    world.pass(500);
    assert.deepEqual(world.sent, ['2 p2']);
    assert.equal(world.counters.groupExpired, 1);
  });

  it('end with all they have, some time after the last that named them', () => {
    world.publish(1);
    world.pass(4_000);
    world.board.gatewayDrops('g', GROUP);
    world.pass(5_000);
    assert.equal(world.groups.waiting, 1, 'it may come back');
    world.board.sessionNames(GROUP);
    world.pass(20_000);
    assert.equal(world.groups.waiting, 1, 'a stored session names it');
    world.board.sessionDrops(GROUP);
    world.pass(11_000);
    assert.equal(world.groups.waiting, 0);
    for (const table of [GROUP_TABLE, GROUP_MESSAGE_TABLE]) {
      assert.equal(world.tables.count(table), 0);
    }
    world.publish(2);
    assert.equal(world.groups.position, Infinity);
  });
});
