/** Lines to gateways that partitions of one process share: whole ranges, right receivers. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { MemoryCluster, SimClock } from '#bus';
import { frameSubject } from '#frames';
import { InterestPublisher } from '#interest';
import { messageLength, RecordBuilder, RecordReader } from '#log';
import {
  type GatewayLine,
  type LineUser,
  Switchboard,
} from '../../../services/dispatcher/switchboard.ts';
import { payloadTextOf, publishView } from '../../fixtures/publish-view.ts';
import { seededRandom } from '../../fixtures/seeded-random.ts';
import { readRanges } from './read-ranges.ts';

let clock: SimClock;
let cluster: MemoryCluster;
let board: Switchboard;

beforeEach(() => {
  clock = new SimClock();
  cluster = new MemoryCluster(clock, seededRandom(1));
  const bus = cluster.connect('dispatcher');
  board = new Switchboard(bus, bus.control.clock);
});

/** An owner that writes one message per call and closes when it is told. */
class User implements LineUser {
  readonly partition: number;
  readonly calls: string[] = [];
  #position = 0;

  constructor(partition: number) {
    this.partition = partition;
    board.addUser(partition, this);
  }

  say(line: GatewayLine, payload: string): void {
    const { partition } = this;
    const builder = new RecordBuilder();
    const view = publishView({ topic: 't', payload });
    builder.add(view, messageLength(view), 0, 0, false);
    const reader = new RecordReader(builder.take(1, 0));
    reader.next();
    const channel = board.channelFor(line, partition);
    const from = this.#position++;
    const header = { partition, epoch: 1, from, checkpoint: 0, beacon: 0, answers: 0 };
    if (!channel.isOpen(partition)) channel.openRange(header);
    const { messageStart, messageEnd, view: written } = reader;
    channel.addMessage(this.#position, written.buffer, messageStart, messageEnd, false);
    board.said(line);
  }

  closeRange(line: GatewayLine): void {
    assert.ok(line.channel.isOpen(this.partition));
    line.channel.closeRange(this.#position);
  }
  beforeFlush(): void {
    this.calls.push('flush');
  }
  onJoin(line: GatewayLine): void {
    this.calls.push(`join ${line.incarnation} ${line.number}`);
  }
  onLeave(line: GatewayLine): void {
    this.calls.push(`leave ${line.incarnation}`);
  }
  onInterest(line: GatewayLine): void {
    this.calls.push(`interest ${line.incarnation}`);
  }
}

function hear(incarnation: string): string[] {
  const heard: string[] = [];
  cluster.connect(incarnation).subscribe(frameSubject(incarnation), ({ payload }) => {
    heard.push('frame');
    readRanges(payload, (range) => {
      while (range.next()) heard.push(`${range.partition} ${payloadTextOf(range.view)}`);
    });
  });
  clock.run(clock.nowMs() + 5);
  return heard;
}

function lineOf(incarnation: string): GatewayLine {
  const line = board.line(incarnation);
  assert.ok(line !== undefined);
  return line;
}

describe('Switchboard', () => {
  it('lets partitions take turns in one channel, in the order of what was said', () => {
    const users = [new User(0), new User(1)];
    board.join('ga');
    const heard = hear('ga');
    const said: string[] = [];
    for (const [i, partition] of [0, 0, 1, 0, 1, 1].entries()) {
      users[partition]?.say(lineOf('ga'), `${i}`);
      said.push(`${partition} ${i}`);
    }
    clock.run(clock.nowMs() + 5);
    assert.deepEqual(heard, ['frame', ...said]);
    const before = users[0]?.calls.filter((call) => call === 'flush').length;
    assert.equal(before, 1, 'one flush for the turn');
  });

  it('closes the range of a user that ends, and forgets only that user', () => {
    const old = new User(0);
    const young = new User(0);
    board.join('ga');
    board.removeUser(0, old);
    const heard = hear('ga');
    young.say(lineOf('ga'), 'x');
    clock.run(clock.nowMs() + 5);
    assert.deepEqual(heard, ['frame', '0 x']);
  });

  it('routes to gateways that want a topic, also as they come, change and go', () => {
    const user = new User(0);
    const publishers = new Map<string, InterestPublisher>();
    const join = (incarnation: string): void => {
      const bus = cluster.connect(incarnation);
      publishers.set(incarnation, new InterestPublisher(bus, bus.control.clock, incarnation));
      clock.run(clock.nowMs() + 5);
      board.join(incarnation);
    };
    const wants = (incarnation: string, add: string[], remove: string[] = []): void => {
      const publisher = publishers.get(incarnation);
      for (const topicFilter of add) publisher?.add(topicFilter);
      for (const topicFilter of remove) publisher?.remove(topicFilter);
      clock.run(clock.nowMs() + 5);
    };
    const route = (topic: string): string[] => {
      const numbers = [...board.route(Buffer.from(topic).toString('latin1'))];
      const names = ['ga', 'gb', 'gc'].filter((name) => {
        const number = board.line(name)?.number;
        return number !== undefined && numbers.includes(number);
      });
      assert.equal(names.length, numbers.length, 'each once, and nobody who is gone');
      return names;
    };
    join('ga');
    join('gb');
    wants('ga', ['ä/+', 'ä/#']);
    wants('gb', ['ä/1', 'b']);
    assert.deepEqual([route('ä/1'), route('b'), route('c')], [['ga', 'gb'], ['gb'], []]);
    wants('ga', ['b'], ['ä/+']);
    assert.deepEqual(
      [route('ä/1'), route('b')],
      [
        ['ga', 'gb'],
        ['ga', 'gb'],
      ],
    );
    const number = lineOf('gb').number;
    board.leave('gb');
    assert.deepEqual(route('b'), ['ga']);
    join('gc');
    assert.equal(lineOf('gc').number, number, 'the number is used again');
    wants('gb', ['c']);
    wants('gc', ['c']);
    assert.deepEqual([route('b'), route('c')], [['ga'], ['gc']]);
    assert.deepEqual(
      user.calls.filter((call) => /^(join|leave)/.test(call)),
      ['join ga 0', 'join gb 1', 'leave gb', 'join gc 1'],
    );
  });
});
