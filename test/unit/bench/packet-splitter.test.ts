/** The light client's eyes: packets come out as they went in, however the bytes are cut. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { PacketSplitter } from '../../../loadtest/sessions/packet-splitter.ts';
import { packet } from '../../fixtures/mqtt-client-encoder.ts';

it('cuts a stream into packets wherever it is torn', () => {
  const one = fc.record({
    first: fc.integer({ min: 0x20, max: 0xff }),
    body: fc.uint8Array({ maxLength: 300 }),
  });
  fc.assert(
    fc.property(fc.array(one), fc.array(fc.integer({ min: 1, max: 40 })), (packets, cuts) => {
      const bytes = Buffer.concat(
        packets.map(({ first, body }) => packet(first, Buffer.from(body))),
      );
      const got: { first: number; body: Uint8Array }[] = [];
      const splitter = new PacketSplitter((first, from, start, end) => {
        got.push({ first, body: Uint8Array.from(from.subarray(start, end)) });
      });
      let at = 0;
      for (const cut of [...cuts, bytes.length]) {
        if (at < bytes.length) splitter.take(bytes.subarray(at, at + cut));
        at += cut;
      }
      assert.deepEqual(
        got,
        packets.map(({ first, body }) => ({ first, body: Uint8Array.from(body) })),
      );
    }),
  );
});
