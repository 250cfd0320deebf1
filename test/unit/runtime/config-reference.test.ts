import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { renderConfigReference, tableFaults } from '#runtime';
import { CONFIG_SECTIONS } from '../../../scripts/configuration.ts';

test('docs/configuration.md is current', () => {
  const path = join(import.meta.dirname, '../../../docs/configuration.md');
  const made = renderConfigReference(CONFIG_SECTIONS);
  assert.equal(readFileSync(path, 'utf8'), made, 'run: node scripts/configuration.ts');
});

test('every table is sound', () => {
  for (const { title, table } of CONFIG_SECTIONS) assert.deepEqual(tableFaults(table), [], title);
});

test('a row shows variable, range with unit, default and reason', () => {
  const text = renderConfigReference([
    {
      title: 'Test',
      says: 'For a test.',
      table: [
        {
          name: 'bytesMax',
          env: 'WEIR_T_BYTES',
          unit: 'bytes',
          type: 'integer',
          range: [1, 1_000_000],
          default: 65_536,
          reloadable: true,
          reason: 'Bound of a|b.',
        },
        {
          name: 'file',
          env: 'WEIR_T_FILE',
          unit: '',
          type: 'text',
          default: null,
          reason: 'File.',
        },
      ],
    },
  ]);
  const cells = '| `WEIR_T_BYTES` | 1 … 1,000,000 bytes | 65,536 | Bound of a\\|b. Changes';
  assert.ok(text.includes(cells), text);
  assert.ok(text.includes('| `WEIR_T_FILE` | text | **must be set** | File. |'), text);
});
