/** SUBACKs wait for all owners, and for a while for the other gateways. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { SimClock } from '#bus';
import { OwnerLink } from '../../../services/gateway/owner-link.ts';
import type { PeerExchange } from '../../../services/gateway/peer-exchange.ts';
import { SubscribeFlow } from '../../../services/gateway/subscribe-flow.ts';

let clock: SimClock;
let links: OwnerLink[];
let heard: number;
let looks: number;
let flow: SubscribeFlow;
let done: number[];

beforeEach(() => {
  clock = new SimClock();
  links = [0, 1].map((p) => new OwnerLink(p, 'g1', () => undefined));
  for (const link of links) link.welcome(1, 0);
  heard = Infinity;
  looks = 0;
  done = [];
  const peers: Pick<PeerExchange, 'heardByAll'> = {
    heardByAll: () => {
      looks++;
      return heard;
    },
  };
  flow = new SubscribeFlow(links, peers as PeerExchange, clock);
});

const wait = (version: number): void => flow.wait(version, () => done.push(version));

describe('SubscribeFlow', () => {
  it('answers when every partition has answered', () => {
    wait(1);
    wait(2);
    links[0]?.effective(0, 2, 0);
    flow.check();
    assert.deepEqual(done, []);
    links[1]?.effective(0, 1, 0);
    flow.check();
    assert.deepEqual([done, flow.waiting], [[1], 1]);
    links[1]?.effective(1, 2, 0);
    flow.check();
    assert.deepEqual([done, flow.waiting], [[1, 2], 0]);
  });

  it('answers at once, but not synchronously, what counts already', () => {
    wait(0);
    assert.deepEqual(done, []);
    clock.run(0);
    assert.deepEqual(done, [0]);
  });

  it('waits for other gateways, not for ever', () => {
    heard = 0;
    for (const link of links) link.effective(0, 5, 0);
    wait(1);
    clock.run(200);
    flow.check();
    assert.deepEqual(done, []);
    wait(2);
    heard = 1;
    flow.check();
    assert.deepEqual(done, [1]);
    clock.run(449);
    flow.check();
    assert.deepEqual(done, [1]);
    clock.run(450);
    flow.check();
    assert.deepEqual(done, [1, 2]);
  });

  it('looks once per turn, however many wait', () => {
    heard = 0;
    for (let i = 0; i < 1_000; i++) wait(1);
    for (let i = 0; i < 1_000; i++) flow.checkSoon();
    clock.run(1);
    assert.equal(looks, 1);
  });

  it('takes a SUBSCRIBE from inside an answer', () => {
    for (const link of links) link.effective(0, 1, 0);
    flow.wait(1, () => wait(1));
    clock.run(1);
    assert.deepEqual(done, [1]);
  });
});
