/** PUBLISH as receivers get it, from a publisher's packet and from a log record. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { generate, parser, type IPublishPacket, type Packet as OraclePacket } from 'mqtt-packet';
import {
  DeliveryOptions,
  encodedQos0,
  PacketDecoder,
  publishLength,
  PublishView,
  writePublish,
} from '#mqtt';
import { readMessage, messageLength, writeMessage } from '#log';
import {
  packetIdentifier,
  publishPacket,
  qos,
  version,
  type Version,
} from '../../fixtures/mqtt-arbitraries.ts';
import {
  connect,
  field,
  properties,
  property,
  publish,
  u16,
  u32,
  userProperty,
} from '../../fixtures/mqtt-client-encoder.ts';

function viewOf(v: Version, bytes: Buffer): PublishView {
  const decoder = new PacketDecoder({ packetBytesMax: 1 << 20, topicAliasMaximum: 5 });
  decoder.push(Buffer.concat([connect(v), bytes]));
  assert.equal(decoder.next()?.kind, 'connect');
  const view = decoder.next();
  assert.ok(view?.kind === 'publish');
  return view;
}

/** The same message as a reader of the log sees it; an exactly-once key changes nothing. */
function stored(view: PublishView, hasKey: boolean): PublishView {
  const key = hasKey ? { generation: 2 ** 40, epoch: 7, packetIdentifier: 9 } : undefined;
  const length = messageLength(view, key);
  const record = Buffer.alloc(length + 9);
  assert.equal(writeMessage(record, 5, view, length, 0, 0, false, key), length + 5);
  const again = new PublishView();
  assert.equal(readMessage(record, 5, again), length + 5);
  return again;
}

function written(view: PublishView, v: Version, q: 0 | 1 | 2, options: DeliveryOptions): Buffer {
  const length = publishLength(view, v, q, options);
  const out = Buffer.alloc(length + 10, 0xee);
  assert.equal(writePublish(out, 3, view, v, q, options), length + 3);
  assert.equal(out[2], 0xee);
  assert.equal(out[length + 3], 0xee, 'nothing is written behind');
  return out.subarray(3, length + 3);
}

function parsed(v: Version, bytes: Buffer): IPublishPacket {
  const oracle = parser({ protocolVersion: v });
  const packets: OraclePacket[] = [];
  oracle.on('packet', (packet) => packets.push(packet));
  assert.equal(oracle.parse(bytes), 0, 'whole packets');
  const [packet] = packets;
  assert.ok(packets.length === 1 && packet?.cmd === 'publish');
  return packet;
}

const delivery = fc.record({
  to: version,
  toQos: qos,
  retain: fc.boolean(),
  dup: fc.boolean(),
  id: packetIdentifier,
  expiry: fc.constantFrom(-1, 0, 1, 0xffffffff),
  identifiers: fc.array(fc.constantFrom(1, 127, 128, 16_384, 268_435_455), { maxLength: 3 }),
});

const origin = fc.constantFrom('packet', 'record', 'keyed record');

test('a delivery says what was published, whatever the versions are', () => {
  const message = version.chain((v) => fc.tuple(fc.constant(v), publishPacket(v)));
  fc.assert(
    fc.property(message, delivery, origin, ([from, source], as, comesFrom) => {
      const direct = viewOf(from, generate(source, { protocolVersion: from }));
      const view = comesFrom === 'packet' ? direct : stored(direct, comesFrom === 'keyed record');
      const options = new DeliveryOptions();
      options.retain = as.retain;
      options.dup = as.dup && as.toQos > 0;
      options.packetIdentifier = as.id;
      options.messageExpiryIntervalSeconds = as.expiry;
      options.subscriptionIdentifiers = as.identifiers;
      const packet = parsed(as.to, written(view, as.to, as.toQos, options));
      assert.equal(String(packet.topic), source.topic);
      assert.deepEqual(packet.payload, source.payload);
      assert.deepEqual([packet.qos, packet.retain, packet.dup], [as.toQos, as.retain, options.dup]);
      if (as.toQos > 0) assert.equal(packet.messageId, as.id);
      if (as.to === 4) return;
      const { messageExpiryInterval, subscriptionIdentifier, ...rest } = packet.properties ?? {};
      const { messageExpiryInterval: _replaced, ...forwarded } = source.properties ?? {};
      assert.deepEqual(plain(rest), plain(forwarded));
      assert.equal(messageExpiryInterval, as.expiry < 0 ? undefined : as.expiry);
      const identifiers = as.identifiers.length === 1 ? as.identifiers[0] : as.identifiers;
      assert.deepEqual(subscriptionIdentifier ?? [], identifiers);
    }),
    { numRuns: 400 },
  );
});

function plain(value: object): unknown {
  return JSON.parse(JSON.stringify(value));
}

test('[MQTT-3.3.2-17] [MQTT-3.3.2-18] user properties keep order and repeats', () => {
  const pairs = [userProperty('b', '1'), userProperty('a', '2'), userProperty('b', '1')];
  const list = [
    pairs[0],
    property(0x23, u16(3)),
    pairs[1],
    property(2, u32(9)),
    pairs[2],
  ] as Buffer[];
  const view = viewOf(5, publish(5, { topic: 't', properties: properties(...list) }));
  assert.equal(view.propertiesForwardable, false);
  const expected = publish(5, { topic: 't', properties: properties(...(pairs as Buffer[])) });
  assert.deepEqual(written(view, 5, 0, new DeliveryOptions()), expected);
  assert.deepEqual(written(stored(view, false), 5, 0, new DeliveryOptions()), expected);
});

test('[MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-20] all else is kept', () => {
  const list = properties(
    property(9, field(Buffer.from([0, 255, 0]))),
    property(1, Buffer.from([1])),
    property(8, field('answer/here')),
    property(3, field('text/plain')),
  );
  const bytes = publish(5, { qos: 1, packetIdentifier: 9, properties: list });
  const options = new DeliveryOptions();
  options.packetIdentifier = 9;
  assert.deepEqual(written(viewOf(5, bytes), 5, 1, options), bytes);
});

test('[MQTT-1.5.4-3] a byte order mark in a topic stays', () => {
  const bytes = publish(4, { topic: Buffer.from('efbbbf61', 'hex') });
  assert.deepEqual(written(viewOf(4, bytes), 4, 0, new DeliveryOptions()), bytes);
});

test('[MQTT-3.3.1-3] DUP and RETAIN of the publisher do not go on by themselves', () => {
  const view = viewOf(4, publish(4, { qos: 1, dup: true, retain: true }));
  assert.equal(written(view, 4, 0, new DeliveryOptions())[0], 0x30);
});

test('remaining lengths at each boundary', () => {
  for (const size of [120, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) {
    const payload = Buffer.alloc(size, 7);
    const decoder = new PacketDecoder({ packetBytesMax: 4 << 20 });
    const bytes = publish(4, { payload });
    decoder.push(Buffer.concat([connect(4), bytes]));
    decoder.next();
    const view = decoder.next();
    assert.ok(view?.kind === 'publish');
    assert.ok(written(view, 4, 0, new DeliveryOptions()).equals(bytes));
  }
});

test('the shared QoS 0 packet is made once per version', () => {
  const view = stored(viewOf(4, publish(4, { qos: 1 })), false);
  const first = encodedQos0(view, 5, false, 30);
  assert.equal(encodedQos0(view, 5, false, 30), first);
  assert.deepEqual(first, publish(5, { properties: properties(property(2, u32(30))) }));
  assert.deepEqual(encodedQos0(view, 4, false, 30), publish(4));
  assert.deepEqual(encodedQos0(view, 4, true, -1), publish(4, { retain: true }));
  assert.deepEqual(encodedQos0(view, 4, false, -1), publish(4), 'RETAIN is not cached');
});
