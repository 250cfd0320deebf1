/**
 * Arbitrary and damaged bytes: the decoder never throws, gives the same packets however the bytes
 * are cut, and holds no memory that is not bounded. The seed is printed; SEED=n repeats a run.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PacketDecoder, PublishView, type DecodeFault, type Packet } from '#mqtt';
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
  userProperty,
  varint,
} from '../../fixtures/mqtt-client-encoder.ts';

const INPUTS = 100_000;
const PACKET_BYTES_MAX = 4096;

const METHOD = property(0x15, field('M'));
const GOOD: readonly Buffer[] = [
  connect(4, { will: { topic: 'w', qos: 1 }, userName: 'u', password: Buffer.from('p') }),
  connect(5, {
    properties: properties(METHOD, property(0x16, field('d')), property(0x21, u16(5))),
    will: { topic: 'w', properties: properties(property(0x18, u32(1)), userProperty('a', 'b')) },
  }),
  publish(4, { qos: 2 }),
  publish(5, {
    qos: 1,
    properties: properties(property(0x23, u16(1)), property(8, field('r')), userProperty('ü', '')),
  }),
  publish(5, { topic: '', properties: properties(property(0x23, u16(1))) }),
  ack('puback', 1),
  ack('pubrel', 2, Buffer.from([0x92]), properties(property(0x1f, field('x')))),
  subscribe(4, [['a/+', 1]]),
  subscribe(5, [['$share/g/a', 0x28]], { properties: properties(property(0x0b, varint(300))) }),
  unsubscribe(5, ['a', 'b'], { properties: properties(userProperty('n', 'v')) }),
  disconnect(Buffer.from([4]), properties(property(0x1f, field('bye')))),
  auth(0x19, properties(METHOD)),
  PINGREQ,
];

/** A small generator with a seed (xorshift). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function input(random: (below: number) => number): Buffer {
  const parts = [connect(random(2) === 0 ? 4 : 5, { properties: properties(METHOD) })];
  if (random(4) === 0) parts.pop();
  for (let i = random(4); i >= 0; i--) parts.push(GOOD[random(GOOD.length)] as Buffer);
  if (random(8) === 0) {
    parts.push(Buffer.from(Array.from({ length: random(40) }, () => random(256))));
  }
  const bytes = Buffer.concat(parts);
  for (let i = random(4); i > 0 && bytes.length > 0; i--) {
    const at = random(bytes.length);
    bytes[at] = random(3) === 0 ? random(256) : (bytes[at] as number) ^ (1 << random(8));
  }
  return random(4) === 0 ? bytes.subarray(0, random(bytes.length + 1)) : bytes;
}

function decodeAll(decoder: PacketDecoder, chunk: Buffer, into: string[]): void {
  decoder.push(chunk);
  for (let p = decoder.next(); p !== undefined; p = decoder.next()) into.push(described(p));
}

function described(packet: Packet | DecodeFault): string {
  if (!(packet instanceof PublishView)) return JSON.stringify(packet);
  const { buffer, topicStart, topicEnd, propertiesStart, payloadStart, end } = packet;
  assert.ok(topicStart + 2 <= topicEnd && topicEnd <= propertiesStart, 'parts are in order');
  assert.ok(propertiesStart <= payloadStart && payloadStart <= end && end <= buffer.length);
  const topic = buffer.toString('hex', topicStart, topicEnd);
  const rest = buffer.toString('hex', propertiesStart, end);
  const { qos, retain, dup, packetIdentifier, messageExpiryIntervalSeconds } = packet;
  const expiry = messageExpiryIntervalSeconds;
  return `${topic} ${rest} ${qos} ${retain} ${dup} ${packetIdentifier} ${expiry}`;
}

test('100,000 damaged inputs: no throw, no growth, the same packets however cut', (t) => {
  const seed = Number(process.env['SEED'] ?? Date.now() & 0x7fffffff);
  t.diagnostic(`SEED=${seed}`);
  const random = randomFrom(seed);
  const options = { packetBytesMax: PACKET_BYTES_MAX, topicAliasMaximum: 4 };
  const faults = new Set<string>();
  let packets = 0;
  for (let i = 0; i < INPUTS; i++) {
    const bytes = input(random);
    const whole: string[] = [];
    const decoder = new PacketDecoder(options);
    decodeAll(decoder, bytes, whole);
    assert.ok(decoder.pendingBytes <= PACKET_BYTES_MAX);
    packets += whole.length;
    const last = whole.at(-1);
    if (last?.startsWith('{"kind":"fault"') === true) faults.add(last);
    if (i % 8 !== 0) continue;
    const inPieces: string[] = [];
    const other = new PacketDecoder(options);
    for (let at = 0; at < bytes.length;) {
      const next = at + 1 + random(12);
      decodeAll(other, Buffer.from(bytes.subarray(at, next)), inPieces);
      at = next;
    }
    assert.deepEqual(inPieces, whole, bytes.toString('hex'));
  }
  t.diagnostic(`${packets} packets, ${faults.size} different faults`);
  assert.ok(packets > INPUTS && faults.size > 60, 'the inputs reach deep');
});

test('a length field alone reserves nothing', () => {
  const decoders: PacketDecoder[] = [];
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 200; i++) {
    const decoder = new PacketDecoder({ packetBytesMax: 1 << 29 });
    decoder.push(connect(4));
    decoder.next();
    decoder.push(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 0x61]));
    assert.equal(decoder.next(), undefined);
    decoders.push(decoder);
  }
  const grown = process.memoryUsage().arrayBuffers - before;
  assert.ok(grown < 2_000_000, `${grown} bytes for ${decoders.length} packets of 256 MiB begun`);
});
