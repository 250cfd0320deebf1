/** Records: what goes in comes out, whatever it is; damage is a Fault and nothing else. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Fault } from '#base';
import {
  indexOf,
  messageLength,
  positionAfterRecord,
  positionOf,
  RECORD_HEADER_BYTES,
  RECORD_MESSAGES_MAX,
  RecordBuilder,
  recordClosedAtMs,
  recordNumber,
  RecordReader,
  sequenceOf,
} from '#log';
import { publishView, topicTextOf } from '../../fixtures/publish-view.ts';

const message = fc.record({
  topic: fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }),
  payload: fc.uint8Array({ maxLength: 300 }),
  qos: fc.constantFrom<(0 | 1)[]>(0, 1),
  retain: fc.boolean(),
  // A user property, or none at all, or MQTT 3.1.1.
  properties: fc.option(
    fc.constantFrom(Buffer.alloc(0), Buffer.from([0x26, 0, 1, 0x61, 0, 1, 0x62])),
    { nil: undefined },
  ),
  expiresAtSeconds: fc.integer({ min: 0, max: 0xffffffff }),
  publisher: fc.integer({ min: 0, max: 0xffffffff }),
  liveElsewhere: fc.boolean(),
});

function build(messages: readonly (typeof message extends fc.Arbitrary<infer T> ? T : never)[]) {
  const builder = new RecordBuilder();
  for (const { expiresAtSeconds, publisher, liveElsewhere, properties, ...fields } of messages) {
    const view = publishView({ ...fields, ...(properties === undefined ? {} : { properties }) });
    builder.add(view, messageLength(view), expiresAtSeconds, publisher, liveElsewhere);
  }
  return builder;
}

describe('records', () => {
  it('give back any messages as they were put in', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 30 }), fc.nat(), (messages, number) => {
        const builder = build(messages);
        const bytes = builder.bytes;
        const record = builder.take(number, 1_767_225_600_123);
        assert.equal(record.length, bytes);
        assert.equal(recordNumber(record), number);
        assert.equal(recordClosedAtMs(record), 1_767_225_600_123);
        assert.equal(builder.count, 0);
        const reader = new RecordReader(record);
        for (const [index, m] of messages.entries()) {
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
        fc.array(message, { minLength: 1, maxLength: 5 }),
        fc.nat(),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        (messages, cut, flips) => {
          const whole = build(messages).take(1, 0);
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
