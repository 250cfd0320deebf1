/** Steps of QoS 2 deliveries on their way to the home: in batches, repeated, never mixed up. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { SimClock } from '#bus';
import { type GatewayMessage, OUT_FINISHED, OUT_RECEIVED, OUT_SENT } from '#frames';
import { OutSteps } from '../../../services/gateway/out-steps.ts';
import { RecordingClient } from './local-client.ts';

type Out = Extract<GatewayMessage, { t: 'out' }>;

class Device extends RecordingClient {
  readonly stored: number[] = [];
  readonly received: number[] = [];
  override outStored(packetIdentifier: number): void {
    this.stored.push(packetIdentifier);
  }
  override receivedStored(packetIdentifier: number): void {
    this.received.push(packetIdentifier);
  }
}

let clock: SimClock;
let sent: Out[];
let acknowledged: (number | null)[];
let outs: OutSteps;
let device: Device;

beforeEach(() => {
  clock = new SimClock();
  sent = [];
  acknowledged = [100, null];
  outs = new OutSteps({
    clock,
    incarnation: 'g',
    send: (_home, message) => sent.push(message as Out),
    homeOf: ({ connectionNumber }) => (connectionNumber === 1 ? 0 : undefined),
    acknowledged: () => [...acknowledged],
  });
  device = new Device(1);
  outs.begin(device, []);
});

function settle(): void {
  clock.run(clock.nowMs() + 1);
}

describe('out steps', () => {
  it('go together, one message at a time, and count when the home has them', () => {
    outs.sent(device, 1, { partition: 0, position: 101 });
    outs.sent(device, 2, { partition: 1, position: 7 });
    settle();
    outs.sent(device, 3, { partition: 0, position: 103 });
    settle();
    assert.equal(sent.length, 1);
    assert.deepEqual(sent[0]?.steps, [
      [1, 0, 101, OUT_SENT],
      [2, 1, 7, OUT_SENT],
    ]);
    assert.deepEqual(device.stored, []);
    outs.stepped(1, 1);
    assert.deepEqual(device.stored, [1, 2]);
    assert.equal(sent.length, 2);
    outs.stepped(1, 1);
    assert.deepEqual(device.stored, [1, 2], 'an answer that comes twice changes nothing');
  });

  it('are none without a stored session, nor once its connection is over', () => {
    const clean = new Device(2);
    outs.sent(clean, 1, undefined);
    assert.deepEqual(clean.stored, [1], 'nobody has to know');
    outs.sent(device, 1, { partition: 0, position: 101 });
    outs.drop(device);
    settle();
    clock.run(600);
    outs.tick(600);
    assert.deepEqual([sent, device.stored], [[], []]);
    assert.ok(!outs.unanswered(0, 9_000));
  });

  it('are repeated as they were until they are answered', () => {
    outs.sent(device, 1, { partition: 0, position: 101 });
    settle();
    clock.run(clock.nowMs() + 600);
    outs.tick(clock.nowMs());
    assert.equal(sent.length, 2);
    assert.deepEqual(sent[1], sent[0]);
    assert.ok(!outs.unanswered(0, clock.nowMs()));
    assert.ok(outs.unanswered(0, clock.nowMs() + 2_000));
  });

  it('say nothing is acknowledged that is open', () => {
    acknowledged = [500, 500];
    outs.sent(device, 1, { partition: 0, position: 101 });
    settle();
    assert.deepEqual(sent[0]?.acknowledged, [100, 500]);
  });

  it('tell what is finished with the next ones, or at the next tick', () => {
    outs.sent(device, 1, { partition: 0, position: 101 });
    settle();
    outs.stepped(1, 1);
    outs.received(device, 1);
    settle();
    outs.stepped(1, 2);
    assert.deepEqual(device.received, [1]);
    outs.finished(device, 1);
    settle();
    assert.equal(sent.length, 2);
    outs.tick(clock.nowMs());
    assert.deepEqual(sent[2]?.steps, [[1, 0, 101, OUT_FINISHED]]);
  });

  it('give messages of no queue places of their own, also under one identifier', () => {
    outs.begin(device, [[9, 0, -4, OUT_SENT]]);
    outs.sent(device, 1, undefined);
    settle();
    outs.stepped(1, 1);
    outs.received(device, 1);
    settle();
    outs.stepped(1, 2);
    outs.finished(device, 1);
    outs.sent(device, 1, undefined);
    settle();
    assert.deepEqual(
      sent.map(({ steps }) => steps),
      [
        [[1, 0, -5, OUT_SENT]],
        [[1, 0, -5, OUT_RECEIVED]],
        [
          [1, 0, -5, OUT_FINISHED],
          [1, 0, -6, OUT_SENT],
        ],
      ],
    );
  });
});
