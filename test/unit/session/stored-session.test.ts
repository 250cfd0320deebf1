/** What a stored session takes up from an earlier connection, and what it leaves behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ack,
  connect,
  disconnect,
  properties,
  property,
  publish,
  u16,
  u32,
} from '../../fixtures/mqtt-client-encoder.ts';
import type { ConnectFields } from '../../fixtures/mqtt-client-encoder.ts';
import { CLEAN, Driver, open, STORED } from './session-driver.ts';

const expiry = (seconds: number): Buffer => property(0x11, u32(seconds));
const RESUMED = { ...STORED, sessionPresent: true };
const subscription = (topicFilter: string) =>
  ({
    topicFilter,
    qos: 1,
    noLocal: false,
    retainAsPublished: false,
    subscriptionIdentifier: 0,
    retainHandling: 0,
  }) as const;

test('terms: clean start, expiry and will as CONNECT says, within the maximum', () => {
  const terms = (version: 4 | 5, fields: ConnectFields) => {
    const driver = new Driver({ sessionExpirySecondsMax: 1_000 });
    driver.send(connect(version, fields));
    const { cleanStart, sessionExpirySeconds, connack } = driver.session.terms ?? {};
    return [cleanStart, sessionExpirySeconds, connack?.sessionExpiryInterval];
  };
  assert.deepEqual(terms(4, {}), [true, 0, undefined]);
  assert.deepEqual(terms(4, { cleanStart: false }), [false, 1_000, undefined]);
  assert.deepEqual(terms(5, {}), [true, 0, undefined]);
  assert.deepEqual(terms(5, { cleanStart: false }), [false, 0, undefined]);
  assert.deepEqual(terms(5, { properties: properties(expiry(9)) }), [true, 9, undefined]);
  assert.deepEqual(terms(5, { properties: properties(expiry(1_001)) }), [true, 1_000, 1_000]);
  const will = { topic: 'gone', payload: Buffer.from('!'), qos: 2, retain: true };
  const driver = new Driver();
  driver.send(connect(4, { will }));
  assert.equal(driver.session.terms?.will?.topic, 'gone');
  assert.deepEqual([driver.session.terms.will.qos, driver.session.terms.will.retain], [2, true]);
});

test('[MQTT-4.3.3-5] CONNACK says session present, and PUBRELs follow it in their order', () => {
  const driver = open(5, {}, {}, { ...RESUMED, received: [9, 4], inFlight: [1] });
  assert.equal(driver.recorder.sessionPresent, true);
  assert.deepEqual(driver.sent(), ['connack', 'pubrel 9 0', 'pubrel 4 0']);
  driver.send(ack('pubcomp', 4), ack('pubcomp', 9), ack('pubcomp', 9));
  assert.deepEqual(driver.recorder.asked, ['finished 4', 'finished 9']);
  assert.deepEqual(driver.recorder.settledTickets, []);
});

test('[MQTT-4.4.0-1] deliveries in flight come again with DUP, under identifiers kept for them', () => {
  const driver = open(5, {}, {}, { ...RESUMED, inFlight: [1, 2, 3, 40_000] });
  driver.deliver('a', 1, 51, 2);
  driver.deliver('b', 2, 52, 40_000);
  driver.deliver('c', 1, 53);
  driver.deliver('d', 1, 54, 1);
  driver.session.freeIdentifier(3);
  driver.session.freeIdentifier(2);
  assert.deepEqual(driver.recorder.deliveries, [
    { identifier: 2, payload: 'a', qos: 1, dup: true },
    { identifier: 40_000, payload: 'b', qos: 2, dup: true },
    { identifier: 4, payload: 'c', qos: 1, dup: false },
    { identifier: 1, payload: 'd', qos: 1, dup: true },
  ]);
  assert.deepEqual(
    driver.recorder.asked,
    [],
    'an identifier that has come again is stored already',
  );
  driver.send(ack('puback', 2), ack('pubrec', 40_000));
  assert.deepEqual(driver.recorder.settledTickets, [51]);
  assert.deepEqual(driver.recorder.asked, ['received 40000']);
});

test('an inherited QoS 2 delivery that cannot come again is closed by PUBREL', () => {
  const driver = open(5, {}, {}, { ...RESUMED, inFlight: [1] });
  driver.sent();
  driver.send(ack('pubrec', 1));
  assert.deepEqual(driver.sent(), [], 'its message would come');
  driver.session.receivedStored(1);
  driver.session.receivedStored(1);
  assert.deepEqual(driver.sent(), ['pubrel 1 0']);
  driver.send(ack('pubcomp', 1));
  assert.deepEqual(driver.recorder.asked, ['finished 1']);
});

test('a client that takes fewer now gets what was in flight as its quota allows, in order', () => {
  const fields = { properties: properties(property(0x21, u16(1))) };
  const driver = open(5, {}, fields, { ...RESUMED, inFlight: [5, 6] });
  driver.recorder.expired.add('b');
  driver.deliver('a', 1, 51, 5);
  driver.deliver('b', 1, 52, 6);
  driver.deliver('c', 1, 53);
  assert.equal(driver.recorder.deliveries.length, 1);
  driver.send(ack('puback', 5));
  driver.send(ack('puback', 6));
  const sent = driver.recorder.deliveries.map((d) => [d.payload, d.identifier, d.dup]);
  assert.deepEqual(sent, [
    ['a', 5, true],
    ['b', 6, true],
    ['c', 1, false],
  ]);
});

test('what is too large for the client now is dropped; of QoS 2 it forgets the identifier', () => {
  const driver = open(5, {}, {}, { ...RESUMED, inFlight: [5, 6] });
  driver.sent();
  driver.recorder.tooLarge.add('big');
  driver.deliver('big', 1, 51, 5);
  driver.deliver('big', 2, 52, 6);
  assert.deepEqual(driver.recorder.settledTickets, [51, 52]);
  assert.deepEqual(driver.recorder.asked, ['received 6']);
  driver.session.receivedStored(6);
  driver.send(ack('pubcomp', 6));
  assert.deepEqual(driver.sent(), ['pubrel 6 0']);
  assert.deepEqual(driver.recorder.settledTickets, [51, 52]);
});

test('subscriptions go on; those that the client may no longer have are taken, by name', () => {
  const driver = new Driver({ subscriptionCountMax: 1 });
  driver.recorder.deniedFilter = 'secret/#';
  driver.send(connect(5));
  const subscriptions = [subscription('a'), subscription('secret/#'), subscription('b')];
  driver.session.granted({ ...RESUMED, subscriptions });
  assert.deepEqual([...driver.session.topicFilters()], ['a', 'b']);
  assert.deepEqual(driver.recorder.unsubscribed, ['secret/#']);
  assert.deepEqual(driver.recorder.dropped_, ['subscription_revoked']);
});

test('the departure names what was sent and not acknowledged, in order', () => {
  const fields = { properties: properties(property(0x21, u16(4))) };
  const driver = open(5, {}, fields, { ...RESUMED, inFlight: [7, 8, 9] });
  driver.recorder.onAsked = (what, id) => what === 'out' && driver.session.outStored(id);
  driver.deliver('a', 1, 51, 7);
  driver.deliver('b', 2, 52);
  driver.deliver('c', 2, 53);
  driver.deliver('d', 1, 54);
  driver.deliver('e', 1, 55, 8);
  driver.deliver('waits', 1, 56);
  driver.send(ack('pubrec', 1));
  driver.session.end('connection_lost');
  assert.deepEqual(driver.recorder.ended?.departure.inFlight, [
    [7, 51],
    [2, 53],
    [3, 54],
    [8, 55],
  ]);
  driver.session.outStored(1);
  driver.session.receivedStored(1);
  driver.session.released(1);
  driver.deliver('late', 1, 57, 9);
});

test('a clean session leaves nothing in flight', () => {
  const driver = open(5);
  driver.deliver('a', 1);
  driver.session.end('connection_lost');
  assert.deepEqual(driver.recorder.ended?.departure, {
    sessionExpirySeconds: 0,
    publishesWill: true,
    inFlight: [],
  });
});

test('[MQTT-3.14.4-3] only DISCONNECT 0x00, or withdrawn rights, keep the will back', () => {
  const departure = (end: (driver: Driver) => void, version: 4 | 5 = 5) => {
    const driver = open(version, {}, {}, STORED);
    end(driver);
    return driver.recorder.ended?.departure.publishesWill;
  };
  const says = (...rest: Buffer[]) => departure((driver) => driver.send(disconnect(...rest)));
  assert.equal(says(), false);
  assert.equal(says(Buffer.from([0])), false);
  assert.equal(says(Buffer.from([4])), true);
  assert.equal(says(Buffer.from([0x81])), true);
  assert.equal(
    departure((driver) => driver.send(disconnect()), 4),
    false,
  );
  for (const reason of ['connection_lost', 'session_taken_over', 'server_shutting_down'] as const) {
    assert.equal(
      departure((driver) => driver.session.end(reason)),
      true,
    );
  }
  assert.equal(
    departure((driver) => driver.session.end('authorization_revoked')),
    false,
  );
  const refused = new Driver();
  refused.send(connect(5));
  refused.session.end('server_unavailable');
  assert.equal(refused.recorder.ended?.departure.publishesWill, false, 'never accepted');
});

test('DISCONNECT may change the session expiry, but not from 0', () => {
  const left = (asked: number, told: Buffer) => {
    const fields = { properties: properties(expiry(asked)) };
    const driver = open(5, { sessionExpirySecondsMax: 1_000 }, fields, asked > 0 ? STORED : CLEAN);
    driver.send(disconnect(Buffer.from([0]), told));
    const { reason, departure } = driver.recorder.ended ?? {};
    return [reason, departure?.sessionExpirySeconds, departure?.publishesWill];
  };
  assert.deepEqual(left(60, properties()), ['client_disconnected', 60, false]);
  assert.deepEqual(left(60, properties(expiry(0))), ['client_disconnected', 0, false]);
  assert.deepEqual(left(60, properties(expiry(90))), ['client_disconnected', 90, false]);
  assert.deepEqual(left(60, properties(expiry(5_000))), ['client_disconnected', 1_000, false]);
  assert.deepEqual(left(0, properties(expiry(1))), ['protocol_error', 0, true]);
});

test('a publish of an earlier connection that comes again is a new append: the log knows', () => {
  const driver = open(5, {}, {}, RESUMED);
  driver.send(publish(5, { qos: 2, packetIdentifier: 3, dup: true }));
  assert.equal(driver.recorder.tokens.length, 1);
});
