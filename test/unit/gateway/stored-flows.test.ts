/** Changes of stored sessions on their way to the home, and the owners' views of them. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { SimClock } from '#bus';
import { CHUNK_BYTES_MAX, encodeMessage, type GatewayMessage } from '#frames';
import { HomeChanges } from '../../../services/gateway/home-changes.ts';
import { OwnerLink } from '../../../services/gateway/owner-link.ts';
import { SeenFlow } from '../../../services/gateway/seen-flow.ts';
import { RecordingClient } from './local-client.ts';

let clock: SimClock;
let sent: [partition: number, message: GatewayMessage][];
const send = (partition: number, message: GatewayMessage): void =>
  void sent.push([partition, message]);

beforeEach(() => {
  clock = new SimClock();
  sent = [];
});

const stored = (topicFilter: string, starts?: readonly number[]) => ({
  topicFilter,
  qos: 1 as const,
  noLocal: false,
  retainAsPublished: false,
  subscriptionIdentifier: 0,
  ...(starts === undefined ? {} : { starts }),
});

describe('HomeChanges', () => {
  let changes: HomeChanges;
  const client = new RecordingClient(7, 'c');
  const asked = (): (number | undefined)[] =>
    sent.map(([, message]) => (message.t === 'change' ? message.number : undefined));

  beforeEach(() => {
    changes = new HomeChanges(clock, 'g', send);
  });

  it('sends one at a time, in order, until it is answered', () => {
    const done: string[] = [];
    changes.change(client, 1, [stored('a')], [], (revision) => done.push(`a ${revision}`));
    changes.change(client, 1, [], ['a'], (revision) => done.push(`-a ${revision}`));
    assert.deepEqual(asked(), [1]);
    clock.run(499);
    changes.tick(499);
    assert.deepEqual(asked(), [1]);
    changes.tick(500);
    assert.deepEqual(asked(), [1, 1]);
    changes.changed(7, 2, 9);
    changes.changed(8, 1, 9);
    assert.deepEqual(done, []);
    changes.changed(7, 1, 10);
    changes.changed(7, 1, 10);
    assert.deepEqual([done, asked()], [['a 10'], [1, 1, 2]]);
    changes.changed(7, 2, 11);
    assert.deepEqual(done, ['a 10', '-a 11']);
    changes.tick(5_000);
    assert.equal(sent.length, 3);
  });

  it('cuts what does not fit a message, and answers when all of it is there', () => {
    const many = Array.from({ length: 3_000 }, (_, i) => stored(`${i}/`.padEnd(60, '"'), [1, 2]));
    let answered = 0;
    changes.change(client, 0, many, [], () => answered++);
    let revision = 0;
    for (let i = 0; i < sent.length && i < 100; i++) {
      const [, message] = sent[i] as [number, GatewayMessage];
      assert.ok(encodeMessage([message]).length <= CHUNK_BYTES_MAX);
      assert.equal(answered, 0);
      if (message.t === 'change') changes.changed(7, message.number, ++revision);
    }
    const names = sent.flatMap(([, m]) => (m.t === 'change' ? m.add : []));
    assert.deepEqual(names, many);
    assert.equal(answered, 1);
    assert.ok(sent.length > 3);
  });

  it('shows in the report what waits too long, and forgets who is gone', () => {
    changes.change(client, 1, [stored('a')], [], () => assert.fail('nobody waits'));
    assert.ok(!changes.unanswered(1, 2_000));
    assert.ok(changes.unanswered(1, 2_001));
    assert.ok(!changes.unanswered(0, 9_000));
    changes.drop(client);
    changes.changed(7, 1, 3);
    changes.tick(9_000);
    assert.ok(!changes.unanswered(1, 9_000));
    assert.equal(sent.length, 1);
  });
});

describe('SeenFlow', () => {
  let seen: SeenFlow;
  const revisions = (): string[] =>
    sent.map(([p, m]) => (m.t === 'seen' ? `${p}: ${m.home} ${m.revision}` : m.t));

  beforeEach(() => {
    const links = [0, 1].map((p) => new OwnerLink(p, 'g', () => undefined));
    seen = new SeenFlow(clock, 'g', links, send);
  });

  it('asks once per turn and home, and waits for every owner', () => {
    const done: number[] = [];
    for (const revision of [4, 5, 6]) seen.wait(1, revision, () => done.push(revision));
    assert.deepEqual(sent, []);
    clock.run(1);
    assert.deepEqual(revisions(), ['0: 1 6', '1: 1 6']);
    seen.seen(0, 1, 6);
    seen.seen(1, 1, 4);
    seen.seen(1, 0, 6);
    assert.deepEqual(done, [4]);
    seen.tick(600);
    assert.deepEqual(revisions().slice(2), ['1: 1 6'], 'only who has not answered');
    seen.seen(1, 1, 7);
    assert.deepEqual([done, seen.waiting], [[4, 5, 6], 0]);
    seen.tick(2_000);
    assert.equal(sent.length, 3);
    seen.wait(1, 6, () => done.push(-6));
    clock.run(3_000);
    assert.deepEqual([done.at(-1), sent.length], [-6, 3], 'known already: not asked, not at once');
  });
});
