/** QoS 0 between gateways: who gets it, in what sizes, and who follows whose filters. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { type MemoryBus, MemoryCluster, SimClock } from '#bus';
import { decodeHeard, heardSubject, peerSubject } from '#frames';
import { InterestPublisher } from '#interest';
import { PEER_BYTES_MAX, PeerExchange } from '../../../services/gateway/peer-exchange.ts';
import { topicKey } from '#topics';
import { payloadTextOf, publishView } from '../../fixtures/publish-view.ts';
import { seededRandom } from '../../fixtures/seeded-random.ts';

interface Side {
  readonly bus: MemoryBus;
  readonly interest: InterestPublisher;
  readonly peers: PeerExchange;
  readonly received: string[];
  readonly sizes: number[];
}

let clock: SimClock;
let cluster: MemoryCluster;
let a: Side;
let b: Side;

function makeSide(incarnation: string): Side {
  const bus = cluster.connect(incarnation);
  const peers = new PeerExchange({ bus, clock: bus.control.clock, incarnation });
  const interest = new InterestPublisher(bus, bus.control.clock, incarnation);
  const received: string[] = [];
  const sizes: number[] = [];
  bus.subscribe(heardSubject(incarnation), ({ payload }) => peers.heard(decodeHeard(payload)));
  bus.subscribe(peerSubject(incarnation), ({ payload }) => {
    sizes.push(payload.length);
    peers.receive(payload, (view) => received.push(payloadTextOf(view)));
  });
  return { bus, interest, peers, received, sizes };
}

beforeEach(() => {
  clock = new SimClock();
  cluster = new MemoryCluster(clock, seededRandom(1));
  [a, b] = [makeSide('ga'), makeSide('gb')];
  a.peers.join('gb');
  b.peers.join('ga');
  clock.run(10);
});

function send(from: Side, topic: string, payload: string): void {
  const view = publishView({ topic, payload, qos: 0 });
  from.peers.send(from.peers.route(topicKey(topic)), view, 0);
}

describe('PeerExchange', () => {
  it('sends what another gateway wants, in order, and follows its filters', () => {
    send(a, 'ä/1', 'nobody wants it');
    b.interest.add('ä/+');
    clock.run(20);
    assert.equal(b.peers.heardByAll(), 1, 'a follows');
    for (const payload of ['1', '2', '3']) send(a, 'ä/1', payload);
    send(a, 'other', '4');
    clock.run(30);
    assert.deepEqual(b.received, ['1', '2', '3']);
    assert.equal(b.sizes.length, 1, 'what a turn brings goes together');
    const { generation } = a.peers;
    b.interest.remove('ä/+');
    clock.run(40);
    assert.ok(a.peers.generation > generation);
    assert.deepEqual(a.peers.route(topicKey('ä/1')), []);
  });

  it('never sends more in one message than NATS takes', () => {
    b.interest.add('#');
    clock.run(20);
    const sizes = [100, 100_000, 1_000_000, 100, 60_000, 60_000, 60_000, 1_040_000, 1];
    const payloads = sizes.map((size, i) => `${i}`.padEnd(size, 'x'));
    for (const payload of payloads) send(a, 't', payload);
    clock.run(1_000);
    assert.deepEqual(
      b.received.map((text) => text.length),
      sizes,
    );
    for (const size of b.sizes) assert.ok(size <= PEER_BYTES_MAX || size > 900_000, `${size}`);
  });

  it('counts what it cannot send, and what a gateway that is gone was to get', () => {
    b.interest.add('#');
    clock.run(20);
    a.bus.control.disconnect();
    send(a, 't', 'x');
    clock.run(21);
    assert.equal(a.peers.dropped, 1);
    clock.run(2_000);
    send(a, 't', 'y');
    a.peers.leave('gb');
    clock.run(3_000);
    assert.deepEqual([a.peers.dropped, a.peers.size, b.received.length], [2, 0, 0]);
    assert.equal(a.peers.heardByAll(), Infinity);
  });

  it('gives the place of a gateway that is gone to the next, without its filters', () => {
    b.interest.add('old');
    clock.run(20);
    a.peers.leave('gb');
    const c = makeSide('gc');
    a.peers.join('gc');
    c.interest.add('new');
    clock.run(40);
    send(a, 'old', '1');
    send(a, 'new', '2');
    clock.run(60);
    assert.deepEqual([b.received, c.received], [[], ['2']]);
  });

  it('counts a damaged pack and keeps what could be read', () => {
    b.interest.add('#');
    clock.run(20);
    const packs: Buffer[] = [];
    b.bus.subscribe(peerSubject('gb'), ({ payload }) => packs.push(payload));
    clock.run(25);
    for (const payload of ['first', 'second']) send(a, 't', payload);
    clock.run(40);
    const pack = packs[0] as Buffer;
    b.received.length = 0;
    const receive = (bytes: Buffer): void => {
      b.peers.receive(bytes, (view) => b.received.push(payloadTextOf(view)));
    };
    receive(pack.subarray(0, pack.length - 3));
    receive(Buffer.concat([Buffer.from([9]), pack.subarray(1)]));
    receive(Buffer.alloc(0));
    assert.deepEqual([b.received, b.peers.damaged], [['first'], 3]);
  });
});
