/**
 * One lease on the memory bus: renewals, deadlines, doubtful answers, endings.
 */
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { type MemoryBus, MemoryCluster, SimClock } from '#bus';
import {
  endLease,
  GATEWAY_TTL_MS,
  gatewayLeaseSubject,
  type GatewayReport,
  LEASE_MARGIN_MS,
  LEASE_STREAM,
  LeaseHolder,
  LeaseView,
  leaseStreamConfig,
} from '#lease';
import { seededRandom } from '../../fixtures/seeded-random.ts';

const SUBJECT = gatewayLeaseSubject('g1');
const SEEDS = 20;

let clock: SimClock;
let cluster: MemoryCluster;
let bus: MemoryBus;
let calls: string[];

function makeWorld(seed: number): void {
  clock = new SimClock();
  cluster = new MemoryCluster(clock, seededRandom(seed));
  cluster.createStream(leaseStreamConfig(1));
  bus = cluster.connect('g1');
  calls = [];
}

function makeHolder(): LeaseHolder<GatewayReport> {
  const holder = new LeaseHolder<GatewayReport>({
    bus,
    clock: bus.control.clock,
    subject: SUBJECT,
    holder: 'g1',
    ttlMs: GATEWAY_TTL_MS,
    content: () => ({
      incarnation: 'g1',
      instance: 'here',
      done: [null, 5],
      heard: [0, 7],
      unanswered: [false, false],
      filterVersion: 3,
      addedLater: true,
    }),
    onTaken: () => calls.push('taken'),
    onStandStill: () => calls.push('standStill'),
    onGoOn: () => calls.push('goOn'),
    onEnded: (why) => calls.push(why),
  });
  holder.take(0);
  return holder;
}

const run = (ms: number): void => clock.run(clock.nowMs() + ms);

describe('lease holder', () => {
  beforeEach(() => makeWorld(1));

  test('it takes, renews twice a second and shows its content, unknown fields included', () => {
    const holder = makeHolder();
    const view = new LeaseView({ bus, clock });
    run(10_000);
    assert.ok(holder.holds());
    assert.ok(holder.renewals >= 19 && holder.renewals <= 21, `${holder.renewals} renewals`);
    const entry = view.gateways.get('g1');
    assert.equal(entry?.revision, holder.revision);
    assert.deepEqual(entry.content.done, [null, 5]);
    assert.equal(entry.content['addedLater'], true);
    assert.equal(view.sequence, holder.revision);
  });

  test('renewSoon is written within milliseconds, once', () => {
    const holder = makeHolder();
    run(300);
    const before = holder.renewals;
    holder.renewSoon();
    holder.renewSoon();
    run(50);
    assert.equal(holder.renewals, before + 1);
  });

  test('past its deadline it stands still, repeats, and goes on when accepted', () => {
    const holder = makeHolder();
    run(2_000);
    cluster.crash();
    run(GATEWAY_TTL_MS - LEASE_MARGIN_MS - 600);
    assert.ok(holder.holds(), 'too early');
    run(700);
    assert.equal(holder.holds(), false);
    run(60_000);
    cluster.recover();
    run(2_000);
    assert.ok(holder.holds());
    assert.deepEqual(calls, ['taken', 'standStill', 'goOn']);
  });

  test('after a pause longer than the lease it notices before anything else', () => {
    const holder = makeHolder();
    run(1_000);
    bus.control.pause();
    run(15_000);
    assert.equal(holder.holds(), false, 'asked first thing after the pause');
    bus.control.resume();
    run(1_000);
    assert.ok(holder.holds());
    assert.deepEqual(calls, ['taken', 'standStill', 'goOn']);
  });

  test('ended by an observer while paused: the queued renewal is refused, it never returns', () => {
    const holder = makeHolder();
    const other = cluster.connect('observer');
    const view = new LeaseView({ bus: other, clock });
    run(1_000);
    bus.control.pause();
    run(11_000);
    const entry = view.gateways.get('g1');
    assert.ok(entry !== undefined);
    let ended: boolean | undefined;
    const seen: boolean[] = [];
    view.onGateway((_, live) => seen.push(live !== undefined));
    const onDone = (done: boolean): void => {
      ended = done;
    };
    endLease({ bus: other, clock, entry, observer: 'o', number: 1, onDone });
    run(100);
    assert.equal(ended, true);
    bus.control.resume();
    run(5_000);
    assert.equal(calls.at(-1), 'refused');
    assert.equal(holder.holds(), false);
    assert.equal(view.isEnded('g1'), true);
    assert.deepEqual(seen, [false]);
  });

  test('a renewal that comes first saves the holder', () => {
    const holder = makeHolder();
    const view = new LeaseView({ bus, clock });
    run(1_000);
    const entry = view.gateways.get('g1');
    assert.ok(entry !== undefined);
    run(600);
    let ended: boolean | undefined;
    const onDone = (done: boolean): void => {
      ended = done;
    };
    endLease({ bus, clock, entry, observer: 'o', number: 1, onDone });
    run(1_000);
    assert.equal(ended, false);
    assert.ok(holder.holds());
  });

  test('given back it is a tombstone at once', () => {
    const holder = makeHolder();
    const view = new LeaseView({ bus, clock });
    run(1_200);
    let done = false;
    holder.end(() => {
      done = true;
    });
    run(50);
    assert.ok(done);
    assert.deepEqual(calls, ['taken', 'released']);
    assert.equal(view.gateways.size, 0);
    assert.equal(cluster.stream(LEASE_STREAM)?.lastSequence, holder.revision);
  });

  test('two that take at once: one gets it', () => {
    const first = makeHolder();
    const late = cluster.connect('late');
    const second = new LeaseHolder<string>({
      bus: late,
      clock: late.control.clock,
      subject: SUBJECT,
      holder: 'late',
      ttlMs: GATEWAY_TTL_MS,
      content: () => 'late',
    });
    second.take(0);
    run(1_000);
    assert.deepEqual([first.state, second.state].toSorted(), ['held', 'over']);
  });
});

test('lost, late, doubtful and repeated writes never end a lease', () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    makeWorld(seed);
    Object.assign(cluster.faults, {
      appendAnswerLost: 0.2,
      appendLost: 0.1,
      appendUndecided: 0.2,
      appendStalled: 0.05,
    });
    const holder = makeHolder();
    for (let minute = 0; minute < 5; minute++) {
      run(60_000);
      cluster.stallStream(LEASE_STREAM, 4_000);
    }
    assert.notEqual(holder.state, 'over', `seed ${seed}: ${calls.join()}`);
    cluster.faults.appendStalled = 0;
    run(10_000);
    assert.ok(holder.holds(), `seed ${seed}`);
  }
});
