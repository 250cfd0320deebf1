/**
 * Acknowledgement ring and delivery window against plain models, over random histories.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AcknowledgementRing, DeliveryWindow } from '#session';

test('acknowledgements leave in order of the publishes, each once, whatever is decided first', () => {
  const step = fc.record({
    opens: fc.boolean(),
    identifier: fc.integer({ min: 1, max: 65_535 }),
    choice: fc.nat(),
    code: fc.constantFrom(0, 0x87, 0x97, 0xff),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const ring = new AcknowledgementRing();
      const opened: { token: number; identifier: number; code: number | undefined }[] = [];
      const left: [number, number][] = [];
      const sink = {
        acknowledge: (identifier: number, code: number) => void left.push([identifier, code]),
      };
      const decide = (choice: number, code: number): void => {
        const undecided = opened.filter((o) => o.code === undefined);
        const chosen = undecided[choice % Math.max(1, undecided.length)];
        if (chosen === undefined) return;
        chosen.code = code;
        ring.settle(chosen.token, code, sink);
      };
      for (const { opens, identifier, choice, code } of steps) {
        if (opens) opened.push({ token: ring.open(identifier), identifier, code: undefined });
        else decide(choice, code);
        const firstUndecided = opened.findIndex((o) => o.code === undefined);
        const due = firstUndecided < 0 ? opened : opened.slice(0, firstUndecided);
        assert.deepEqual(
          left,
          due.map((o) => [o.identifier, o.code]),
        );
        assert.equal(ring.openCount, opened.length - left.length);
      }
    }),
  );
});

test('a token that is not open is a fault of the caller', () => {
  const ring = new AcknowledgementRing();
  const sink = { acknowledge: () => undefined };
  assert.throws(() => ring.settle(0, 0, sink));
  const token = ring.open(1);
  ring.settle(token, 0, sink);
  assert.throws(() => ring.settle(token, 0, sink));
});

test('identifiers are unique while in use, within the limit, and all of them usable', () => {
  const step = fc.record({ takes: fc.boolean(), choice: fc.nat() });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 70 }), fc.array(step), (limit, steps) => {
      const window = new DeliveryWindow(limit);
      const inUse: number[] = [];
      for (const { takes, choice } of steps) {
        if (takes) {
          const identifier = window.take();
          assert.equal(identifier === 0, inUse.length === limit);
          if (identifier === 0) continue;
          assert.ok(identifier <= limit && !inUse.includes(identifier));
          inUse.push(identifier);
        } else if (inUse.length > 0) {
          const [identifier = 0] = inUse.splice(choice % inUse.length, 1);
          assert.equal(window.release(identifier), true);
          assert.equal(window.release(identifier), false, 'a repeated PUBACK changes nothing');
        }
        assert.equal(window.openCount, inUse.length);
      }
    }),
  );
});

test('stray acknowledgements free nothing', () => {
  const window = new DeliveryWindow(1);
  for (const stray of [0, 1, 2, 65_535]) assert.equal(window.release(stray), false);
  assert.equal(window.take(), 1);
  assert.equal(window.take(), 0);
  assert.equal(window.release(2), false);
  assert.equal(window.take(), 0);
});
