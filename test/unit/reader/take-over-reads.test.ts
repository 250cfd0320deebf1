/** What a new owner reads of a state log after its recovery. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { MemoryCluster, SimClock } from '#bus';
import { leaseStreamConfig } from '#lease';
import { logStreamConfig } from '#log';
import { type ReaderEvent, ReaderGroup } from '#reader';
import { PROGRESS_START, StateLog, stateStreamConfig } from '#state';
import { seededRandom } from '../../fixtures/seeded-random.ts';
import { CountingLogic } from './counting-logic.ts';

const GROUP = 'r';
/** More than the state log's cache holds. */
const RECORDS = 40;
const RECORD_BYTES = 500_000;

test('what decides about repeats is not read from the state log once more', () => {
  const clock = new SimClock();
  const nats = new MemoryCluster(clock, seededRandom(1));
  for (const config of [
    leaseStreamConfig(1),
    logStreamConfig(0, 1),
    stateStreamConfig(GROUP, 0, 1),
  ]) {
    nats.createStream(config);
  }
  const earlier = { bus: nats.connect('earlier'), clock, group: GROUP, partition: 0, epoch: 0 };
  StateLog.recover({ ...earlier, onFenced: () => undefined }, (log) => {
    log.begin(() => PROGRESS_START);
    for (let i = 1; i <= RECORDS; i++) {
      clock.after(i * 1_000, () => {
        log.ride(250, String(i), Buffer.alloc(12, i));
        log.ride(0, `g${i}.0`, Buffer.alloc(12, i));
        log.put(1, String(i), Buffer.alloc(RECORD_BYTES));
      });
    }
    clock.after((RECORDS + 1) * 1_000, () => log.close());
  });
  clock.run((RECORDS + 5) * 1_000);

  const bus = nats.connect('later');
  let gets = 0;
  const get = bus.get.bind(bus);
  bus.get = (...question) => {
    gets++;
    get(...question);
  };
  const events: ReaderEvent[] = [];
  const reader = new ReaderGroup({
    bus,
    clock,
    random: seededRandom(2),
    group: GROUP,
    partitions: 1,
    instance: 'later',
    member: 'later-1',
    makeLogic: (context) => new CountingLogic(context),
    onEvent: (event) => events.push(event),
  });
  reader.start();
  clock.run((RECORDS + 30) * 1_000);
  assert.ok(events.some(({ kind }) => kind === 'partition reading'));
  assert.equal(gets, 0);
  reader.kill();
});
