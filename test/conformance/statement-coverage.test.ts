/** Every statement of MQTT has a test or says why none can be; docs/conformance.md lists them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { renderConformance } from '../../scripts/conformance.ts';
import { statementCoverage } from './statement-coverage.ts';
import { STATEMENTS } from './statement-list.ts';

const nameOf = ({ version, id }: { version: string; id: string }): string => `${version} ${id}`;

test('each statement has a test that names it, or a reason', () => {
  const coverage = statementCoverage();
  const missing = STATEMENTS.filter((s) => s.unobserved === undefined && !coverage.has(nameOf(s)));
  assert.deepEqual(missing.map(nameOf), []);
});

test('tests name statements that there are', () => {
  const known = new Set(STATEMENTS.map(nameOf));
  assert.equal(known.size, STATEMENTS.length, 'each is listed once');
  assert.deepEqual(
    [...statementCoverage().keys()].filter((name) => !known.has(name)),
    [],
  );
});

test('docs/conformance.md is current', () => {
  const path = join(import.meta.dirname, '../../docs/conformance.md');
  const written = readFileSync(path, 'utf8');
  assert.equal(written, renderConformance(), 'run: node scripts/conformance.ts');
});
