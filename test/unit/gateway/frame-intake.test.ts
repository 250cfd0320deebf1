/** What owners send to a gateway: taken in order, each message once, damage survived. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { type Bus, MemoryCluster, SimClock } from '#bus';
import {
  CHUNK_BYTES_MAX,
  encodeMessage,
  FrameChannel,
  type GatewayMessage,
  type HeldIdentifier,
  type OwnerMessage,
} from '#frames';
import { InterestPublisher } from '#interest';
import { messageLength, RecordBuilder, RecordReader } from '#log';
import { ClaimTable } from '../../../services/gateway/claim-table.ts';
import { FrameIntake } from '../../../services/gateway/frame-intake.ts';
import { HomeChanges } from '../../../services/gateway/home-changes.ts';
import { OutSteps } from '../../../services/gateway/out-steps.ts';
import { OwnerLink } from '../../../services/gateway/owner-link.ts';
import type { OwnerMailbox } from '../../../services/gateway/owner-mailbox.ts';
import { PeerExchange } from '../../../services/gateway/peer-exchange.ts';
import type { PublishPath } from '../../../services/gateway/publish-path.ts';
import type { RetainedFetches } from '../../../services/gateway/retained-fetches.ts';
import { SeenFlow } from '../../../services/gateway/seen-flow.ts';
import { StayTable } from '../../../services/gateway/stay-table.ts';
import { SharedGroups } from '../../../services/gateway/shared-groups.ts';
import { SubscribeFlow } from '../../../services/gateway/subscribe-flow.ts';
import { SubscriptionTable } from '../../../services/gateway/subscription-table.ts';
import { payloadTextOf, publishView } from '../../fixtures/publish-view.ts';
import { seededRandom } from '../../fixtures/seeded-random.ts';
import { RecordingClient, subscription } from './local-client.ts';

let clock: SimClock;
let links: OwnerLink[];
let claims: ClaimTable;
let table: SubscriptionTable;
let subscribes: SubscribeFlow;
let stays: StayTable;
let intake: FrameIntake;
let delivered: string[];
let sent: GatewayMessage[];

beforeEach(() => {
  clock = new SimClock();
  const bus = new MemoryCluster(clock, seededRandom(1)).connect('g');
  delivered = [];
  sent = [];
  const send = (_partition: number, message: GatewayMessage): void => void sent.push(message);
  links = [0, 1].map((p) => new OwnerLink(p, 'g', (message) => send(p, message)));
  for (const link of links) link.welcome(1, 10);
  table = new SubscriptionTable(2);
  claims = new ClaimTable({ incarnation: 'g', partitions: 2, send });
  const peers = new PeerExchange({ bus, clock, incarnation: 'g' });
  subscribes = new SubscribeFlow(links, peers, clock);
  const path: Pick<PublishPath, 'deliver'> = {
    deliver: (view, partition, position) => {
      delivered.push(`${partition}:${position} ${payloadTextOf(view)}`);
    },
  };
  const mailbox: Pick<OwnerMailbox, 'send'> = { send };
  const closeOut = (): void => undefined;
  stays = new StayTable({ clock, incarnation: 'g', links, table, send, closeOut });
  const parts = {
    links,
    table,
    path: path as PublishPath,
    claims,
    subscribes,
    interest: new InterestPublisher(bus, clock, 'g'),
    mailbox: mailbox as OwnerMailbox,
    retained: {} as RetainedFetches,
    stays,
    shared: new SharedGroups({ clock, incarnation: 'g', links, send }),
    outs: new OutSteps({ clock, incarnation: 'g', send, homeOf: () => 0, acknowledged: () => [] }),
    changes: new HomeChanges(clock, 'g', send),
    seen: new SeenFlow(clock, 'g', links, send),
  };
  intake = new FrameIntake(parts, clock, 'g');
});

/** A frame as an owner would send it. */
function frame(write: (channel: FrameChannel) => void): Buffer {
  const frames: Buffer[] = [];
  const bus: Pick<Bus, 'publish' | 'payloadBytesMax'> = {
    payloadBytesMax: 1024 * 1024,
    publish: (_subject, payload) => frames.push(Buffer.from(payload)) > 0,
  };
  const channel = new FrameChannel(bus as Bus, 'g');
  write(channel);
  channel.flush();
  return frames[0] as Buffer;
}

interface RangeOf {
  readonly partition?: number;
  readonly epoch?: number;
  readonly from: number;
  readonly to: number;
  readonly at: readonly number[];
}

function range(channel: FrameChannel, { partition = 0, epoch = 1, from, to, at }: RangeOf): void {
  channel.openRange({ partition, epoch, from, checkpoint: 0, beacon: 1, answers: 0 });
  for (const position of at) {
    const builder = new RecordBuilder();
    const view = publishView({ topic: 't', payload: `p${position}` });
    builder.add(view, messageLength(view), 0, 0, false);
    const reader = new RecordReader(builder.take(1, 0));
    reader.next();
    const { messageStart, messageEnd } = reader;
    channel.addMessage(position, reader.view.buffer, messageStart, messageEnd, false);
  }
  channel.closeRange(to);
}

const take = (write: (channel: FrameChannel) => void): void => intake.take(frame(write));
const answer = (message: OwnerMessage): void => take((channel) => channel.addAnswer(message));

describe('FrameIntake', () => {
  it('delivers what is above done, once, of the owner that counts', () => {
    take((channel) => {
      range(channel, { from: 10, to: 20, at: [12, 15] });
      range(channel, { partition: 1, from: 10, to: 12, at: [11] });
    });
    take((channel) => range(channel, { from: 5, to: 25, at: [8, 12, 15, 22] }));
    take((channel) => range(channel, { from: 30, to: 40, at: [35] }));
    take((channel) => range(channel, { epoch: 0, from: 25, to: 40, at: [35] }));
    assert.deepEqual(delivered, ['0:12 p12', '0:15 p15', '1:11 p11', '0:22 p22']);
    assert.deepEqual([links[0]?.done, links[1]?.done, intake.rangesIgnored], [25, 12, 2]);
    assert.deepEqual(
      sent.map(({ t }) => t),
      ['again'],
    );
  });

  it('keeps what a damaged frame delivered and asks for the rest', () => {
    const whole = frame((channel) => range(channel, { from: 10, to: 20, at: [12, 15, 18] }));
    const damaged = Buffer.from(whole);
    // The length of the last message reaches beyond the frame.
    const last = damaged.lastIndexOf('p18');
    damaged[last - 3 - 13] = 0x7f;
    intake.take(damaged);
    for (const bytes of [Buffer.alloc(0), Buffer.from([9]), whole.subarray(0, 30)]) {
      intake.take(bytes);
    }
    assert.equal(intake.framesDamaged, 4);
    assert.deepEqual([delivered.length, links[0]?.done], [2, 15]);
    take((channel) => range(channel, { from: 20, to: 21, at: [] }));
    assert.deepEqual(sent, [{ t: 'again', inc: 'g', epoch: 1, from: 15, answers: 0 }]);
    intake.take(whole);
    assert.deepEqual(delivered, ['0:12 p12', '0:15 p15', '0:18 p18']);
  });

  it('answers hello with all it holds, in parts that fit a message', () => {
    const held: string[] = [];
    for (let i = 0; held.length < 3_000; i++) {
      const client = new RecordingClient(i, `${i}-`.padEnd(128, '"'), 'n'.repeat(64));
      claims.claim(client, 0, () => undefined);
      const asked = sent.at(-1);
      claims.decided({ connection: i, granted: true, rank: [1, i] }, 0);
      assert.ok(asked?.t === 'claim');
      held.push(asked.clientIdentifier);
    }
    const answers = (partition: number): Extract<GatewayMessage, { t: 'answer' }>[] => {
      sent.length = 0;
      answer({ t: 'hello', p: partition, epoch: 5 });
      return sent.filter((message) => message.t === 'answer');
    };
    const first = answers(0);
    const again = answers(0);
    const other = answers(1);
    assert.ok(first.length > 2);
    const names = (parts: readonly { ids: readonly HeldIdentifier[] }[]): string[] =>
      parts.flatMap(({ ids }) => ids.map(({ clientIdentifier }) => clientIdentifier));
    assert.deepEqual([...names(first), ...names(other)].toSorted(), held.toSorted());
    for (const [part, message] of first.entries()) {
      assert.ok(encodeMessage([message]).length <= CHUNK_BYTES_MAX + 1_000);
      assert.deepEqual([message.part, message.parts, message.done], [part, first.length, 10]);
      assert.equal(message.attempt, first[0]?.attempt);
    }
    assert.notEqual(again[0]?.attempt, first[0]?.attempt);
    sent.length = 0;
    answer({ t: 'hello', p: 0, epoch: 4 });
    assert.deepEqual(sent, [], 'an older owner gets no answer');
  });

  it('names in its answer what of stored sessions is not live, and what is undecided', () => {
    const clients = Array.from({ length: 20_000 }, (_, i) => new RecordingClient(i + 1, `${i}`));
    for (const [i, client] of clients.entries()) {
      claims.claim(client, 0, () => undefined);
      if (i % 2 === 0) continue;
      claims.decided({ connection: i + 1, granted: true, rank: [1, i] }, 0);
      stays.add(client, 1, {
        present: true,
        generation: 2 * i + 1,
        stay: i,
        revision: i,
        subscriptions: [],
        cursor: [0, 0],
        inFlight: [],
      });
    }
    sent.length = 0;
    answer({ t: 'hello', p: 0, epoch: 5 });
    const parts = sent.filter((message) => message.t === 'answer');
    for (const part of parts) {
      assert.ok(encodeMessage([part]).length <= CHUNK_BYTES_MAX + 1_000);
      assert.deepEqual([part.known, part.fresh], [[0, 19_999], []]);
    }
    const odd = Array.from({ length: 10_000 }, (_, i) => 2 * i + 1);
    assert.deepEqual(
      parts.flatMap(({ filed }) => filed),
      odd.map((i) => 2 * i + 1),
    );
    assert.deepEqual(
      parts.flatMap(({ undecided = [] }) => undecided),
      odd,
      'connections count from 1',
    );
  });

  it('lets a filter count in the order of the channel', () => {
    const done: string[] = [];
    table.add(new RecordingClient(1), subscription('t'), () => 1);
    subscribes.wait(1, () => done.push('suback'));
    clock.run(300);
    take((channel) => {
      channel.addAnswer({ t: 'effective', p: 0, epoch: 1, from: 0, to: 1, position: 10 });
      channel.addAnswer({ t: 'effective', p: 1, epoch: 0, from: 0, to: 1, position: 10 });
    });
    clock.run(400);
    assert.deepEqual(done, [], 'the second one is of an older owner');
    answer({ t: 'effective', p: 1, epoch: 1, from: 0, to: 1, position: 10 });
    clock.run(401);
    assert.deepEqual(done, ['suback']);
    assert.equal(table.entry('t')?.pending, false);
  });
});
