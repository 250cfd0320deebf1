/**
 * Records: what goes in comes out, whatever it is, with exactly-once keys or without; damage is a
 * Fault and nothing else.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Fault } from '#base';
import {
  type ExactlyOnceKey,
  indexOf,
  KeyReader,
  messageLength,
  positionAfterRecord,
  positionOf,
  RECORD_HEADER_BYTES,
  RECORD_MESSAGES_MAX,
  RecordBuilder,
  recordClosedAtMs,
  recordHasKeys,
  recordNumber,
  RecordReader,
  RELEASE_BYTES,
  sequenceOf,
} from '#log';
import { publishView, topicTextOf } from '../../fixtures/publish-view.ts';

const u48 = fc.oneof(fc.nat(), fc.integer({ min: 0, max: 2 ** 48 - 1 }));
const key = fc.record({
  generation: u48,
  epoch: u48,
  packetIdentifier: fc.integer({ min: 1, max: 0xffff }),
});

const message = fc.record({
  topic: fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }),
  payload: fc.uint8Array({ maxLength: 300 }),
  qos: fc.constantFrom<(0 | 1 | 2)[]>(0, 1, 2),
  retain: fc.boolean(),
  // A user property, or none at all, or MQTT 3.1.1.
  properties: fc.option(
    fc.constantFrom(Buffer.alloc(0), Buffer.from([0x26, 0, 1, 0x61, 0, 1, 0x62])),
    { nil: undefined },
  ),
  expiresAtSeconds: fc.integer({ min: 0, max: 0xffffffff }),
  publisher: fc.integer({ min: 0, max: 0xffffffff }),
  liveElsewhere: fc.boolean(),
  key: fc.option(key, { nil: undefined, freq: 3 }),
});
type Message = typeof message extends fc.Arbitrary<infer T> ? T : never;
type Release = { readonly release: ExactlyOnceKey };

const release = key.map((one): Release => ({ release: one }));
const entry = fc.oneof({ weight: 4, arbitrary: message }, { weight: 1, arbitrary: release });
/** Half of the records are without any key, as most are. */
const entries = fc
  .boolean()
  .chain((keyed) =>
    fc
      .array<Message | Release>(keyed ? entry : message, { maxLength: 30 })
      .map((list) =>
        keyed ? list : list.map((one) => ('release' in one ? one : { ...one, key: undefined })),
      ),
  );

function build(list: readonly (Message | Release)[]): RecordBuilder {
  const builder = new RecordBuilder();
  for (const one of list) {
    if ('release' in one) {
      builder.addRelease(one.release);
      continue;
    }
    const { expiresAtSeconds, publisher, liveElsewhere, properties, key: k, ...fields } = one;
    const view = publishView({ ...fields, ...(properties === undefined ? {} : { properties }) });
    builder.add(view, messageLength(view, k), expiresAtSeconds, publisher, liveElsewhere, k);
  }
  return builder;
}

describe('records', () => {
  it('give back any messages as they were put in', () => {
    fc.assert(
      fc.property(entries, fc.nat(), (list, number) => {
        const builder = build(list);
        const bytes = builder.bytes;
        const record = builder.take(number, 1_767_225_600_123);
        assert.equal(record.length, bytes);
        assert.equal(recordNumber(record), number);
        assert.equal(recordClosedAtMs(record), 1_767_225_600_123);
        assert.equal(builder.count, 0);
        const reader = new RecordReader(record);
        for (const [index, m] of list.entries()) {
          if ('release' in m) continue;
          assert.equal(reader.next(), index);
          const { view } = reader;
          assert.equal(topicTextOf(view), m.topic);
          assert.deepEqual(
            view.buffer.subarray(view.payloadStart, view.end),
            Buffer.from(m.payload),
          );
          const properties = view.buffer.subarray(view.propertiesStart + 1, view.payloadStart);
          assert.deepEqual(properties, m.properties ?? Buffer.alloc(0));
          assert.deepEqual(
            [view.qos, view.retain, view.expiresAtSeconds, view.publisherConnection],
            [m.qos, m.retain, m.expiresAtSeconds, m.publisher],
          );
          assert.equal(reader.liveElsewhere, m.liveElsewhere);
        }
        assert.equal(reader.next(), -1);
        assert.equal(reader.messageEnd, record.length);
      }),
    );
  });

  it('give back their keys, and say when they have none', () => {
    fc.assert(
      fc.property(entries, (list) => {
        const record = build(list).take(1, 0);
        const keyed = [...list.entries()].flatMap(([index, one]) => {
          const isRelease = 'release' in one;
          const its = isRelease ? one.release : one.key;
          return its === undefined ? [] : [{ index, isRelease, ...its }];
        });
        assert.equal(recordHasKeys(record), keyed.length > 0);
        const reader = new KeyReader(record);
        const read: typeof keyed = [];
        for (let index = reader.next(); index >= 0; index = reader.next()) {
          const { generation, epoch, packetIdentifier, isRelease } = reader;
          read.push({ index, isRelease, generation, epoch, packetIdentifier });
        }
        assert.deepEqual(read, keyed);
      }),
    );
  });

  it('are read without what is to be skipped', () => {
    fc.assert(
      fc.property(entries, fc.func(fc.boolean()), (list, isSkipped) => {
        const record = build(list).take(1, 0);
        const messages = [...list.keys()].filter((index) => !('release' in (list[index] ?? {})));
        const skipped = recordHasKeys(record) ? messages.filter((index) => isSkipped(index)) : [];
        const reader = new RecordReader(record, skipped);
        const read: number[] = [];
        for (let index = reader.next(); index >= 0; index = reader.next()) read.push(index);
        assert.deepEqual(
          read,
          messages.filter((index) => !skipped.includes(index)),
        );
        assert.equal(reader.messageEnd, record.length);
      }),
    );
  });

  it('take as many bytes as ever for what has no key, and 14 more for a key', () => {
    const view = publishView({ topic: 't', payload: 'x' });
    const its = { generation: 1, epoch: 2, packetIdentifier: 3 };
    assert.deepEqual([messageLength(view), messageLength(view, its), RELEASE_BYTES], [18, 32, 27]);
  });

  it('begin anew without keys', () => {
    const builder = build([{ release: { generation: 1, epoch: 2, packetIdentifier: 3 } }]);
    assert.ok(recordHasKeys(builder.take(1, 0)));
    assert.ok(!recordHasKeys(builder.take(2, 0)));
  });

  it('are read past kinds of a later version', () => {
    const record = build([{ release: { generation: 1, epoch: 2, packetIdentifier: 3 } }]).take(
      1,
      0,
    );
    record[RECORD_HEADER_BYTES + 4] = 0xf0;
    assert.equal(new RecordReader(record).next(), -1);
    assert.equal(new KeyReader(record).next(), -1);
  });

  it('are not changed by the next ones of the same builder', () => {
    const builder = new RecordBuilder();
    const kept: Buffer[] = [];
    const copies: Buffer[] = [];
    for (let i = 1; i < 60; i++) {
      const view = publishView({ topic: 't', payload: Buffer.alloc((i * 977) % 30_000, i) });
      builder.add(view, messageLength(view), 0, 0, false);
      const record = builder.take(i, 0);
      kept.push(record);
      copies.push(Buffer.from(record));
    }
    assert.deepEqual(kept, copies);
  });

  it('answer damage with a Fault', () => {
    fc.assert(
      fc.property(
        entries.filter((list) => list.length > 0),
        fc.nat(),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        (list, cut, flips) => {
          const whole = build(list).take(1, 0);
          const record = Buffer.from(whole.subarray(0, cut % (whole.length + 1)));
          for (const [at, value] of flips)
            if (record.length > 0) record[at % record.length] = value;
          try {
            const reader = new RecordReader(record);
            while (reader.next() >= 0) {
              const { view } = reader;
              assert.ok(view.topicEnd <= view.payloadStart && view.payloadStart <= view.end);
              assert.ok(view.end <= record.length);
            }
            const keys = new KeyReader(record);
            while (keys.next() >= 0);
          } catch (fault) {
            assert.ok(fault instanceof Fault, String(fault));
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('say when they are full, and always take one message', () => {
    const builder = new RecordBuilder();
    assert.ok(builder.fits(10_000_000, 1, 16));
    const view = publishView({ topic: 't', payload: 'x' });
    const length = messageLength(view);
    builder.add(view, length, 0, 0, false);
    assert.ok(builder.fits(length, 2, RECORD_HEADER_BYTES + 2 * length));
    assert.ok(!builder.fits(length, 2, RECORD_HEADER_BYTES + 2 * length - 1));
    assert.ok(!builder.fits(length, 1, 1_000_000));
  });
});

describe('positions', () => {
  it('order messages as the log does', () => {
    const place = fc.tuple(fc.integer({ min: 1, max: 2 ** 42 }), fc.nat(RECORD_MESSAGES_MAX - 1));
    fc.assert(
      fc.property(place, place, ([s1, i1], [s2, i2]) => {
        const [a, b] = [positionOf(s1, i1), positionOf(s2, i2)];
        assert.deepEqual([sequenceOf(a), indexOf(a)], [s1, i1]);
        assert.equal(Math.sign(a - b), Math.sign(s1 - s2) || Math.sign(i1 - i2));
        assert.ok(a <= positionAfterRecord(s1) && positionAfterRecord(s1) < positionOf(s1 + 1, 0));
      }),
    );
  });
});
