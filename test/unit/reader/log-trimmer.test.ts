/** Trimming of one partition's log: by the slowest group, never young, said when it cannot be. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryCluster, SimClock } from '#bus';
import {
  LeaseHolder,
  leaseStreamConfig,
  LeaseView,
  readerLeaseSubject,
  type ReaderReport,
} from '#lease';
import { DUPLICATE_WINDOW_MS, logStream, logStreamConfig, positionAfterRecord } from '#log';
import { LogTrimmer, TRIM_MS, UNREGISTERED_MS } from '../../../lib/reader/log-trimmer.ts';
import { seededRandom } from '../../fixtures/seeded-random.ts';

const RECORDS = 10;

describe('LogTrimmer', () => {
  it('keeps what a group needs that has never run, and says so', () => {
    const clock = new SimClock();
    const cluster = new MemoryCluster(clock, seededRandom(1));
    cluster.createStream(leaseStreamConfig(1));
    cluster.createStream(logStreamConfig(0, 1));
    const bus = cluster.connect('dispatcher');
    const checkpoint = { dispatch: positionAfterRecord(RECORDS), router: positionAfterRecord(4) };
    const run = (group: 'dispatch' | 'router'): void => {
      const holder = new LeaseHolder<ReaderReport>({
        bus,
        clock: bus.control.clock,
        subject: readerLeaseSubject(group, 0),
        holder: group,
        ttlMs: 3_000,
        content: () => ({
          owner: group,
          instance: group,
          epoch: 1,
          checkpoint: checkpoint[group],
          stuckOn: [],
        }),
      });
      holder.take(0);
    };
    const first = (): number => {
      const [message] = cluster.stream(logStream(0))?.messages() ?? [];
      return message?.sequence ?? 0;
    };
    const unregistered: string[] = [];
    run('dispatch');
    const trimmer = new LogTrimmer({
      bus,
      clock: bus.control.clock,
      leases: new LeaseView({ bus, clock: bus.control.clock }),
      partition: 0,
      groups: ['dispatch', 'router'],
      logTimeMs: () => clock.wallMs(),
      onUnregistered: (group) => unregistered.push(group),
    });
    for (let i = 1; i <= RECORDS; i++) {
      bus.append({ stream: logStream(0), subject: 'log.00.g.0', payload: Buffer.alloc(1) }, (r) => {
        assert.equal(r.kind, 'stored');
        trimmer.note(i, clock.wallMs());
      });
      clock.run(clock.nowMs() + 2_000);
    }
    clock.run(2 * UNREGISTERED_MS + 2 * TRIM_MS);
    assert.equal(first(), 1, 'the router may still come');
    assert.deepEqual(unregistered, ['router', 'router']);
    run('router');
    clock.run(clock.nowMs() + UNREGISTERED_MS + 2 * TRIM_MS);
    assert.equal(first(), 4);
    assert.equal(unregistered.length, 2);
    assert.ok(clock.nowMs() > DUPLICATE_WINDOW_MS);
    trimmer.close();
  });
});
