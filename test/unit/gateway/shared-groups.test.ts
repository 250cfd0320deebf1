/**
 * Shared subscriptions at a gateway: who gets a message, what the owner is told and when again,
 * what a new owner is told; and messages of QoS 0 between gateways.
 */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { type Bus, MemoryCluster, SimClock } from '#bus';
import {
  decodePositions,
  FrameChannel,
  FrameReaders,
  type GatewayMessage,
  type GroupMessage,
  peerSubject,
  readFrame,
} from '#frames';
import { messageLength, writeMessage } from '#log';
import { OwnerLink } from '../../../services/gateway/owner-link.ts';
import { SharedGroups } from '../../../services/gateway/shared-groups.ts';
import { SharedPacks } from '../../../services/gateway/shared-packs.ts';
import { payloadTextOf, publishView } from '../../fixtures/publish-view.ts';
import { RecordingClient, subscription } from './local-client.ts';

const GROUP = '$share/g/t/#';

type Report = Extract<GatewayMessage, { t: 'groups' }>;

/** A client that keeps the tickets of what it gets. */
class Member extends RecordingClient {
  readonly tickets: number[] = [];
  override deliver(...delivery: Parameters<RecordingClient['deliver']>): void {
    super.deliver(...delivery);
    const ticket: unknown = (delivery as readonly unknown[])[3];
    if (typeof ticket === 'number') this.tickets.push(ticket);
  }
  get payloads(): string[] {
    return this.handed.map(({ payload }) => payload);
  }
}

let clock: SimClock;
let link: OwnerLink;
let groups: SharedGroups;
let sent: Report[];
let sections = 0;

beforeEach(() => {
  clock = new SimClock();
  sent = [];
  sections = 0;
  link = new OwnerLink(0, 'g', () => undefined);
  link.welcome(1, 0);
  link.isHeard = true;
  groups = new SharedGroups({
    clock,
    incarnation: 'g',
    links: [link],
    send: (_partition, message) => {
      if (message.t === 'groups') sent.push(message);
    },
  });
});

/** Hands in a section of the owner. */
function section(positions: readonly number[], topic = 't/1', number = ++sections): void {
  const entries: GroupMessage[] = positions.map((position) => {
    const view = publishView({ topic, payload: `p${position}`, qos: 1 });
    const message = Buffer.alloc(messageLength(view));
    writeMessage(message, 0, view, message.length, 0, 0, false);
    return { position, message };
  });
  const frames: Buffer[] = [];
  const bus: Pick<Bus, 'publish' | 'payloadBytesMax'> = {
    payloadBytesMax: 1024 * 1024,
    publish: (_subject, payload) => frames.push(Buffer.from(payload)) > 0,
  };
  const channel = new FrameChannel(bus as Bus, 'g');
  channel.addGroup({ partition: 0, epoch: 1, number, group: GROUP }, entries);
  channel.flush();
  const ignore = (): undefined => undefined;
  readFrame(frames[0] as Buffer, new FrameReaders(), {
    onRange: ignore,
    onAnswer: ignore,
    onPage: ignore,
    onQueuePage: ignore,
    onGroup: (one) => groups.onSection(one),
  });
}

function member(number: number, deliveryCountMax = 10): Member {
  const client = new Member(number);
  client.deliveryCountMax = deliveryCountMax;
  groups.join(client, subscription(GROUP));
  return client;
}

function turn(): void {
  clock.run(clock.nowMs() + 1);
}

/** What the reports since the last call say. */
function told(): { windows: number[]; done: number[]; back: number[]; taken: number } {
  turn();
  const reports = sent.splice(0);
  const positions = (of: 'done' | 'back'): number[] =>
    reports.flatMap((r) => r[of].flatMap(([, list]) => decodePositions(list)));
  return {
    windows: reports.flatMap(({ windows }) => windows.map(([, count]) => count)),
    done: positions('done'),
    back: positions('back'),
    taken: reports.at(-1)?.taken ?? -1,
  };
}

describe('shared subscriptions of a gateway', () => {
  it('go round among idle members, and tell their windows', () => {
    const [a, b] = [member(1, 4), member(2, 1_000)];
    assert.deepEqual(told().windows, [260]);
    for (let i = 1; i <= 4; i++) section([i], `t/${i}`);
    assert.equal(a.payloads.length, 1, 'the smaller one is busier for its window');
    assert.equal(b.payloads.length, 3);
    assert.equal(told().taken, 4);
  });

  it('keep a topic at who has it, in order, and tell what is done', () => {
    const [a, b] = [member(1, 2), member(2, 2)];
    section([1, 2, 3]);
    assert.deepEqual(a.payloads, ['p1', 'p2']);
    assert.deepEqual(b.payloads, [], 'p3 waits for p1 and p2');
    groups.settled(a, a.tickets[1] as number);
    groups.settled(a, a.tickets[0] as number);
    assert.deepEqual(told().done, [1, 2]);
    assert.deepEqual([...a.payloads, ...b.payloads], ['p1', 'p2', 'p3']);
  });

  it('give back what waits for a slow member when the quick one has gone', () => {
    const a = member(1, 1);
    const b = member(2, 100);
    section([1, 2, 3, 4]);
    assert.deepEqual([a.payloads, b.payloads], [['p1'], []], 'the topic is at the slow one');
    told();
    groups.quit(b, GROUP);
    groups.leave(b);
    const { windows, back } = told();
    assert.deepEqual([windows, back], [[1], [2, 3, 4]]);
  });

  it('give back what a client had that has gone, and what waited behind it', () => {
    const a = member(1, 2);
    member(2, 2);
    section([1, 2, 3]);
    told();
    groups.quit(a, GROUP);
    groups.leave(a);
    assert.deepEqual(told().back, [1, 2, 3]);
    assert.equal(groups.heldCount, 0);
    assert.equal(groups.settled(a, a.tickets[0] as number), true, 'too late, but ours');
    assert.equal(groups.settled(a, 7), false, 'of a stay');
    section([4], 't/9');
    groups.quit(new Member(9), GROUP);
    assert.deepEqual(told().back, []);
  });

  it('take sections in order only, and tell again what was not heard', () => {
    const a = member(1);
    section([1]);
    section([3], 't/3', 3);
    section([1], 't/1', 1);
    assert.deepEqual(a.payloads, ['p1']);
    assert.equal(told().taken, 1);
    const before = groups.isTold;
    clock.run(clock.nowMs() + 600);
    groups.tick(clock.nowMs());
    assert.equal(before, false);
    assert.ok(sent.length > 0, 'told again');
    groups.heard(0, 1_000);
    assert.equal(groups.isTold, true);
  });

  it('tell a new owner what is here and what is finished', () => {
    const a = member(1);
    section([1, 2]);
    groups.settled(a, a.tickets[0] as number);
    told();
    groups.heard(0, 1_000);
    link.hello(2);
    groups.ownerChanged(0);
    const [piece] = groups.forHello(0);
    assert.deepEqual(piece, [
      [GROUP, [2], []],
      [GROUP, [], [1]],
    ]);
    link.isHeard = true;
    groups.ownerBegan(0);
    assert.deepEqual(told().windows, [10]);
  });
});

describe('packs of shared subscriptions', () => {
  it('bring messages with their groups, and count what cannot be read', () => {
    const cluster = new MemoryCluster(clock, () => 0.5);
    const bus = cluster.connect('g');
    const packs = new SharedPacks(bus, bus.control.clock);
    const got: string[] = [];
    let pack = Buffer.alloc(0);
    bus.subscribe(peerSubject('h'), ({ payload }) => {
      pack = Buffer.from(payload);
      packs.receive(pack, (group, view) => got.push(`${group} ${payloadTextOf(view)}`));
    });
    for (const payload of ['1', '2']) {
      packs.send('h', GROUP, publishView({ topic: 't/1', payload, qos: 0 }), 0);
    }
    clock.run(clock.nowMs() + 100);
    assert.deepEqual(got, [`${GROUP} 1`, `${GROUP} 2`]);
    assert.equal(packs.messagesSent, 2);
    for (let end = 2; end < pack.length; end++) {
      packs.receive(pack.subarray(0, end), () => undefined);
    }
    assert.ok(packs.damaged > pack.length / 2);
  });
});
