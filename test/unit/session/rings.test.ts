/**
 * Acknowledgement ring and delivery window against plain models, over random histories.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  AcknowledgementRing,
  AWAITS_PUBACK,
  AWAITS_PUBCOMP,
  DeliveryWindow,
  FREE,
  PUBACK_DUE,
  PUBREC_AGAIN_DUE,
  PUBREC_DUE,
  RESERVED,
} from '#session';
import type { AcknowledgementKind } from '#session';

test('acknowledgements leave in order of the publishes, each once, whatever is decided first', () => {
  const step = fc.record({
    opens: fc.boolean(),
    identifier: fc.integer({ min: 1, max: 65_535 }),
    choice: fc.nat(),
    code: fc.constantFrom(0, 0x87, 0x97, 0xff),
    kind: fc.constantFrom(PUBACK_DUE, PUBREC_DUE, PUBREC_AGAIN_DUE),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const ring = new AcknowledgementRing();
      const opened: {
        readonly token: number;
        readonly identifier: number;
        readonly kind: AcknowledgementKind;
        code: number | undefined;
      }[] = [];
      const left: [number, number, number][] = [];
      const sink = {
        acknowledge: (...due: [number, number, AcknowledgementKind]) => void left.push(due),
      };
      const decide = (choice: number, code: number): void => {
        const undecided = opened.filter((o) => o.code === undefined);
        const chosen = undecided[choice % Math.max(1, undecided.length)];
        if (chosen === undefined) return;
        chosen.code = code;
        ring.settle(chosen.token, code, sink);
      };
      for (const { opens, identifier, choice, code, kind } of steps) {
        const token = opens ? ring.open(identifier, kind) : 0;
        if (opens) opened.push({ token, identifier, kind, code: undefined });
        else decide(choice, code);
        const firstUndecided = opened.findIndex((o) => o.code === undefined);
        const due = firstUndecided < 0 ? opened : opened.slice(0, firstUndecided);
        assert.deepEqual(
          left,
          due.map((o) => [o.identifier, o.code, o.kind]),
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
  const token = ring.open(1, PUBACK_DUE);
  ring.settle(token, 0, sink);
  assert.throws(() => ring.settle(token, 0, sink));
});

test('identifiers are unique while in use, within the quota, and inherited ones are not taken', () => {
  const step = fc.record({
    do: fc.constantFrom('take', 'claim', 'release', 'free'),
    choice: fc.nat(),
  });
  const inherited = fc.uniqueArray(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constant(60_000)), {
    maxLength: 10,
  });
  const limits = fc.integer({ min: 1, max: 70 });
  fc.assert(
    fc.property(limits, inherited, fc.array(step, { maxLength: 300 }), (limit, reserved, steps) => {
      const window = new DeliveryWindow(limit);
      const waiting = [...reserved];
      const inUse: number[] = [];
      for (const identifier of waiting) window.reserve(identifier, RESERVED);
      const pick = (from: number[], choice: number): number =>
        from.splice(choice % Math.max(1, from.length), 1)[0] ?? 0;
      for (const { do: what, choice } of steps) {
        if (what === 'take') {
          const identifier = window.take(AWAITS_PUBACK);
          assert.equal(identifier === 0, inUse.length >= limit);
          if (identifier === 0) continue;
          assert.ok(!inUse.includes(identifier) && !waiting.includes(identifier));
          assert.ok(identifier <= 2 * Math.max(16, limit + reserved.length), 'no more than needed');
          inUse.push(identifier);
        } else if (what === 'claim') {
          const identifier = waiting[0] ?? 0;
          if (identifier === 0) continue;
          const isClaimed = window.claim(identifier, AWAITS_PUBACK);
          assert.equal(isClaimed, inUse.length < limit);
          if (isClaimed) inUse.push(waiting.shift() ?? 0);
        } else {
          const identifier = pick(what === 'free' ? waiting : inUse, choice);
          if (identifier === 0) continue;
          window.release(identifier);
          assert.equal(window.stateOf(identifier), FREE);
          assert.throws(() => window.release(identifier), 'never freed twice');
        }
        assert.equal(window.openCount, inUse.length);
      }
    }),
  );
});

test('PUBRELs of an earlier connection count against the quota, and are never too many', () => {
  const window = new DeliveryWindow(2);
  for (const identifier of [1, 2, 3]) window.reserve(identifier, AWAITS_PUBCOMP);
  window.reserve(4, RESERVED);
  assert.equal(window.take(AWAITS_PUBACK), 0);
  assert.equal(window.claim(4, AWAITS_PUBACK), false);
  window.closeReserved(4);
  for (const identifier of [1, 2, 3]) window.release(identifier);
  assert.equal(window.openCount, 1);
  assert.ok(window.take(AWAITS_PUBACK) > 0);
});

test('an identifier that is not reserved cannot be claimed', () => {
  const window = new DeliveryWindow(1);
  const identifier = window.take(AWAITS_PUBACK);
  for (const wrong of [identifier, identifier + 1, 65_535]) {
    assert.throws(() => window.claim(wrong, AWAITS_PUBACK));
  }
  assert.equal(window.take(AWAITS_PUBACK), 0);
});
