/** What the decoder must accept, how it resolves aliases, and how it treats its buffers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONNECT_BYTES_MAX, PacketDecoder, topicKeyOf, topicOf, type DecoderOptions } from '#mqtt';
import {
  ack,
  connect,
  disconnect,
  field,
  packet,
  PINGREQ,
  properties,
  property,
  publish,
  subscribe,
  u16,
  u32,
  unsubscribe,
  varint,
  type Version,
} from '../../fixtures/mqtt-client-encoder.ts';

const LIMITS: DecoderOptions = { packetBytesMax: 1 << 20 };

/** Kinds of all packets, or the fault's sentence. */
function kinds(bytes: Buffer, options: Partial<DecoderOptions> = {}): string[] {
  const decoder = new PacketDecoder({ ...LIMITS, ...options });
  decoder.push(bytes);
  const seen: string[] = [];
  for (let p = decoder.next(); p !== undefined; p = decoder.next()) {
    seen.push(p.kind === 'fault' ? p.detail : p.kind);
  }
  return seen;
}

function accepted(v: Version, bytes: Buffer, kind: string): void {
  assert.deepEqual(kinds(Buffer.concat([connect(v), bytes])), ['connect', kind]);
}

test('CONNECT with everything, and with the least', () => {
  const will = { topic: 'w', payload: Buffer.alloc(0), qos: 2, retain: true };
  const everything = { will, userName: '', password: Buffer.alloc(0), keepAliveSeconds: 65_535 };
  for (const v of [4, 5] as const) {
    assert.deepEqual(kinds(connect(v, everything)), ['connect']);
    assert.deepEqual(kinds(connect(v, { clientIdentifier: '', keepAliveSeconds: 0 })), ['connect']);
  }
  assert.deepEqual(kinds(connect(5, { password: Buffer.from([0, 255]) })), ['connect']);
  assert.deepEqual(kinds(connect(5, { clientIdentifier: '', cleanStart: false })), ['connect']);
});

test('every cut of CONNECT waits for more', () => {
  for (const v of [4, 5] as const) {
    const bytes = connect(v, { will: { topic: 'w' }, userName: 'u', password: Buffer.from('p') });
    for (let length = 0; length < bytes.length; length++) {
      assert.deepEqual(kinds(bytes.subarray(0, length)), []);
    }
  }
});

test('[MQTT-3.1.4-1] every CONNECT whose body is cut is refused', () => {
  for (const v of [4, 5] as const) {
    const bytes = connect(v, { will: { topic: 'w' }, userName: 'u', password: Buffer.from('p') });
    for (let length = 0; length < bytes.length - 2; length++) {
      const [kind] = kinds(packet(0x10, bytes.subarray(2, 2 + length)));
      assert.match(kind ?? '', /^CONNECT: /, `version ${v}, ${length} bytes`);
    }
  }
});

test('topics, filters and property values at their limits', () => {
  const topics = [
    ' ',
    '/',
    '//',
    'a//b',
    '$SYS/x',
    '$share/g/t',
    'a/'.repeat(200),
    'x'.repeat(65_535),
  ];
  for (const v of [4, 5] as const) {
    for (const topic of topics) accepted(v, publish(v, { topic }), 'publish');
    for (const filter of ['#', '+', '/', '//', '+/+', '/#', 'a//b', ' ', '$x/#', 'a#', 'b+/c']) {
      accepted(v, subscribe(v, [[filter, 2]]), 'subscribe');
      accepted(v, unsubscribe(v, [filter, filter]), 'unsubscribe');
    }
  }
  for (const identifier of [1, 268_435_455]) {
    const list = properties(property(0x0b, varint(identifier)));
    accepted(5, subscribe(5, [['a', 0x2f ^ 0x03]], { properties: list }), 'subscribe');
  }
  for (const seconds of [0, 1, 0xffffffff]) {
    accepted(5, publish(5, { properties: properties(property(2, u32(seconds))) }), 'publish');
    const list = properties(property(0x11, u32(seconds)));
    assert.deepEqual(kinds(connect(5, { properties: list })), ['connect']);
  }
  const binary = properties(property(9, field(Buffer.from([0, 255, 0xc0]))));
  accepted(5, publish(5, { properties: binary, payload: Buffer.from([0, 255]) }), 'publish');
  accepted(5, publish(5, { properties: properties(property(3, field(''))) }), 'publish');
});

test('short forms of acknowledgements and DISCONNECT', () => {
  accepted(5, ack('puback', 1), 'puback');
  accepted(5, ack('pubrec', 1, Buffer.from([0x97])), 'pubrec');
  accepted(5, ack('pubrel', 1, Buffer.from([0x92]), properties()), 'pubrel');
  accepted(5, disconnect(), 'disconnect');
  accepted(5, disconnect(Buffer.from([4])), 'disconnect');
  accepted(4, disconnect(), 'disconnect');
});

test('a padded remaining length is read in 3.1.1', () => {
  accepted(4, Buffer.from([0xc0, 0x80, 0x00]), 'pingreq');
});

test('[MQTT-3.14.4-1] what comes behind DISCONNECT is ignored', () => {
  const bytes = Buffer.concat([connect(5), disconnect(), publish(5), Buffer.from([0])]);
  assert.deepEqual(kinds(bytes), ['connect', 'disconnect']);
});

test('a packet of just the largest size passes', () => {
  const overhead = publish(4, { payload: Buffer.alloc(200) }).length - 200;
  const largest = publish(4, { payload: Buffer.alloc(1024 - overhead) });
  assert.equal(largest.length, 1024);
  const bytes = Buffer.concat([connect(4), largest]);
  assert.deepEqual(kinds(bytes, { packetBytesMax: 1024 }), ['connect', 'publish']);
});

test('before CONNECT a smaller limit holds, decided on the header', () => {
  const header = packet(0x10, Buffer.alloc(CONNECT_BYTES_MAX)).subarray(0, 4);
  assert.deepEqual(kinds(header), ['CONNECT: packet is over the limit']);
  assert.deepEqual(kinds(connect(4), { connectBytesMax: 10 }), [
    'CONNECT: packet is over the limit',
  ]);
});

test('[MQTT-3.3.2-12] aliases are set, used, set anew', () => {
  const decoder = new PacketDecoder({ ...LIMITS, topicAliasMaximum: 2 });
  const aliased = (alias: number, topic: string, qos: number): Buffer =>
    publish(5, {
      topic,
      qos,
      packetIdentifier: 77,
      payload: Buffer.from(topic),
      properties: properties(property(0x23, u16(alias)), property(3, field('c'))),
    });
  const steps: [number, string][] = [
    [1, 'one'],
    [2, 'two'],
    [1, ''],
    [2, ''],
    [1, 'other'],
    [1, ''],
    [2, 'two'],
    [2, ''],
  ];
  const bytes = steps.flatMap(([alias, topic]) => [
    aliased(alias, topic, 0),
    aliased(alias, topic, 1),
  ]);
  decoder.push(Buffer.concat([connect(5), ...bytes]));
  decoder.next();
  const known = new Map<number, string>();
  for (const [alias, topic] of steps) {
    if (topic !== '') known.set(alias, topic);
    for (const qos of [0, 1]) {
      const view = decoder.next();
      assert.ok(view?.kind === 'publish');
      assert.equal(topicOf(view), known.get(alias));
      assert.equal(topicKeyOf(view), known.get(alias));
      assert.equal(view.buffer.toString('utf8', view.payloadStart, view.end), topic);
      assert.equal(view.packetIdentifier, qos === 0 ? 0 : 77);
      const typeAt = view.propertiesStart + 1;
      assert.equal(view.buffer[typeAt], 0x23, 'properties stand where the view says');
    }
  }
});

test('[MQTT-3.2.2-15] a topic behind an alias counts as if the packet named it', () => {
  const aliased = (topic: string, bytes: number): Buffer =>
    publish(5, {
      topic,
      payload: Buffer.alloc(bytes),
      properties: properties(property(0x23, u16(1))),
    });
  const options = { packetBytesMax: 1_000, topicAliasMaximum: 1 };
  const stream = (bytes: number): Buffer =>
    Buffer.concat([connect(5), aliased('t'.repeat(500), 0), aliased('', bytes)]);
  assert.deepEqual(kinds(stream(490), options), ['connect', 'publish', 'publish']);
  assert.deepEqual(kinds(stream(900), options), [
    'connect',
    'publish',
    'PUBLISH: packet is over the limit',
  ]);
});

test('packets may be split anywhere, over any number of reads', () => {
  for (const v of [4, 5] as const) {
    const stream = Buffer.concat([
      connect(v, { userName: 'u' }),
      publish(v, { qos: 1, payload: Buffer.alloc(300, 1) }),
      subscribe(v, [['a', 0]]),
      ack('puback', 3),
      PINGREQ,
      publish(v, { payload: Buffer.alloc(0) }),
      disconnect(),
    ]);
    const expected = kinds(stream);
    assert.equal(expected.length, 7);
    for (let cut = 0; cut <= stream.length; cut++) {
      const decoder = new PacketDecoder(LIMITS);
      const seen: string[] = [];
      for (const chunk of [stream.subarray(0, cut), stream.subarray(cut)]) {
        const scratch = Buffer.from(chunk);
        decoder.push(scratch);
        for (let p = decoder.next(); p !== undefined; p = decoder.next()) seen.push(p.kind);
        scratch.fill(0xff);
      }
      assert.deepEqual(seen, expected, `cut at ${cut}`);
    }
  }
});

test('keep ends the loan of a chunk; a push before the end is joined to it', () => {
  const decoder = new PacketDecoder(LIMITS);
  const chunk = Buffer.concat([connect(4), publish(4, { topic: 'kept' }), Buffer.from([0xc0])]);
  decoder.push(chunk);
  assert.equal(decoder.next()?.kind, 'connect');
  decoder.keep();
  chunk.fill(0xff);
  decoder.push(Buffer.from([0]));
  const view = decoder.next();
  assert.ok(view?.kind === 'publish');
  assert.equal(topicOf(view), 'kept');
  assert.equal(decoder.next()?.kind, 'pingreq');
  assert.equal(decoder.next(), undefined);
  assert.equal(decoder.pendingBytes, 0);
});
