/** JSON between processes: each message passes whole, and not without any of its fields. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Fault } from '#base';
import { MemoryCluster, SimClock } from '#bus';
import {
  decodeAnswer,
  decodeAsk,
  decodeDelta,
  decodeHeard,
  decodeOperatorAnswer,
  decodeOperatorRequest,
  decodeRequests,
  decodeWhole,
  encodeMessage,
  hear,
  type InterestDelta,
  type InterestHeard,
  type InterestWhole,
  type OperatorAnswer,
  type OperatorRequest,
  type OwnerMessage,
} from '#frames';
import { seededRandom } from '../../fixtures/seeded-random.ts';

const OWNER: readonly OwnerMessage[] = [
  { t: 'hello', p: 0, epoch: 1 },
  { t: 'welcome', p: 0, epoch: 1, position: 5 },
  { t: 'effective', p: 0, epoch: 1, from: 1, to: 2, position: 5 },
  {
    t: 'claims',
    p: 0,
    epoch: 1,
    decisions: [
      { connection: 1, granted: true, rank: [1, 2] },
      { connection: 2, granted: false, reason: 'session_taken_over' },
      { connection: 3, released: true, revision: 4 },
      { connection: 5, changed: 1, revision: 6 },
      { connection: 6, stepped: 2 },
    ],
  },
  { t: 'end', p: 0, epoch: 1, connection: 4, reason: 'session_taken_over' },
  { t: 'live', p: 0, epoch: 1, number: 1, generation: 2, turn: 1, position: 9 },
  { t: 'filed', p: 0, epoch: 1, generation: 2, turn: 1 },
  { t: 'seen', p: 0, epoch: 1, home: 1, revision: 7 },
];
const subscription = {
  topicFilter: 'a',
  qos: 1,
  noLocal: false,
  retainAsPublished: false,
  subscriptionIdentifier: 0,
};
const held = { clientIdentifier: 'c', authenticationName: 'n', connection: 1, rank: [1, 2] };
const GATEWAY: readonly unknown[] = [
  { t: 'present', inc: 'g' },
  {
    t: 'answer',
    inc: 'g',
    epoch: 1,
    attempt: 1,
    done: 7,
    filterVersion: 3,
    answeredVersion: 2,
    ids: [held],
    known: [1, 2],
    filed: [3],
    fresh: [[4, 5]],
    part: 0,
    parts: 1,
  },
  { t: 'again', inc: 'g', epoch: 1, from: 4, answers: 0 },
  {
    t: 'claim',
    inc: 'g',
    connection: 1,
    clientIdentifier: 'c',
    authenticationName: 'n',
    cleanStart: false,
    sessionExpirySeconds: 60,
  },
  {
    t: 'change',
    inc: 'g',
    connection: 1,
    clientIdentifier: 'c',
    number: 1,
    add: [subscription],
    remove: ['b'],
  },
  {
    t: 'out',
    inc: 'g',
    connection: 1,
    clientIdentifier: 'c',
    number: 1,
    steps: [[1, 0, 5, 0]],
    acknowledged: [1, null],
  },
  { t: 'live', inc: 'g', epoch: 1, generation: 2, stay: 3, turn: 4, filterVersion: 5 },
  { t: 'file', inc: 'g', epoch: 1, generation: 2, stay: 3, turn: 4, from: 5 },
  { t: 'queue', inc: 'g', epoch: 1, generation: 2, stay: 3, request: 4, after: 5 },
  { t: 'consumed', inc: 'g', epoch: 1, sessions: [[2, 3]] },
  { t: 'seen', inc: 'g', epoch: 1, home: 0, revision: 7 },
  { t: 'release', inc: 'g', connection: 1, clientIdentifier: 'c' },
  { t: 'taken', inc: 'g', epoch: 1, to: 9 },
  { t: 'effective', inc: 'g', epoch: 1, version: 3 },
];
const DELTA: InterestDelta = { from: 1, to: 2, add: ['a'], remove: ['b'] };
const WHOLE: InterestWhole = { inc: 'g', ask: 1, version: 2, part: 0, parts: 1, filters: ['a'] };
const HEARD: InterestHeard = { by: 'g', version: 1 };

const ORDERS: readonly OperatorRequest[] = [
  { t: 'locate', ask: 1, clientIdentifier: 'c' },
  { t: 'queue', ask: 1, generation: 2 },
  { t: 'disconnect', ask: 1, clientIdentifier: 'c', incarnation: 'g', connection: 3 },
  { t: 'delete', ask: 1, clientIdentifier: 'c', generation: 2 },
];
const connection = { incarnation: 'g', number: 3, authenticationName: 'n' };
const queue = { mode: 'filed', messages: 1, bytes: 2, oldestAtSeconds: 3 };
const ANSWERS: readonly OperatorAnswer[] = [
  { t: 'located', ask: 1, p: 0, revision: 7, generation: 2, connection, inFlight: [4] },
  { t: 'queued', ask: 1, p: 0, queue },
  { t: 'disconnected', ask: 1, p: 0, done: true },
  { t: 'deleted', ask: 1, p: 0, done: false, revision: 7 },
];

/** The value with each field, at any depth, left out or made an object. */
function* broken(value: unknown): Generator<unknown> {
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) {
      for (const bad of broken(item)) yield value.with(i, bad);
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      const rest: Record<string, unknown> = { ...value };
      delete rest[key];
      yield rest;
      yield { ...value, [key]: {} };
      for (const bad of broken(item)) yield { ...value, [key]: bad };
    }
  }
}

function isRefused(decode: (bytes: Buffer) => unknown, bytes: Buffer): void {
  assert.throws(() => decode(bytes), Fault, bytes.toString());
}

describe('messages between processes', () => {
  it('pass whole, and are refused without a field', () => {
    const body = (message: unknown): Buffer => Buffer.from(JSON.stringify(message));
    for (const message of OWNER) {
      assert.deepEqual(decodeAnswer(body(message)), message);
      for (const bad of broken(message)) isRefused(decodeAnswer, body(bad));
    }
    assert.deepEqual(decodeRequests(encodeMessage([...GATEWAY])), GATEWAY);
    for (const message of GATEWAY) {
      for (const bad of broken(message)) isRefused(decodeRequests, encodeMessage([bad]));
    }
    const others = [
      [decodeDelta, DELTA],
      [decodeWhole, WHOLE],
      [decodeHeard, HEARD],
      [decodeAsk, { have: -1, ask: 1 }],
      ...ORDERS.map((order) => [decodeOperatorRequest, order] as const),
      ...ANSWERS.map((answer) => [decodeOperatorAnswer, answer] as const),
    ] as const;
    for (const [decode, message] of others) {
      assert.deepEqual(decode(encodeMessage(message)), message);
      for (const bad of broken(message)) isRefused(decode, encodeMessage(bad as object));
    }
    assert.equal(decodeDelta(encodeMessage({ ...DELTA, from: null })).from, null);
    const nothing = { ...ANSWERS[0], generation: null, connection: null };
    assert.deepEqual(decodeOperatorAnswer(encodeMessage(nothing)), nothing);
    assert.equal(decodeOperatorRequest(encodeMessage({ t: 'later', ask: 1 })), undefined);
  });

  it('are refused when they are something else', () => {
    const rubbish = ['', '\u0001', '\u0001{', '\u0001null', '\u0001[null]', '\u0001{}', '\u0002{}'];
    for (const text of rubbish) {
      const bytes = Buffer.from(text, 'latin1');
      for (const decode of [decodeRequests, decodeDelta, decodeWhole, decodeHeard, decodeAsk]) {
        isRefused(decode, bytes);
      }
      isRefused(decodeAnswer, bytes.subarray(1));
    }
    isRefused(decodeAnswer, Buffer.from('{"t":"hello","p":"0","epoch":1}'));
  });

  it('are passed over, alone, when they are of a later version', () => {
    for (const t of ['toString', 'constructor', 'later']) {
      assert.equal(decodeAnswer(Buffer.from(JSON.stringify({ t, p: 0, epoch: 1 }))), undefined);
      const known = GATEWAY[0];
      const batch = encodeMessage([{ t, inc: 'g' }, known, { t, inc: 'h' }]);
      assert.deepEqual(decodeRequests(batch), [known]);
    }
  });

  it('are counted when they cannot be read, and the next one is heard', () => {
    const clock = new SimClock();
    const cluster = new MemoryCluster(clock, seededRandom(1));
    const [sender, receiver] = [cluster.connect('a'), cluster.connect('b')];
    const got: number[] = [];
    let damaged = 0;
    const onDamaged = (): void => void damaged++;
    hear(receiver, 's', decodeHeard, ({ version }) => got.push(version), onDamaged);
    clock.run(10);
    sender.publish('s', Buffer.from('\u0001{'));
    sender.publish('s', encodeMessage({ by: 'g', version: 4 }));
    clock.run(20);
    assert.deepEqual([damaged, got], [1, [4]]);
  });
});
