/** The window of one gateway: full, open again, and never stuck. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { GatewayWindow, windowBytesFor } from '../../../services/dispatcher/gateway-window.ts';

describe('GatewayWindow', () => {
  it('is full above its bytes and opens when half of them are taken', () => {
    const window = new GatewayWindow(6_400);
    for (let position = 1; position <= 64; position++) window.sent(100, position);
    assert.ok(!window.full);
    window.sent(100, 65);
    assert.ok(window.full && !window.open);
    window.taken(32);
    assert.ok(!window.full && !window.open);
    window.taken(33);
    assert.ok(window.open);
    window.restart();
    assert.ok(window.open);
  });

  it('opens once everything sent is taken, and counts what is not', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 5_000 }), { maxLength: 100 });
    fc.assert(
      fc.property(sizes, fc.nat(100), (bytes, count) => {
        const window = new GatewayWindow(10_000);
        let sum = 0;
        let under = 0;
        for (const [i, size] of bytes.entries()) {
          window.sent(size, i);
          sum += size;
          if (i > count) under += size;
        }
        assert.equal(window.full, sum > 10_000);
        window.taken(count);
        if (under > 10_000) assert.ok(window.full, 'what is under way counts');
        window.taken(bytes.length);
        // At most one mark's bytes are not covered by a mark.
        assert.ok(window.open);
      }),
    );
  });
});

describe('windowBytesFor', () => {
  it('shares what the server keeps for a slow client among the partitions', () => {
    for (let partitions = 1; partitions <= 60; partitions++) {
      assert.ok(partitions * windowBytesFor(partitions) < 64 * 1024 * 1024);
    }
    assert.deepEqual([windowBytesFor(2), windowBytesFor(99)], [8 * 1024 * 1024, 1024 * 1024]);
  });
});
