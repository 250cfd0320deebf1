/** QoS 2 in both directions on one connection, step by step, clean and stored. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ack, properties, property, publish, u16 } from '../../fixtures/mqtt-client-encoder.ts';
import { open, STORED } from './session-driver.ts';
import type { Driver } from './session-driver.ts';

const CODE = (code: number): Buffer => Buffer.from([code]);

function publishQos2(driver: Driver, version: 4 | 5, packetIdentifier: number): void {
  driver.send(publish(version, { qos: 2, packetIdentifier }));
}

for (const version of [4, 5] as const) {
  test(`MQTT ${version}, in: PUBREC once stored, PUBCOMP once released, then a new message`, () => {
    const driver = open(version);
    const { recorder, session } = driver;
    driver.sent();
    for (let round = 0; round < 2; round++) {
      publishQos2(driver, version, 7);
      assert.equal(recorder.tokens.length, round + 1);
      assert.deepEqual(driver.sent(), []);
      session.appended(recorder.tokens[round] ?? 0, 'stored');
      assert.deepEqual(driver.sent(), ['pubrec 7 0']);
      publishQos2(driver, version, 7);
      assert.equal(recorder.tokens.length, round + 1, 'a repeat is no message');
      assert.deepEqual(driver.sent(), ['pubrec 7 0']);
      driver.send(ack('pubrel', 7));
      assert.deepEqual(recorder.asked.splice(0), ['release 7']);
      assert.deepEqual(driver.sent(), []);
      session.released(7);
      assert.deepEqual(driver.sent(), ['pubcomp 7 0']);
    }
    driver.send(ack('pubrel', 7));
    assert.deepEqual(driver.sent(), ['pubcomp 7 146'], '3.1.1 leaves the code away when encoded');
  });
}

test('PUBACKs and PUBRECs leave in the order of the PUBLISHes; a repeat waits for the first', () => {
  const driver = open(5);
  const { recorder, session } = driver;
  driver.sent();
  driver.send(publish(5, { qos: 1, packetIdentifier: 1 }));
  publishQos2(driver, 5, 2);
  publishQos2(driver, 5, 2);
  driver.send(publish(5, { qos: 1, packetIdentifier: 3 }));
  assert.equal(recorder.tokens.length, 3);
  session.appended(recorder.tokens[2] ?? 0, 'stored');
  session.appended(recorder.tokens[1] ?? 0, 'stored');
  assert.deepEqual(driver.sent(), []);
  session.appended(recorder.tokens[0] ?? 0, 'stored');
  assert.deepEqual(driver.sent(), ['puback', 'pubrec 2 0', 'pubrec 2 0', 'puback']);
});

test('a refused QoS 2 publish frees its identifier, and its repeat is refused, too', () => {
  const driver = open(5);
  const { recorder, session } = driver;
  driver.sent();
  publishQos2(driver, 5, 4);
  publishQos2(driver, 5, 4);
  session.appended(recorder.tokens[0] ?? 0, 'full');
  assert.deepEqual(driver.sent(), ['pubrec 4 151', 'pubrec 4 145']);
  recorder.isDenied = true;
  publishQos2(driver, 5, 4);
  assert.deepEqual(driver.sent(), ['pubrec 4 135']);
  recorder.isDenied = false;
  publishQos2(driver, 5, 4);
  session.appended(recorder.tokens[1] ?? 0, 'stored');
  assert.deepEqual(driver.sent(), ['pubrec 4 0'], '[MQTT-4.3.3-9]');
});

test('PUBREL before PUBREC is a protocol error, a second PUBREL is answered', () => {
  const early = open(5);
  publishQos2(early, 5, 1);
  early.send(ack('pubrel', 1));
  assert.equal(early.recorder.ended?.reason, 'protocol_error');
  const driver = open(5);
  publishQos2(driver, 5, 1);
  driver.session.appended(driver.recorder.tokens[0] ?? 0, 'stored');
  driver.sent();
  driver.send(ack('pubrel', 1), ack('pubrel', 1));
  assert.deepEqual(driver.recorder.asked, ['release 1']);
  driver.session.released(1);
  assert.deepEqual(driver.sent(), ['pubcomp 1 0', 'pubcomp 1 146']);
});

test('PUBREL of an identifier of an earlier connection is released before it is answered', () => {
  const driver = open(5, {}, {}, { ...STORED, sessionPresent: true });
  driver.sent();
  driver.send(ack('pubrel', 9));
  assert.deepEqual(driver.recorder.asked, ['release 9']);
  assert.deepEqual(driver.sent(), []);
  driver.session.released(9);
  assert.deepEqual(driver.sent(), ['pubcomp 9 0']);
});

test('[MQTT-3.3.4-7] the receive maximum counts QoS 2 until PUBCOMP', () => {
  const driver = open(5, { receiveMaximum: 2 });
  const { recorder, session } = driver;
  publishQos2(driver, 5, 1);
  session.appended(recorder.tokens[0] ?? 0, 'stored');
  publishQos2(driver, 5, 2);
  publishQos2(driver, 5, 2);
  session.appended(recorder.tokens[1] ?? 0, 'stored');
  driver.send(ack('pubrel', 1));
  session.released(1);
  publishQos2(driver, 5, 3);
  assert.equal(recorder.ended, undefined);
  publishQos2(driver, 5, 4);
  assert.equal(driver.recorder.ended?.reason, 'receive_maximum_exceeded');
});

test('repeats cannot pile up behind an append that is not decided', () => {
  const repeated = (version: 4 | 5): Driver => {
    const driver = open(version, { receiveMaximum: 2 });
    for (let i = 0; i < 3; i++) publishQos2(driver, version, 1);
    return driver;
  };
  assert.equal(repeated(5).recorder.ended?.reason, 'receive_maximum_exceeded');
  const four = repeated(4);
  assert.deepEqual(four.recorder.holds, [true]);
  four.sent();
  four.session.appended(four.recorder.tokens[0] ?? 0, 'stored');
  assert.deepEqual(four.sent(), ['pubrec 1 0', 'pubrec 1 0', 'pubrec 1 0']);
  assert.deepEqual(four.recorder.holds, [true, false]);
});

test('3.1.1 is held by appends, never by what only its own PUBRELs can end', () => {
  const driver = open(4, { receiveMaximum: 2 });
  const { recorder, session } = driver;
  for (let i = 1; i <= 5; i++) {
    publishQos2(driver, 4, i);
    session.appended(recorder.tokens.at(-1) ?? 0, 'stored');
  }
  assert.deepEqual(recorder.holds, []);
  publishQos2(driver, 4, 6);
  publishQos2(driver, 4, 7);
  assert.deepEqual(recorder.holds, [true]);
  session.appended(recorder.tokens[5] ?? 0, 'stored');
  assert.deepEqual(recorder.holds, [true, false]);
});

test('out, clean: PUBLISH, PUBREL, and the quota is back with PUBCOMP', () => {
  const fields = { properties: properties(property(0x21, u16(1))) };
  const driver = open(5, {}, fields);
  const { recorder } = driver;
  driver.sent();
  driver.deliver('a', 2);
  driver.deliver('b', 1);
  assert.deepEqual(recorder.deliveries, [{ identifier: 1, payload: 'a', qos: 2, dup: false }]);
  driver.send(ack('puback', 1), ack('pubcomp', 1));
  assert.deepEqual(driver.sent(), ['publish'], 'the wrong answers change nothing');
  driver.send(ack('pubrec', 1));
  driver.send(ack('pubrec', 1));
  assert.deepEqual(driver.sent(), ['pubrel 1 0', 'pubrel 1 0'], '[MQTT-4.3.3-4]');
  driver.send(ack('pubcomp', 1));
  assert.deepEqual(driver.sent(), ['publish'], '[MQTT-4.9.0-2]');
  assert.equal(recorder.deliveries[1]?.payload, 'b');
  driver.send(ack('pubrec', 77));
  assert.deepEqual(driver.sent(), ['pubrel 77 146']);
  assert.deepEqual([recorder.asked, recorder.settledTickets], [[], []]);
});

test('out: PUBREC of 0x80 or above ends the delivery without PUBREL', () => {
  for (const grant of [undefined, STORED]) {
    const driver = open(5, { deliveryCountMax: 1 }, {}, grant);
    driver.recorder.onAsked = (what, id) => what === 'out' && driver.session.outStored(id);
    driver.sent();
    driver.deliver('a', 2, 51);
    driver.deliver('b', 1, 52);
    driver.send(ack('pubrec', 1, CODE(0x80)));
    assert.deepEqual(driver.sent(), ['publish', 'publish']);
    if (grant === undefined) continue;
    assert.deepEqual(driver.recorder.settledTickets, [51]);
    assert.deepEqual(driver.recorder.asked, ['out 1', 'finished 1']);
  }
});

test('out, stored: each step is durable before the next packet', () => {
  const driver = open(5, {}, {}, STORED);
  const { recorder, session } = driver;
  driver.sent();
  driver.deliver('a', 2, 51);
  assert.deepEqual(recorder.asked.splice(0), ['out 1']);
  driver.send(ack('pubrec', 1), ack('pubcomp', 1), ack('puback', 1));
  assert.deepEqual(driver.sent(), []);
  session.outStored(1);
  assert.deepEqual(driver.sent(), ['publish']);
  driver.send(ack('pubrec', 1), ack('pubrec', 1), ack('pubcomp', 1));
  assert.deepEqual(recorder.asked.splice(0), ['received 1']);
  assert.deepEqual(driver.sent(), []);
  session.receivedStored(1);
  assert.deepEqual(driver.sent(), ['pubrel 1 0']);
  assert.deepEqual(recorder.settledTickets, []);
  driver.send(ack('pubcomp', 1));
  assert.deepEqual(recorder.asked, ['finished 1']);
  assert.deepEqual(recorder.settledTickets, [51]);
});

test('out, stored: nothing overtakes what waits for the store; several wait at once', () => {
  const driver = open(5, { deliveryCountMax: 4 }, {}, STORED);
  const { recorder, session } = driver;
  for (const [payload, qos] of [
    ['a', 2],
    ['b', 1],
    ['c', 2],
    ['d', 1],
    ['e', 2],
  ] as const) {
    driver.deliver(payload, qos, payload.charCodeAt(0));
  }
  assert.deepEqual(recorder.asked, ['out 1', 'out 3'], 'as far as the quota goes');
  session.outStored(3);
  assert.deepEqual(recorder.deliveries, []);
  session.outStored(1);
  const payloads = (): string => recorder.deliveries.map((d) => d.payload).join('');
  assert.equal(payloads(), 'abcd');
  driver.send(ack('puback', 2));
  assert.deepEqual(recorder.asked.slice(2), ['out 5']);
  session.outStored(5);
  assert.equal(payloads(), 'abcde');
});

test('out, stored: expiry counts until the identifier is stored, not after it', () => {
  const driver = open(5, {}, {}, STORED);
  const { recorder, session } = driver;
  recorder.expired.add('late').add('gone');
  driver.deliver('gone', 2, 51);
  assert.deepEqual([recorder.asked, recorder.settledTickets], [[], [51]]);
  driver.deliver('gone', 1, 52);
  assert.deepEqual(recorder.settledTickets, [51, 52]);
  recorder.expired.delete('late');
  driver.deliver('late', 2, 53);
  recorder.expired.add('late');
  session.outStored(Number(recorder.asked[0]?.split(' ')[1]));
  assert.equal(recorder.deliveries[0]?.payload, 'late', '[MQTT-4.3.3-7]');
});
