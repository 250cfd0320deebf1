/**
 * The session as a machine: packets and decisions in, effects recorded out, no socket anywhere.
 *
 * The property drives it with random packets of an open client and random decisions of the log, and
 * compares what leaves with a plain model: every publish answered in order or not at all, windows
 * never exceeded, each delivery once and in order, nothing after the end.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Reason } from '#base';
import { PacketDecoder } from '#mqtt';
import type { AuthPacket, ConnectPacket, PublishView } from '#mqtt';
import { DEFAULT_SESSION_LIMITS, PENDING_SUBSCRIBE_MAX, Session } from '#session';
import type { GrantedSubscription, SessionLimits, SessionOutput, SessionPort } from '#session';
import {
  ack,
  auth,
  connect,
  disconnect,
  field,
  PINGREQ,
  properties,
  property,
  publish,
  subscribe,
  u16,
  u32,
} from '../../fixtures/mqtt-client-encoder.ts';
import type { ConnectFields, Version } from '../../fixtures/mqtt-client-encoder.ts';

const NO_TERMS = { retainAsPublished: false, subscriptionIdentifiers: [], retained: false };

/** Records every effect. */
class Recorder implements SessionPort, SessionOutput {
  readonly pubacks: [number, number][] = [];
  readonly deliveries: { identifier: number; payload: string }[] = [];
  readonly tokens: number[] = [];
  readonly effective: (() => void)[] = [];
  readonly sent: string[] = [];
  readonly holds: boolean[] = [];
  readonly renewed: string[] = [];
  readonly dropped_: Reason[] = [];
  ended: { reason: Reason; farewell: Buffer | undefined } | undefined;
  authenticated: ConnectPacket | undefined;
  isDenied = false;

  authenticate(packet: ConnectPacket): void {
    this.authenticated = packet;
  }
  reauthenticate(packet: AuthPacket): void {
    this.renewed.push(packet.authenticationData?.toString('latin1') ?? '');
  }
  mayPublish(): boolean {
    return !this.isDenied;
  }
  maySubscribe(): boolean {
    return !this.isDenied;
  }
  publish(_view: PublishView, token: number): void {
    if (token >= 0) this.tokens.push(token);
  }
  subscribe(_subscriptions: readonly GrantedSubscription[], onEffective: () => void): void {
    this.effective.push(onEffective);
  }
  unsubscribe(topicFilters: readonly string[]): readonly boolean[] {
    return topicFilters.map(() => false);
  }
  holdInput(held: boolean): void {
    this.holds.push(held);
  }
  dropped(reason: Reason): void {
    this.dropped_.push(reason);
  }
  end(reason: Reason, farewell: Buffer | undefined): void {
    assert.equal(this.ended, undefined, 'ended once');
    this.ended = { reason, farewell };
  }
  sendConnack(): boolean {
    return this.#put('connack');
  }
  sendPuback(packetIdentifier: number, reasonCode: number): void {
    this.pubacks.push([packetIdentifier, reasonCode]);
    this.#put('puback');
  }
  sendPubcomp(): void {
    this.#put('pubcomp');
  }
  sendPubrel(): void {
    this.#put('pubrel');
  }
  sendSuback(): void {
    this.#put('suback');
  }
  sendUnsuback(): void {
    this.#put('unsuback');
  }
  sendAuth(): void {
    this.#put('auth');
  }
  sendPingresp(): void {
    this.#put('pingresp');
  }
  sendDelivery(view: PublishView, _qos: 0 | 1, identifier: number): boolean {
    const payload = view.buffer.toString('latin1', view.payloadStart, view.end);
    this.deliveries.push({ identifier, payload });
    return this.#put('publish');
  }
  #put(kind: string): true {
    assert.equal(this.ended, undefined, `${kind} after the end`);
    this.sent.push(kind);
    return true;
  }
}

class Driver {
  readonly recorder = new Recorder();
  readonly session: Session;
  readonly #decoder = new PacketDecoder({ packetBytesMax: 1 << 20 });

  constructor(limits: Partial<SessionLimits> = {}) {
    const all = { ...DEFAULT_SESSION_LIMITS, ...limits };
    this.session = new Session(this.recorder, this.recorder, all, () => 'assigned');
  }
  send(...packets: readonly Buffer[]): void {
    this.#decoder.push(Buffer.concat(packets));
    for (let p = this.#decoder.next(); p !== undefined; p = this.#decoder.next()) {
      if ('kind' in p && p.kind === 'fault') this.session.fault(p, this.#decoder.protocolVersion);
      else if (this.session.phase !== 'ended') this.session.receive(p);
    }
  }
}

function open(
  version: Version,
  limits: Partial<SessionLimits> = {},
  fields: ConnectFields = {},
): Driver {
  const driver = new Driver(limits);
  driver.send(connect(version, fields));
  driver.session.granted();
  assert.equal(driver.session.phase, 'open');
  return driver;
}

/** A message of the core for this client. */
function message(payload: string): PublishView {
  const decoder = new PacketDecoder({ packetBytesMax: 1_000 });
  decoder.push(
    Buffer.concat([connect(5), publish(5, { topic: 't', qos: 1, payload: Buffer.from(payload) })]),
  );
  decoder.next();
  return decoder.next() as PublishView;
}

test('CONNACK is sent by granted, and only while it is awaited', () => {
  const driver = new Driver();
  driver.session.granted();
  assert.deepEqual(driver.recorder.sent, []);
  driver.send(connect(5, { clientIdentifier: '' }));
  assert.equal(driver.session.phase, 'connecting');
  assert.equal(driver.session.terms?.clientIdentifier, 'assigned');
  driver.session.granted();
  driver.session.granted();
  assert.deepEqual(driver.recorder.sent, ['connack']);
});

test('AUTH asks the connection again, one at a time, and only after a method', () => {
  const method = property(0x15, field('CUSTOM-JWT'));
  const again = (code: number) => auth(code, properties(method, property(0x16, field('new'))));
  const fields = { properties: properties(method, property(0x16, field('old'))) };
  const driver = open(5, {}, fields);
  assert.equal(driver.session.terms?.connack?.authenticationMethod, 'CUSTOM-JWT');
  driver.session.reauthenticated();
  driver.send(again(0x19));
  assert.deepEqual(driver.recorder.renewed, ['new']);
  driver.send(publish(5, { qos: 1 }));
  assert.equal(driver.recorder.tokens.length, 1, 'all else goes on meanwhile');
  driver.session.reauthenticated();
  driver.send(again(0x19));
  assert.deepEqual(driver.recorder.sent, ['connack', 'auth']);
  driver.send(again(0x19));
  assert.equal(driver.recorder.ended?.reason, 'protocol_error');
  const answering = open(5, {}, fields);
  answering.send(again(0x18));
  assert.equal(answering.recorder.ended?.reason, 'protocol_error');
});

test('a decision after the end changes nothing', () => {
  const driver = open(5);
  driver.send(publish(5, { qos: 1 }), subscribe(5, [['a', 0]]));
  driver.send(disconnect());
  assert.equal(driver.recorder.ended?.reason, 'client_disconnected');
  assert.equal(driver.recorder.ended.farewell, undefined);
  driver.session.appended(driver.recorder.tokens[0] ?? 0, 'stored');
  driver.recorder.effective[0]?.();
  driver.session.deliver(message('late'), 1, NO_TERMS);
  driver.session.end('connection_lost');
  assert.deepEqual(driver.recorder.sent, ['connack']);
});

test('farewells carry codes that their packet may have, within the client maximum', () => {
  const told = (reason: Reason, fields: ConnectFields = {}): Buffer | undefined => {
    const driver = open(5, {}, fields);
    driver.session.end(reason);
    return driver.recorder.ended?.farewell;
  };
  assert.deepEqual(told('server_shutting_down'), Buffer.from([0xe0, 1, 0x8b]));
  assert.equal(told('gateway_lease_lost')?.[2], 0x8b, '0x88 is no code of DISCONNECT');
  assert.equal(told('connection_lost'), undefined);
  // The smallest DISCONNECT with a code has three bytes; this client takes two.
  const driver = new Driver();
  driver.send(connect(5, { properties: properties(property(0x27, u32(2))) }));
  driver.session.end('server_shutting_down');
  assert.equal(driver.recorder.ended?.farewell, undefined);
});

test('unanswered SUBSCRIBEs hold the input at their limit, and an answer lets it go on', () => {
  const driver = open(5);
  for (let i = 0; i < PENDING_SUBSCRIBE_MAX; i++) driver.send(subscribe(5, [[`f/${i}`, 0]]));
  assert.deepEqual(driver.recorder.holds, [true]);
  driver.recorder.effective[0]?.();
  assert.deepEqual(driver.recorder.holds, [true, false]);
});

test('a denied publish of MQTT 5 is answered behind the ones before it', () => {
  const driver = open(5);
  driver.send(publish(5, { qos: 1, packetIdentifier: 1 }));
  driver.recorder.isDenied = true;
  driver.send(publish(5, { qos: 1, packetIdentifier: 2 }), PINGREQ);
  assert.deepEqual(driver.recorder.sent, ['connack', 'pingresp']);
  driver.session.appended(driver.recorder.tokens[0] ?? 0, 'stored');
  assert.deepEqual(driver.recorder.pubacks, [
    [1, 0],
    [2, 0x87],
  ]);
  assert.deepEqual(driver.recorder.dropped_, ['publish_not_authorized']);
});

type Step =
  | { readonly do: 'publish' }
  | { readonly do: 'decide' | 'acknowledge'; readonly choice: number }
  | { readonly do: 'deliver' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('publish' as const) }),
  fc.record({ do: fc.constantFrom('decide' as const, 'acknowledge' as const), choice: fc.nat() }),
  fc.record({ do: fc.constant('deliver' as const) }),
);

test('random histories: answers in order, windows kept, each delivery once and in order', () => {
  const history = fc.array(step, { maxLength: 200 });
  fc.assert(
    fc.property(fc.constantFrom(4 as const, 5 as const), history, (version, steps) => {
      const window = 3;
      const fields = { properties: properties(property(0x21, u16(window))) };
      const limits = { receiveMaximum: 50, deliveryCountMax: window };
      const driver = open(version, limits, version === 5 ? fields : {});
      const { recorder, session } = driver;
      const undecided: number[] = [];
      const unacknowledged: number[] = [];
      let published = 0;
      let delivered = 0;
      let seen = 0;
      for (const each of steps) {
        if (each.do === 'publish' && undecided.length < 50 && session.unacknowledgedCount < 50) {
          driver.send(publish(version, { qos: 1, packetIdentifier: ++published }));
          undecided.push(recorder.tokens.at(-1) ?? -1);
        } else if (each.do === 'decide' && undecided.length > 0) {
          const [token = -1] = undecided.splice(each.choice % undecided.length, 1);
          session.appended(token, 'stored');
        } else if (each.do === 'deliver') {
          session.deliver(message(`m${++delivered}`), 1, NO_TERMS);
        } else if (each.do === 'acknowledge' && unacknowledged.length > 0) {
          const at = each.choice % unacknowledged.length;
          const [identifier = 0] = unacknowledged.splice(at, 1);
          driver.send(ack('puback', identifier));
        }
        for (; seen < recorder.deliveries.length; seen++) {
          const { identifier, payload } = recorder.deliveries[seen] ?? { identifier: 0 };
          assert.equal(payload, `m${seen + 1}`);
          assert.ok(!unacknowledged.includes(identifier));
          unacknowledged.push(identifier);
        }
        assert.ok(unacknowledged.length <= window);
        const waits = delivered - seen;
        assert.ok(waits === 0 || unacknowledged.length === window, 'none waits without need');
        assert.equal(session.backlogBytes > 0, waits > 0);
      }
      const answered = recorder.pubacks.map(([identifier]) => identifier);
      assert.deepEqual(
        answered,
        answered.map((_, i) => i + 1),
      );
      assert.equal(published - answered.length, session.unacknowledgedCount);
    }),
  );
});
