/** The view of the session logs: what it tells, and when it says that it has read everything. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryCluster, SimClock } from '#bus';
import {
  encodeSession,
  META_TABLE,
  REVISION_KEY,
  SESSION_TABLE,
  type SessionRecord,
  sessionStreamConfig,
  SESSIONS_GROUP,
  SessionView,
} from '#session-store';
import { PROGRESS_START, StateLog } from '#state';
import { seededRandom } from '../../fixtures/seeded-random.ts';
import { sessionRecord } from '../../fixtures/session-record.ts';

const PARTITIONS = 2;

/** A cluster in memory, and the log of home 0, open for writing. */
function fixture() {
  const clock = new SimClock();
  const nats = new MemoryCluster(clock, seededRandom(1));
  for (let p = 0; p < PARTITIONS; p++) nats.createStream(sessionStreamConfig(p, 1));
  const bus = nats.connect('home');
  let log: StateLog | undefined;
  StateLog.recover(
    {
      bus,
      clock,
      group: SESSIONS_GROUP,
      partition: 0,
      epoch: 1,
      expectationOf: 'subject',
      onFenced: () => assert.fail('nobody else writes'),
    },
    (recovered) => {
      log = recovered;
      recovered.begin(() => PROGRESS_START);
    },
  );
  clock.run(clock.nowMs() + 100);
  const write = (session: SessionRecord): void => {
    const revision = Buffer.alloc(8);
    revision.writeDoubleBE(session.revision);
    log?.put(SESSION_TABLE, session.clientIdentifier, encodeSession(session));
    log?.put(META_TABLE, REVISION_KEY, revision);
    clock.run(clock.nowMs() + 50);
  };
  return { clock, nats, write };
}

describe('session view', () => {
  it('tells what it reads at once, in the order of the log, then that it has read it all', () => {
    const { clock, nats, write } = fixture();
    for (let i = 1; i <= 20; i++) write(sessionRecord(`c${i % 5}`, i));
    const view = new SessionView({ bus: nats.connect('view'), clock, partitions: PARTITIONS });
    const told: string[] = [];
    view.onChange(({ after }) => told.push(String(after?.revision)));
    view.start(() => told.push('all'));
    clock.run(clock.nowMs() + 1_000);
    const revisions = Array.from({ length: 20 }, (_, i) => String(i + 1));
    assert.deepEqual(told, [...revisions, 'all']);
    write(sessionRecord('c0', 21));
    assert.deepEqual(told.slice(20), ['all', '21']);
    assert.equal(view.size, 5);
    assert.equal(view.revision(0), 21);
    view.close();
  });

  it('says so for empty logs', () => {
    const { clock, nats } = fixture();
    const view = new SessionView({ bus: nats.connect('view'), clock, partitions: PARTITIONS });
    let isCaughtUp = false;
    view.start(() => (isCaughtUp = true));
    clock.run(clock.nowMs() + 1_000);
    assert.ok(isCaughtUp);
    view.close();
  });
});
