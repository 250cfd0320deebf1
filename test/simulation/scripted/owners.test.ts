/** Scripted histories of owners that die, stop and are late (docs/adr/0012, S2–S4, S8, S10). */
import { describe } from 'node:test';
import type { Bus } from '#bus';
import { SECTION_RANGE } from '#frames';
import {
  answeringWrong,
  changed,
  type Fields,
  lyingToGateways,
  lyingToOwners,
} from '../changed-bus.ts';
import type { Tamper } from '../sim-cluster.ts';
import type { SimSession } from '../sim-session.ts';
import { scripted } from './scripted.ts';
import type { Stage } from './stage.ts';

const HIGHEST = Number.MAX_SAFE_INTEGER;

const gatewaysSay =
  (lie: (message: Fields) => Fields | readonly Fields[]): Tamper =>
  (bus, role) =>
    role === 'gateway' ? lyingToOwners(bus, lie) : bus;

const answersSay = (change: (answer: Fields) => Fields): Tamper =>
  gatewaysSay((m) => (m['t'] === 'answer' ? change(m) : m));

/** A session that is away and subscribed to `t`; its owner has had so long for what it writes. */
function away(stage: Stage, settledMs: number): SimSession {
  const session = stage.session('s');
  const first = stage.connect(session, 1);
  stage.subscribe(first, 't');
  first.disconnect();
  stage.run(settledMs);
  return session;
}

/** The same, asking for live: `live` is on its way when more is filed, and nothing is durable. */
function freshLive(stage: Stage): { session: SimSession; ids: string[] } {
  const session = away(stage, 2_000);
  stage.cluster.nats.stallStream('STATE_dispatch_00', 2_500);
  stage.loses = ({ kind }) => kind === 'live';
  stage.connect(session, 2);
  stage.run(600);
  return { session, ids: stage.publish('t', 5) };
}

/** A dispatcher that takes its marks for read before they are. */
function impatient(bus: Bus): Bus {
  return changed(bus, {
    append: (request, onResult) => {
      if (!request.subject.startsWith('mark.')) return bus.append(request, onResult);
      bus.append(request, (result) =>
        onResult(result.kind === 'stored' ? { ...result, sequence: 0 } : result),
      );
    },
  });
}

describe('an owner', () => {
  scripted({
    name: 'S2: it reads all session logs up to its own mark before it dispatches',
    play: (stage) => {
      const session = stage.session('s');
      // What the next owner follows of the session logs comes eight seconds late.
      stage.cluster.lateViewOf = (dispatcher) => (dispatcher === 'dispatcher-2' ? 8_000 : 0);
      const client = stage.connect(session, 1);
      stage.subscribe(client, 't');
      client.disconnect();
      stage.run(20);
      stage.cluster.lateViewOf = () => 0;
      stage.killOwner();
      const filed = stage.publish('t', 3);
      stage.run(15_000);
      stage.connect(session, 2);
      stage.expect(session, filed);
    },
    planted: (bus, role) => {
      if (role === 'dispatcher') return impatient(bus);
      return lyingToOwners(bus, (m) =>
        m['t'] === 'answer' ? { ...m, known: (m['known'] as number[]).map(() => 0) } : m,
      );
    },
  });

  scripted({
    name: 'S8: a stay that its gateway has not been told of is filed',
    play: (stage) => {
      const session = stage.session('s');
      const first = stage.connect(session, 1);
      stage.subscribe(first, 't');
      first.disconnect();
      stage.run(2_000);
      stage.loses = ({ from, kind }) => from === 'dispatcher-1' && kind === 'claims';
      const second = stage.connect(session, 2, { waits: false });
      stage.run(300);
      stage.killOwner();
      const ids = stage.publish('t', 3);
      stage.until(() => second.open, 'the new owner lets it in');
      ids.push(...stage.publish('t', 3));
      stage.expect(session, ids);
    },
    planted: answersSay((m) => {
      return { ...m, known: (m['known'] as number[]).map(() => HIGHEST), undecided: [] };
    }),
  });

  scripted({
    name: 'S8: a stay that its gateway has not been told of, though of a later one, is filed',
    play: (stage) => {
      const session = stage.session('s');
      const first = stage.connect(session, 1);
      stage.subscribe(first, 't');
      first.disconnect();
      stage.run(2_000);
      const second = stage.connect(session, 2, { waits: false });
      const { connectionNumber } = second;
      stage.loses = ({ from, kind, message }) => {
        if (from !== 'dispatcher-1' || kind !== 'claims') return false;
        const decisions = message['decisions'] as Fields[];
        return decisions.some(({ connection }) => connection === connectionNumber);
      };
      stage.run(100);
      // The home's records stand higher than that stay, and the gateway knows it.
      stage.connect(stage.session('other'), 2);
      stage.killOwner();
      const ids = stage.publish('t', 3);
      stage.until(() => second.open, 'the new owner lets it in');
      ids.push(...stage.publish('t', 3));
      stage.expect(session, ids);
    },
    planted: answersSay((m) => ({ ...m, undecided: [] })),
  });

  scripted({
    name: 'S8: a session that reads its queue is filed by the next owner, too',
    play: (stage) => {
      const session = away(stage, 0);
      const ids = stage.publish('t', 5);
      // It stays in its queue.
      stage.loses = ({ kind }) => kind === 'queue page';
      stage.connect(session, 2);
      stage.run(500);
      stage.killOwner();
      ids.push(...stage.publish('t', 5));
      stage.run(6_000);
      ids.push(...stage.publish('t', 5));
      stage.loses = () => false;
      stage.expect(session, ids);
    },
    planted: answersSay((m) => ({ ...m, filed: [] })),
  });

  scripted({
    name: 'S4: X of a session that is fresh live is named to the next owner',
    play: (stage) => {
      const { session, ids } = freshLive(stage);
      stage.loses = ({ kind }) => kind === 'queue page';
      stage.run(1_200);
      stage.killOwner();
      stage.run(6_000);
      stage.loses = () => false;
      ids.push(...stage.publish('t', 2));
      stage.expect(session, ids);
    },
    planted: answersSay((m) => ({ ...m, fresh: [] })),
  });

  scripted({
    name: 'S5: it asks to be filed when the next owner has heard of X, and not reached it',
    play: (stage) => {
      const { session, ids } = freshLive(stage);
      let greeted = false;
      stage.loses = ({ from, kind }) => {
        greeted ||= from === 'dispatcher-2' && kind === 'hello';
        return kind === 'queue page';
      };
      stage.run(600);
      // What it has to hold comes late, so that it lags after the next owner's hello.
      const { control } = stage.gateway(2).bus;
      control.pause();
      ids.push(...stage.publish('t', 3));
      stage.killOwner();
      stage.run(2_000);
      control.resume();
      stage.until(() => greeted, 'there is a new owner');
      stage.cluster.lateViewOf = () => 4_000;
      stage.cluster.lateLogOf = () => 2_000;
      stage.run(6_000);
      stage.cluster.lateViewOf = () => 0;
      stage.cluster.lateLogOf = () => 0;
      stage.loses = () => false;
      ids.push(...stage.publish('t', 3));
      stage.expect(session, ids);
    },
    // As if all below what it asks to be filed from were filed, read and done.
    planted: gatewaysSay((m) => {
      if (m['t'] !== 'file') return m;
      const { inc, epoch, generation, from } = m;
      return [{ t: 'consumed', inc, epoch, sessions: [[generation, from]] }, m];
    }),
  });

  scripted({
    name: 'S4: an answer X that is lost is asked for before ranges above it count',
    play: (stage) => {
      const session = away(stage, 500);
      let lost = 0;
      stage.loses = ({ from, kind }) =>
        from.startsWith('dispatcher') && kind === 'live' && lost++ === 0;
      stage.connect(session, 2);
      stage.run(50);
      const ids = stage.publish('t', 5);
      stage.run(3_000);
      ids.push(...stage.publish('t', 5));
      stage.expect(session, ids);
    },
    planted: (bus, role) => {
      if (role !== 'dispatcher') return bus;
      return lyingToGateways(bus, (section) => {
        if (section.kind !== SECTION_RANGE) return section;
        const body = Buffer.from(section.body);
        body.writeUInt32BE(0, 42);
        return { kind: section.kind, body };
      });
    },
  });

  scripted({
    name: '21: what is live is held until the queue below it has been read',
    play: (stage) => {
      const session = away(stage, 0);
      const ids = stage.publish('t', 300);
      stage.connect(session, 2);
      for (let i = 0; i < 20; i++) ids.push(...stage.publish('t', 5));
      stage.expect(session, ids);
    },
  });

  scripted({
    name: 'S10: SUBACK waits until the owner would file for it',
    play: (stage) => {
      const session = stage.session('s');
      // Nobody knows of the session for a while but its home.
      stage.cluster.lateViewOf = () => 3_000;
      const first = stage.connect(session, 1);
      stage.subscribe(first, 't');
      const ids = stage.publish('t', 3);
      first.disconnect();
      ids.push(...stage.publish('t', 3));
      stage.run(8_000);
      stage.connect(session, 2);
      stage.expect(session, ids);
    },
    planted: (bus, role) => {
      if (role === 'gateway') {
        return lyingToOwners(bus, (m) => (m['t'] === 'seen' ? { ...m, revision: 0 } : m));
      }
      return answeringWrong(bus, (m) => (m['t'] === 'seen' ? { ...m, revision: HIGHEST } : m));
    },
  });

  scripted({
    name: '15: what was published before SUBSCRIBE is not filed by the next owner',
    play: (stage) => {
      const slow = stage.session('slow');
      const holding = stage.connect(slow, 1);
      stage.subscribe(holding, 't');
      stage.run(1_000);
      // Holds the checkpoint.
      holding.mute = true;
      const early = stage.publish('t', 5);
      stage.run(1_000);
      const session = stage.session('s');
      const first = stage.connect(session, 1);
      stage.subscribe(first, 't');
      const late = stage.publish('t', 3);
      stage.cluster.killGateway(stage.gateway(1));
      stage.killOwner();
      stage.connect(session, 2);
      stage.expect(session, late);
      stage.connect(slow, 2);
      stage.expect(slow, [...early, ...late]);
    },
    planted: gatewaysSay((m) => {
      if (m['t'] !== 'change') return m;
      const add = (m['add'] as Fields[]).map(({ starts: _starts, ...rest }) => rest);
      return { ...m, add };
    }),
  });

  scripted({
    name: '10: a paused owner comes back behind its successor and changes nothing',
    play: (stage) => {
      const session = stage.session('s');
      const first = stage.connect(session, 1);
      stage.subscribe(first, 't');
      const ids = stage.publish('t', 5);
      const paused = stage.owner();
      paused.bus.control.pause();
      ids.push(...stage.publish('t', 5));
      stage.run(8_000);
      first.disconnect();
      ids.push(...stage.publish('t', 5));
      paused.bus.control.resume();
      ids.push(...stage.publish('t', 5));
      stage.run(3_000);
      stage.connect(session, 2);
      stage.expect(session, ids);
    },
  });

  scripted({
    name: '17: a session moves while its partition has no owner',
    play: (stage) => {
      const session = stage.session('s');
      const first = stage.connect(session, 1);
      stage.subscribe(first, 't');
      const ids = stage.publish('t', 5);
      stage.until(() => stage.received(session).length === 5, 'it has them');
      stage.killOwner();
      ids.push(...stage.publish('t', 5));
      const second = stage.connect(session, 2, { waits: false });
      ids.push(...stage.publish('t', 5));
      stage.until(() => second.open, 'it is let in');
      second.disconnect();
      ids.push(...stage.publish('t', 5));
      stage.connect(session, 1);
      stage.expect(session, ids);
    },
  });

  scripted({
    name: '12: filed by one owner, consumed, and not filed again by the next two',
    play: (stage) => {
      const slow = stage.session('slow');
      const holding = stage.connect(slow, 1);
      stage.subscribe(holding, 't');
      const session = stage.session('s');
      const first = stage.connect(session, 2);
      stage.subscribe(first, 't');
      stage.run(1_000);
      holding.mute = true;
      first.disconnect();
      const ids = stage.publish('t', 5);
      const second = stage.connect(session, 2);
      stage.until(() => stage.received(session).length === 5, 'it has read its queue');
      stage.run(3_000);
      stage.cluster.addDispatcher();
      stage.killOwner();
      stage.run(6_000);
      second.disconnect();
      stage.killOwner();
      stage.run(6_000);
      stage.connect(session, 1);
      stage.run(3_000);
      const counts = new Set((session.life?.received ?? []).map(({ id }) => id));
      if (counts.size !== session.life?.received.length) throw new Error('something came twice');
      stage.expect(session, ids);
    },
  });
});
