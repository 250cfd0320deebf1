/**
 * Orphan rule — every file of the product is reached from a door or a main.
 *
 * Roots: `lib/<room>/mod.ts`, `services/<service>/main.ts`. What only tests reach is not part of
 *        the
 * product and belongs to test/. The twin of the bus is meant for the simulation: an exception.
 */
import { importsOf, resolveRelative } from './imports.ts';
import type { Finding, Tree } from './tree.ts';

const ROOTS = /^lib\/[^/]+\/mod\.ts$|^services\/[^/]+\/main\.ts$/;
/** Reached by tests alone, on purpose. */
const TWIN = /^lib\/bus\/memory\//;

export function checkOrphans(tree: Tree): Finding[] {
  const product = tree.sourcePaths.filter((path) => /^(lib|services)\//.test(path));
  const reached = new Set<string>();
  const open = product.filter((path) => ROOTS.test(path));
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    for (const { specifier } of importsOf(tree, path)) {
      if (specifier.startsWith('.')) open.push(resolveRelative(path, specifier));
    }
  }
  return product
    .filter((path) => !reached.has(path) && !TWIN.test(path))
    .map((path) => ({ path, line: 0, says: 'no door and no main reaches this file' }));
}
