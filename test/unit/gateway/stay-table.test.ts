/** Stored sessions at a gateway, step by step: what is asked of owners, and what they are told. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { SimClock } from '#bus';
import { type GatewayMessage, type GrantedSession, OUT_SENT, QueuePageReader } from '#frames';
import { OwnerLink } from '../../../services/gateway/owner-link.ts';
import type { Stay } from '../../../services/gateway/stay.ts';
import { LAG_MS } from '../../../services/gateway/stay-host.ts';
import { StayTable } from '../../../services/gateway/stay-table.ts';
import { SubscriptionTable } from '../../../services/gateway/subscription-table.ts';
import type { Subscription } from '../../../services/gateway/port.ts';
import { publishView } from '../../fixtures/publish-view.ts';
import { RecordingClient, subscription } from './local-client.ts';

let clock: SimClock;
let links: OwnerLink[];
let table: SubscriptionTable;
let stays: StayTable;
let sent: GatewayMessage[];
let client: RecordingClient;

beforeEach(() => {
  clock = new SimClock();
  sent = [];
  links = [new OwnerLink(0, 'g', () => undefined)];
  links[0]?.welcome(1, 100);
  table = new SubscriptionTable(1);
  stays = new StayTable({
    clock,
    incarnation: 'g',
    links,
    table,
    send: (_, message) => sent.push(message),
    closeOut: () => undefined,
  });
  client = new RecordingClient(1, 'd');
});

function attach(
  fields: Partial<GrantedSession> = {},
  subscribed: readonly Partial<Subscription>[] = [{}],
): Stay {
  const stay = stays.add(client, 0, {
    present: true,
    generation: 40,
    stay: 8,
    revision: 9,
    subscriptions: [],
    cursor: [50],
    inFlight: [],
    ...fields,
  });
  for (const terms of subscribed) table.add(client, { ...subscription('#', terms), stay }, () => 1);
  table.effective(0, 1, 0);
  table.settle(links);
  stay.begin(clock.nowMs());
  return stay;
}

/** The answer to the outstanding request. */
function page(at: readonly number[], upTo: number, last = true, qos: 1 | 2 = 1): void {
  const asked = sent.findLast((message) => message.t === 'queue');
  const request = asked?.t === 'queue' ? asked.request : 0;
  const reader = Object.assign(new QueuePageReader(), { partition: 0, request, upTo, last });
  let i = 0;
  reader.next = () => {
    reader.position = at[i] ?? 0;
    Object.assign(reader.view, publishView({ topic: 't', payload: `${at[i]}`, qos }));
    return i++ < at.length;
  };
  stays.onQueuePage(reader);
}

function live(position: number): void {
  table.route('t').deliver(publishView({ topic: 't', payload: `${position}` }), 0, position);
}

const turn = (): number => {
  const asked = sent.findLast((message) => message.t === 'live' || message.t === 'file');
  return asked !== undefined && 'turn' in asked ? asked.turn : 0;
};
const grant = (x: number): void => stays.onLive(0, 40, turn(), x);
const kinds = (): string[] => sent.splice(0).map(({ t }) => t);
const got = (): string[] => client.handed.splice(0).map(({ payload }) => payload);
/** Of the so manieth delivery; there is one partition. */
const ticket = (sequence: number): number => sequence;

describe('StayTable', () => {
  it('reads a queue first, then asks to be live, and for what is left up to X with it', () => {
    const stay = attach();
    assert.deepEqual(
      sent.map(({ t }) => t),
      ['queue'],
    );
    live(101);
    page([60, 70], 100);
    assert.deepEqual(got(), ['60', '70']);
    assert.equal(stay.parts[0]?.mode, 'asking');
    assert.deepEqual(
      sent.map(({ t }) => t),
      ['queue', 'live', 'queue'],
    );
    live(102);
    grant(103);
    live(104);
    assert.deepEqual([got(), stay.parts[0]?.mode], [[], 'draining']);
    assert.deepEqual(stays.floor(), [100], 'what is held counts, and our done');
    page([101, 102], 105);
    assert.deepEqual([got(), stay.parts[0]?.mode], [['101', '102', '104'], 'live']);
    live(105);
    live(105);
    assert.deepEqual(got(), ['105']);
  });

  it('asks at once for a session that has no queue', () => {
    attach({ present: false });
    assert.deepEqual(
      sent.map(({ t }) => t),
      ['live', 'queue'],
    );
    page([], 100);
    grant(100);
    live(101);
    assert.deepEqual(got(), ['101']);
  });

  it('takes no answer to another turn, and none of an owner before', () => {
    const stay = attach();
    page([], 100);
    stays.onLive(0, 40, turn() - 1, 100);
    stays.onLive(0, 41, turn(), 100);
    assert.equal(stay.parts[0]?.mode, 'asking');
    // The owner may have granted 80 and died; this page would then not cover what is above.
    page([], 140);
    links[0]?.hello(2);
    stays.ownerChanged(0);
    grant(120);
    assert.equal(stay.parts[0]?.mode, 'draining');
    page([110], 120);
    assert.deepEqual(got(), ['110']);
  });

  it('is filed again when its client has no room, and goes on behind what it had', () => {
    const stay = attach({ present: false });
    page([], 100);
    grant(100);
    live(101);
    live(102);
    client.hasCapacity = false;
    client.hasRoom = false;
    live(103);
    live(104);
    assert.deepEqual(got(), ['101', '102']);
    const file = sent.findLast(({ t }) => t === 'file');
    assert.ok(file?.t === 'file');
    assert.equal(file.from, 100);
    stays.settled(client, ticket(1));
    assert.deepEqual(stays.floor(), [100], 'until it is filed');
    stays.onFiled(0, 40, file.turn);
    assert.equal(stay.parts[0]?.mode, 'reading');
    sent.length = 0;
    client.hasCapacity = true;
    client.hasRoom = true;
    stays.settled(client, ticket(2));
    page([103, 104], 110);
    assert.deepEqual([got(), stays.refilings.slow], [['103', '104'], 1]);
    assert.deepEqual(stay.parts[0]?.cursor(110), 102);
  });

  it('is filed again when it does not acknowledge, and not live before it does', () => {
    const stay = attach({ present: false });
    page([], 100);
    grant(100);
    live(101);
    for (let atMs = 0; atMs <= LAG_MS; atMs += 100) {
      clock.run(atMs);
      stays.tick(atMs);
    }
    assert.deepEqual([stays.refilings.lag, stay.parts[0]?.mode], [1, 'refiling']);
    stays.onFiled(0, 40, turn());
    kinds();
    page([], 101);
    stays.tick(LAG_MS + 100);
    assert.deepEqual(kinds(), [], 'its queue is looked at now and then');
    clock.run(LAG_MS + 600);
    stays.tick(LAG_MS + 600);
    stays.settled(client, ticket(1));
    page([], 101);
    assert.equal(stay.parts[0]?.mode, 'asking');
  });

  it('names to a new owner what is not live, and X that may not be durable', () => {
    attach();
    assert.deepEqual(stays.forHello(0), { filed: [40], fresh: [] });
    page([], 100);
    assert.deepEqual(stays.forHello(0), { filed: [40], fresh: [] }, 'perhaps granted, not known');
    grant(100);
    assert.deepEqual(stays.forHello(0), { filed: [], fresh: [[40, 100]] });
    (links[0] as OwnerLink).checkpoint = 100;
    assert.deepEqual(stays.forHello(0), { filed: [], fresh: [] });
    assert.deepEqual(stays.known, [9]);
  });

  it('counts a stay that has ended until its home has written it', () => {
    attach({ present: false });
    page([], 100);
    grant(100);
    for (const position of [101, 102]) live(position);
    (links[0] as OwnerLink).done = 110;
    stays.settled(client, ticket(2));
    const inFlight = [[5, ticket(1)]] as const;
    const departure = { sessionExpirySeconds: 60, publishesWill: false, inFlight };
    const leaving = stays.leave(client, departure);
    assert.deepEqual(leaving, {
      stay: 8,
      cursor: [100],
      inFlight: [[5, 0, 101]],
      sessionExpirySeconds: 60,
    });
    assert.equal(stays.leave(client, departure), undefined);
    assert.deepEqual(stays.floor(), [100]);
    assert.deepEqual(stays.forHello(0), { filed: [], fresh: [[40, 100]] });
    const before = client;
    client = new RecordingClient(2, 'd');
    attach({ stay: 12, revision: 12 });
    assert.deepEqual(stays.forHello(0), { filed: [40], fresh: [] }, 'the newer one counts');
    stays.released(before.connectionNumber, 0, 11);
    assert.deepEqual([stays.floor(), stays.known, stays.ended.size], [[110], [12], 0]);
  });

  /** Sent before: 60 with QoS 1, 70 with QoS 2. Then the queue brings both, and 80. */
  function sentAgain(subscribed: readonly Partial<Subscription>[]): number[] {
    attach({ inFlight: [[2, 0, 60]], outs: [[3, 0, 70, OUT_SENT]] }, subscribed);
    page([60, 70, 80], 90, true, 2);
    return client.handed.map(({ qos }) => qos);
  }

  it('sends again what was begun with the QoS that it was begun with', () => {
    // Since then the client has subscribed anew, first with more, then with less.
    assert.deepEqual(sentAgain([{ qos: 2 }]), [1, 2, 2]);
  });

  it('completes what was begun also when nobody asks for it any more', () => {
    assert.deepEqual(sentAgain([]), [1, 2]);
  });

  it('completes what was begun also when it is asked for with QoS 0 now', () => {
    assert.deepEqual(sentAgain([{ qos: 0 }]), [1, 2]);
  });
});
