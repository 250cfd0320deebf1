import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RecordTail } from '../../../services/dispatcher/record-tail.ts';

describe('RecordTail', () => {
  it('keeps the newest records whole, in order, within its bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 200 }), (lengths) => {
        const tail = new RecordTail(100);
        let sequence = 0;
        for (const length of lengths) {
          sequence += 1 + (length % 3);
          const payload = Buffer.alloc(length, sequence % 251);
          tail.add({ sequence, payload, incarnation: `g${sequence}` });
          assert.ok(tail.bytes <= 100);
          let bytes = 0;
          let last = 0;
          for (let record = tail.from(0); record; record = tail.from(record.sequence + 1)) {
            assert.ok(record.sequence > last);
            assert.equal(record.incarnation, `g${record.sequence}`);
            assert.ok(record.payload.every((byte) => byte === record.sequence % 251));
            bytes += record.payload.length;
            last = record.sequence;
          }
          assert.equal(bytes, tail.bytes);
          assert.equal(last, sequence, 'the newest record is always there');
          assert.equal(tail.from(0)?.sequence, tail.firstSequence);
        }
      }),
    );
  });

  it('says what it does not hold', () => {
    const tail = new RecordTail(10);
    assert.equal(tail.firstSequence, Infinity);
    tail.add({ sequence: 1, payload: Buffer.alloc(4), incarnation: 'g' });
    tail.add({ sequence: 2, payload: Buffer.alloc(11), incarnation: 'g' });
    assert.equal(tail.firstSequence, Infinity, 'a record larger than the ring empties it');
    assert.equal(tail.from(0), undefined);
  });
});
