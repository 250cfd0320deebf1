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
import { PENDING_SUBSCRIBE_MAX } from '#session';
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
  unsubscribe,
} from '../../fixtures/mqtt-client-encoder.ts';
import type { ConnectFields } from '../../fixtures/mqtt-client-encoder.ts';
import { CLEAN, Driver, open } from './session-driver.ts';

test('CONNACK is sent by granted, and only while it is awaited', () => {
  const driver = new Driver();
  driver.session.granted(CLEAN);
  assert.deepEqual(driver.recorder.sent, []);
  driver.send(connect(5, { clientIdentifier: '' }));
  assert.equal(driver.session.phase, 'connecting');
  assert.equal(driver.session.terms?.clientIdentifier, 'assigned');
  driver.session.granted(CLEAN);
  driver.session.granted(CLEAN);
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
  driver.deliver('late', 1);
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

test('UNSUBACK waits until the end of the subscription is effective', () => {
  const driver = open(5);
  driver.send(unsubscribe(5, ['a']));
  assert.deepEqual(driver.sent(), ['connack']);
  driver.recorder.effective[0]?.();
  assert.deepEqual(driver.sent(), ['unsuback']);
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
          driver.deliver(`m${++delivered}`, 1);
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
