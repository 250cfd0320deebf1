import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BodyPool } from '../../../lib/bus/nats/body-pool.ts';

describe('BodyPool', () => {
  it('lends the memory of a large body again once it was given back', () => {
    const pool = new BodyPool();
    const first = pool.take(100_000);
    assert.equal(first.length, 100_000);
    const other = pool.take(100_000);
    assert.notEqual(other.buffer, first.buffer, 'what is lent is not lent twice');
    pool.giveBack(first.subarray(10));
    const again = pool.take(90_000);
    assert.equal(again.buffer, first.buffer);
    assert.equal(again.length, 90_000);
  });

  it('ignores what was not lent, or was given back before', () => {
    const pool = new BodyPool();
    const body = pool.take(50_000);
    pool.giveBack(body);
    pool.giveBack(body);
    pool.giveBack(Buffer.alloc(50_000));
    assert.equal(pool.take(50_000).buffer, body.buffer);
    assert.notEqual(pool.take(50_000).buffer, body.buffer);
    pool.giveBack(pool.take(10));
  });

  it('does not spend a large buffer on a small body, and keeps only some', () => {
    const pool = new BodyPool();
    const large = pool.take(1_000_000);
    pool.giveBack(large);
    assert.notEqual(pool.take(20_000).buffer, large.buffer);
    const many = Array.from({ length: 40 }, () => pool.take(20_000));
    for (const body of many) pool.giveBack(body);
    const lentAgain = new Set(Array.from({ length: 40 }, () => pool.take(20_000).buffer));
    const kept = many.filter(({ buffer }) => lentAgain.has(buffer));
    assert.ok(kept.length > 0 && kept.length <= 16, `${kept.length} buffers were kept`);
  });
});
