/** Scripted histories of sessions that leave and move (docs/adr/0012, S1, S5, S6, S7, S9). */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { answeringWrong, type Fields, lyingToOwners, reportingWrong } from '../changed-bus.ts';
import type { Tamper } from '../sim-cluster.ts';
import { scripted } from './scripted.ts';

const RECORD = 1_024;

const gatewaysSay =
  (lie: (message: Fields) => Fields | readonly Fields[]): Tamper =>
  (bus, role) =>
    role === 'gateway' ? lyingToOwners(bus, lie) : bus;

/** What a client has that reads nothing: the rest waits in its queue. */
const LAZY = { acknowledgesAfterMs: [0.2, 1], receiveMaximum: 2, backlogMax: 2 } as const;

/** A change of subscriptions reaches the home as if nothing had been owed before. */
const nothingFormerly: Tamper = gatewaysSay((m) => {
  if (m['t'] !== 'change') return m;
  const add = (m['add'] as Fields[]).map(({ formerly: _formerly, ...rest }) => rest);
  return { ...m, add };
});

describe('a session that leaves', () => {
  scripted({
    name: 'S10: lowered to QoS 0 before its queue is read, it gets what waits in it elsewhere',
    play: (stage) => {
      const session = stage.session('s');
      const first = stage.connect(session, 1);
      stage.subscribe(first, 't');
      first.disconnect();
      stage.run(1_000);
      const ids = stage.publish('t', 5);
      const second = stage.connect(session, 1, { manner: LAZY });
      second.stalled = true;
      stage.subscribe(second, 't', 0);
      second.breakOff();
      stage.run(1_000);
      // A new owner files again what was not durable, and what is above the cursor.
      stage.killOwner();
      stage.connect(session, 2);
      stage.expect(session, ids);
    },
    planted: nothingFormerly,
  });

  scripted({
    name: 'S10: lowered to QoS 0 while live and slow, it gets what it had not acknowledged',
    play: (stage) => {
      const session = stage.session('s');
      const first = stage.connect(session, 1);
      stage.subscribe(first, 't');
      stage.run(1_000);
      first.mute = true;
      const ids = stage.publish('t', 3);
      stage.until(() => stage.received(session).length === 3, 'it has them');
      stage.subscribe(first, 't', 0);
      first.breakOff();
      stage.run(1_000);
      const second = stage.connect(session, 2);
      stage.run(1_000);
      const again = (session.life?.received ?? [])
        .filter(({ connection }) => connection === second.connectionNumber)
        .map(({ id, duplicate }) => `${id} ${duplicate}`);
      assert.deepEqual(
        again,
        ids.map((id) => `${id} true`),
      );
      stage.expect(session, ids);
    },
    planted: nothingFormerly,
  });

  scripted({
    name: 'S1: moved while connected, it gets again what it had not acknowledged, and only that',
    play: (stage) => {
      const session = stage.session('s');
      const first = stage.connect(session, 1);
      stage.subscribe(first, 't');
      const acknowledged = stage.publish('t', 3);
      stage.until(() => stage.received(session).length === 3, 'it has them');
      stage.run(100);
      first.mute = true;
      const open = stage.publish('t', 3);
      stage.until(() => stage.received(session).length === 6, 'it has all');
      const second = stage.connect(session, 2);
      const again = (): string[] =>
        (session.life?.received ?? [])
          .filter(({ connection }) => connection === second.connectionNumber)
          .map(({ id, packetIdentifier, duplicate }) => `${id} ${packetIdentifier} ${duplicate}`);
      stage.until(() => again().length === 3, 'they come again');
      stage.run(1_000);
      const sent = (session.life?.received ?? []).filter(({ id }) => open.includes(id));
      const wanted = sent.slice(0, 3).map(({ id, packetIdentifier: n }) => `${id} ${n} true`);
      assert.deepEqual(again(), wanted);
      stage.expect(session, [...acknowledged, ...open]);
    },
    planted: gatewaysSay((m) => {
      const { leaving: _leaving, ...rest } = m;
      return m['t'] === 'release' ? rest : m;
    }),
  });

  scripted({
    name: 'S7: its owner hears late of the move, and of a floor without it at once',
    play: (stage) => {
      const session = stage.session('s');
      const other = stage.session('other');
      const first = stage.connect(session, 1);
      stage.subscribe(first, 't');
      stage.subscribe(stage.connect(other, 1), 't');
      const before = stage.publish('t', 2);
      stage.run(3_000);
      // The client is gone, its gateway does not know: 150 is delivered to nobody.
      first.vanish(100_000);
      const lost = stage.publish('t', 3);
      stage.run(100);
      stage.cluster.lateViewMs = 4_000;
      const second = stage.connect(session, 2, { waits: false });
      // Reports of gateway 1 leave it out now.
      stage.run(3_000);
      stage.cluster.lateViewMs = 0;
      stage.until(() => second.open, 'it is let in');
      stage.expect(session, [...before, ...lost]);
    },
    planted: (bus, role) => {
      if (role === 'gateway') {
        return reportingWrong(bus, (report) => {
          return { ...report, known: (report.known ?? []).map(() => 0) };
        });
      }
      return bus;
    },
  });

  scripted({
    name: 'S7: a gateway learns the revision of an end with its acknowledgement',
    play: (stage) => {
      const session = stage.session('s');
      const first = stage.connect(session, 1);
      stage.subscribe(first, 't');
      const before = stage.publish('t', 2);
      stage.run(3_000);
      first.vanish(50);
      const lost = stage.publish('t', 3);
      stage.cluster.lateViewMs = 5_000;
      stage.run(4_000);
      stage.cluster.lateViewMs = 0;
      stage.connect(session, 2);
      stage.expect(session, [...before, ...lost]);
    },
    planted: (bus, role) => {
      if (role !== 'dispatcher') return bus;
      return answeringWrong(bus, (m) => {
        if (m['t'] !== 'claims') return m;
        const decisions = (m['decisions'] as Fields[]).map((d) =>
          d['released'] === true ? { ...d, revision: 0 } : d,
        );
        return { ...m, decisions };
      });
    },
  });

  scripted({
    name: 'S6: its gateway and its owner die with deliveries open',
    play: (stage) => {
      const session = stage.session('s');
      const first = stage.connect(session, 1);
      stage.subscribe(first, 't');
      const before = stage.publish('t', 2);
      stage.run(2_000);
      first.vanish(100_000);
      const lost = stage.publish('t', 3);
      // Reports and checkpoints go on for a while.
      stage.run(2_000);
      stage.killOwner();
      stage.cluster.killGateway(stage.gateway(1));
      stage.connect(session, 2);
      stage.expect(session, [...before, ...lost]);
    },
    planted: (bus, role) =>
      role === 'gateway'
        ? reportingWrong(bus, (report) => ({
            ...report,
            floor: (report.floor ?? []).map((p) => (p === null ? null : p + 3 * RECORD)),
          }))
        : bus,
  });

  scripted({
    name: 'S9: what was read of a queue leaves it when acknowledged, not when sent',
    play: (stage) => {
      const session = stage.session('s');
      const first = stage.connect(session, 1);
      stage.subscribe(first, 't');
      first.disconnect();
      const filed = stage.publish('t', 5);
      const second = stage.connect(session, 1);
      second.vanish(100_000);
      stage.run(2_000);
      stage.cluster.killGateway(stage.gateway(1));
      stage.connect(session, 2);
      stage.expect(session, filed);
    },
    planted: gatewaysSay((m) => {
      if (m['t'] !== 'live') return m;
      const sessions = [[m['generation'], 1_000 * RECORD]];
      return [m, { t: 'consumed', inc: m['inc'], epoch: m['epoch'], sessions }];
    }),
  });

  scripted({
    name: 'S9: a late word of the old generation consumes nothing of the new one',
    play: (stage) => {
      const session = stage.session('s');
      const first = stage.connect(session, 1);
      stage.subscribe(first, 't');
      first.disconnect();
      stage.publish('t', 5);
      const late: Fields[] = [];
      stage.loses = ({ from, kind, message }) => {
        if (from !== 'gateway-1' || kind !== 'consumed') return false;
        late.push(message);
        return true;
      };
      const second = stage.connect(session, 1);
      stage.until(() => stage.received(session).length === 5, 'it has read its queue');
      stage.run(500);
      second.disconnect();
      stage.run(500);
      const third = stage.connect(session, 2, { cleanStart: true });
      stage.subscribe(third, 't');
      third.disconnect();
      const filed = stage.publish('t', 3);
      stage.run(3_000);
      stage.connect(session, 2);
      stage.expect(session, filed);
    },
  });

  scripted({
    name: 'S9: what was acknowledged of a queue is told to the next owner again',
    play: (stage) => {
      const session = stage.session('s');
      const first = stage.connect(session, 1);
      stage.subscribe(first, 't');
      first.disconnect();
      const ids = stage.publish('t', 5);
      stage.run(2_000);
      // Its owner never hears that the queue has been read.
      stage.loses = ({ kind }) => kind === 'consumed';
      const second = stage.connect(session, 1);
      stage.run(1_500);
      stage.loses = () => false;
      stage.killOwner();
      stage.run(10_000);
      assert.equal(second.open, true);
      assert.equal(stage.cluster.queuedEntries, 0);
      stage.expect(session, ids);
    },
    planted: (bus, role) => {
      if (role !== 'gateway') return bus;
      let epoch: unknown;
      return lyingToOwners(bus, (m) => {
        if (m['t'] !== 'consumed') return m;
        epoch ??= m['epoch'];
        return m['epoch'] === epoch ? m : [];
      });
    },
  });

  scripted({
    name: 'S5: it does not acknowledge, is filed, and its owner dies: nothing lost, in order',
    play: (stage) => {
      const session = stage.session('s');
      const first = stage.connect(session, 1);
      stage.subscribe(first, 't');
      stage.run(1_000);
      first.stalled = true;
      const ids = stage.publish('t', 150);
      stage.run(10_000);
      ids.push(...stage.publish('t', 20));
      stage.killOwner();
      ids.push(...stage.publish('t', 20));
      stage.run(6_000);
      first.stalled = false;
      stage.expect(session, ids);
    },
    planted: gatewaysSay((m) =>
      m['t'] === 'file' ? { ...m, from: (m['from'] as number) + 10 * RECORD } : m,
    ),
  });

  scripted({
    name: '0014: its gateway dies before it has reported what a QoS 2 client has finished',
    play: (stage) => {
      const session = stage.session('s');
      const first = stage.connect(session, 1);
      stage.subscribe(first, 't', 2);
      stage.run(2_000);
      // No floor is told any more.
      stage.holdsReport = (gateway) => gateway === 'gateway-1';
      const ids = stage.publish('t', 10, 2);
      stage.until(() => stage.received(session).length === 10, 'it has all');
      stage.run(200);
      stage.cluster.killGateway(stage.gateway(1));
      ids.push(...stage.publish('t', 3, 2));
      stage.connect(session, 2);
      stage.expect(session, ids);
      assert.equal(session.life?.received.length, ids.length, 'something came twice');
    },
    planted: (bus, role) => {
      if (role !== 'dispatcher') return bus;
      return answeringWrong(bus, (m) => {
        if (m['t'] !== 'claims') return m;
        const decisions = (m['decisions'] as Fields[]).map((d) => {
          const granted = d['session'] as Fields | undefined;
          return granted === undefined ? d : { ...d, session: { ...granted, cursor: [0] } };
        });
        return { ...m, decisions };
      });
    },
  });

  scripted({
    name: 'S1: a clean start ends what the session was, also while connected',
    play: (stage) => {
      const session = stage.session('s');
      const first = stage.connect(session, 1);
      stage.subscribe(first, 't');
      first.mute = true;
      stage.publish('t', 5);
      stage.run(500);
      const second = stage.connect(session, 2, { cleanStart: true });
      stage.run(1_000);
      stage.expect(session, []);
      stage.subscribe(second, 't');
      stage.expect(session, stage.publish('t', 3));
    },
    planted: gatewaysSay((m) => (m['t'] === 'claim' ? { ...m, cleanStart: false } : m)),
  });

  scripted({
    name: 'S1: it expires while its gateway is dead, and is not there any more',
    play: (stage) => {
      const session = stage.session('s');
      const first = stage.connect(session, 1, { expiry: 3 });
      stage.subscribe(first, 't');
      stage.cluster.killGateway(stage.gateway(1));
      stage.publish('t', 3);
      stage.run(20_000);
      const second = stage.connect(session, 2);
      assert.equal(typeof second.granted === 'object' && second.granted.sessionPresent, false);
      stage.expect(session, []);
    },
  });
});
