/** A follower of a stream with replicas, against a server that says what the test wants. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { SimClock } from '#bus';
import type { FollowOptions, GetResult } from '#bus';
import { NatsFollower } from '../../../lib/bus/nats/nats-follower.ts';
import { NatsMessage } from '../../../lib/bus/nats/nats-message.ts';
import type { StreamApi } from '../../../lib/bus/nats/stream-api.ts';
import type { Wire } from '../../../lib/bus/nats/wire.ts';

/** What the stream's leader says. */
const leader = { first: 1, last: 5, messages: 5, lastOfSubject: 4 };
let clock: SimClock;
let events: string[] = [];
let deliver: (message: NatsMessage) => void;
let createdFrom: number[] = [];
let createWaitsMs: number[] = [];
/** Whether a consumer's creation is answered. */
let creates = true;

const api = {
  info(_stream: string, onInfo: (info: object) => void): void {
    const state = { first_seq: leader.first, last_seq: leader.last, bytes: 1, ...leader };
    onInfo({ config: { name: 'S' }, state });
  },
  state(_stream: string, onState: (state: object) => void): void {
    onState({ firstSequence: leader.first, lastSequence: leader.last, ...leader });
  },
  last(_stream: string, _subject: string, onResult: (result: GetResult) => void): void {
    const message = { sequence: leader.lastOfSubject };
    onResult({ kind: 'found', message } as GetResult);
  },
  ask(
    verb: string,
    body: { config: { opt_start_seq: number } } | undefined,
    onAnswer: (answer: object | undefined) => void,
    timeoutMs: number,
  ): void {
    if (!verb.startsWith('CONSUMER.CREATE')) return;
    createdFrom.push(body?.config.opt_start_seq ?? 0);
    createWaitsMs.push(timeoutMs);
    if (creates) clock.whenIdle(() => onAnswer({ num_pending: 0 }));
    else clock.after(timeoutMs, () => onAnswer(undefined));
  },
};

const wireOf = (ownClock: SimClock): Wire =>
  ({
    connected: true,
    clock: ownClock,
    payloadBytesMax: 1_000,
    onConnection: () => () => undefined,
    newInbox: () => '_INBOX.x',
    publish: () => true,
    subscribe: (_subject: string, onMessage: typeof deliver) => {
      deliver = onMessage;
      return () => undefined;
    },
  }) as unknown as Wire;

function follow(fromSequence: number, subject?: string): NatsFollower {
  const options: FollowOptions = {
    stream: 'S',
    fromSequence,
    ...(subject === undefined ? {} : { subject }),
    onMessage: ({ sequence }) => events.push(`${sequence}`),
    onCaughtUp: (last) => events.push(`caught up ${last}`),
  };
  return new NatsFollower(wireOf(clock), api as unknown as StreamApi, options);
}

/** The consumer believes that `pending` are left: what its own replica knows of. */
function delivery(streamSequence: number, consumerSequence: number, pending = 0): NatsMessage {
  const message = new NatsMessage();
  const numbers = `1.${streamSequence}.${consumerSequence}.1700000000000000000.${pending}`;
  const reply = `$JS.ACK.S.f.${numbers}`;
  message.line = Buffer.from(`S.a ${reply}`);
  message.subjectEnd = 3;
  message.replyStart = 4;
  message.replyEnd = message.line.length;
  return message;
}

beforeEach(() => {
  Object.assign(leader, { first: 1, last: 5, messages: 5, lastOfSubject: 4 });
  clock = new SimClock();
  events = [];
  createdFrom = [];
  createWaitsMs = [];
  creates = true;
});

describe('a follower', () => {
  it('has not caught up because a replica that is behind has nothing more', () => {
    const follower = follow(3);
    clock.run(10);
    assert.deepEqual(events, []);
    deliver(delivery(3, 1));
    deliver(delivery(4, 2));
    assert.deepEqual(events, ['3', '4']);
    deliver(delivery(5, 3));
    assert.deepEqual(events, ['3', '4', '5', 'caught up 5']);
    follower.close();
  });

  it('waits for the last message of its subject where it wants only one', () => {
    const follower = follow(1, 'S.a');
    clock.run(10);
    deliver(delivery(1, 1));
    assert.deepEqual(events, ['1']);
    deliver(delivery(4, 2));
    assert.deepEqual(events, ['1', '4', 'caught up 5']);
    follower.close();
  });

  it('leaves out what a replica that is behind hands out again', () => {
    const follower = follow(4);
    clock.run(10);
    deliver(delivery(2, 1));
    deliver(delivery(3, 2));
    deliver(delivery(4, 3));
    deliver(delivery(5, 4));
    assert.deepEqual(events, ['4', '5', 'caught up 5']);
    assert.deepEqual(createdFrom, [4]);
    follower.close();
  });

  it('has caught up when what it waited for is deleted', () => {
    const follower = follow(1, 'S.a');
    clock.run(10);
    deliver(delivery(1, 1));
    leader.lastOfSubject = 1;
    clock.run(1_500);
    assert.deepEqual(events, ['1', 'caught up 5']);
    follower.close();
  });

  it('waits shortly for a consumer at first: it may be put on a server that is gone', () => {
    creates = false;
    const follower = follow(1);
    clock.run(4_000);
    creates = true;
    clock.run(6_000);
    assert.ok(createWaitsMs.length > 3, `${createWaitsMs.length} attempts`);
    assert.equal(createWaitsMs[0], 500);
    assert.ok((createWaitsMs.at(-1) ?? 0) > 500);
    deliver(delivery(1, 1));
    assert.deepEqual(events, ['1']);
    follower.close();
  });

  it('begins anew behind what it has when the consumer is not heard of any more', () => {
    const follower = follow(1);
    clock.run(10);
    deliver(delivery(1, 1));
    clock.run(6_000);
    assert.equal(createdFrom[0], 1);
    assert.ok(createdFrom.length > 1, 'a new consumer');
    assert.equal(createdFrom[1], 2);
    follower.close();
  });
});
