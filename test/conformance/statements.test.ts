/** The lists of covered statements are true, and every violation the decoder knows is provoked. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { PacketDecoder, VIOLATIONS } from '#mqtt';
import { connect } from '../fixtures/mqtt-client-encoder.ts';
import { BAD_INPUT } from './bad-input/mod.ts';
import type { BadInput } from './bad-input/row.ts';
import { STATEMENTS_OF_BAD_INPUT, STATEMENTS_OF_GOOD_PACKETS } from './statements.ts';

const ROWS = Object.values(BAD_INPUT).flat();
const UNIT_TESTS = join(import.meta.dirname, '../unit/mqtt');

for (const version of [4, 5] as const) {
  test(`statements of bad input, MQTT ${version}, are those of the tables`, () => {
    const inTables = ROWS.filter((row) => row.version === version).map((row) => row.clause);
    const listed = STATEMENTS_OF_BAD_INPUT[version];
    assert.deepEqual([...new Set(inTables)].sort(), [...listed].sort());
  });
}

test('statements of good packets are those that the unit tests name', async () => {
  const files = (await readdir(UNIT_TESTS)).filter((file) => file.endsWith('.test.ts')).sort();
  const named: Record<string, string[]> = {};
  for (const file of files) {
    const text = await readFile(join(UNIT_TESTS, file), 'utf8');
    const found = [...text.matchAll(/\[?'?(MQTT-\d+\.\d+\.\d+-\d+)\]?'?/g)].map((m) => m[1] ?? '');
    if (found.length > 0) named[file] = [...new Set(found)].sort();
  }
  const listed = Object.entries(STATEMENTS_OF_GOOD_PACKETS).map(([file, ids]) => [
    file,
    [...ids].sort(),
  ]);
  assert.deepEqual(named, Object.fromEntries(listed));
});

/** Statement and sentence that the decoder gives for a row. */
function verdict(row: BadInput): string {
  const decoder = new PacketDecoder({ packetBytesMax: 1 << 20, ...row.options });
  decoder.push(Buffer.concat(row.first ? [] : [connect(row.version, row.connect)]));
  decoder.next();
  decoder.push(row.bytes);
  for (let packet = decoder.next(); packet !== undefined; packet = decoder.next()) {
    if (packet.kind === 'fault') return `${packet.clause} ${packet.detail.replace(/^.*?: /, '')}`;
  }
  return 'none';
}

test('every violation in the table is provoked by some row', () => {
  const provoked = new Set(ROWS.map(verdict));
  const missing = Object.entries(VIOLATIONS)
    .filter(([, { v4, v5, says }]) => {
      return !provoked.has(`${v4} ${says}`) && !provoked.has(`${v5} ${says}`);
    })
    .map(([name]) => name);
  assert.deepEqual(missing, []);
});
