/** Open identifiers: a set, whose changed pages together are the whole of it. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { OpenIdentifiers } from '../../../lib/reader/open-identifiers.ts';

const identifier = fc.oneof(
  fc.integer({ min: 1, max: 4 }),
  fc.constantFrom(255, 256, 257, 511, 512, 0xff00, 0xffff),
);
const step = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.constantFrom('add', 'delete'), identifier) },
  { weight: 2, arbitrary: fc.constant(['write', 0] as const) },
  { weight: 1, arbitrary: fc.constant(['clear', 0] as const) },
);

/** As the next owner finds them. */
function restored(pages: ReadonlyMap<number, Uint8Array>): OpenIdentifiers {
  const open = new OpenIdentifiers();
  for (const [page, low] of pages) open.restore(page, low);
  return open;
}

it('open identifiers are what was added and not deleted, also after a change of owners', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const pages = new Map<number, Uint8Array>();
      const expected = new Set<number>();
      let open = new OpenIdentifiers();
      for (const [what, id] of steps) {
        if (what === 'add') {
          assert.equal(open.add(id), !expected.has(id));
          expected.add(id);
        } else if (what === 'delete') {
          open.delete(id);
          expected.delete(id);
        } else if (what === 'clear') {
          open.clear();
          expected.clear();
        } else {
          open.takeChanges((page, low) => {
            if (low === undefined) pages.delete(page);
            else pages.set(page, low);
          });
          open = restored(pages);
        }
        assert.equal(open.count, expected.size);
      }
      for (const id of expected) assert.equal(open.add(id), false);
    }),
  );
});

it('one identifier more writes one page, however many are open', () => {
  const open = new OpenIdentifiers();
  for (let id = 1; id < 0xffff; id++) open.add(id);
  let bytes = 0;
  const count = (_page: number, low: Uint8Array | undefined): void => {
    bytes += low?.length ?? 0;
  };
  open.takeChanges(count);
  assert.equal(bytes, 0xfffe);
  bytes = 0;
  open.delete(7);
  open.takeChanges(count);
  assert.equal(bytes, 254);
});
