import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Fault } from '#base';
import { COMMON_SETTINGS, loadConfig, parseSetting, tableFaults } from '#runtime';
import type { SettingTable } from '#runtime';

const TABLE = [
  {
    name: 'batchMessages',
    env: 'WEIR_TEST_BATCH',
    unit: 'messages',
    type: 'integer',
    range: [1, 500],
    default: 64,
    reason: 'Messages of one batch.',
  },
  {
    name: 'ratio',
    env: 'WEIR_TEST_RATIO',
    unit: '',
    type: 'number',
    range: [0, 1],
    default: undefined,
    reason: 'A share.',
  },
  {
    name: 'certificateFile',
    env: 'WEIR_TEST_CERT',
    unit: '',
    type: 'text',
    default: null,
    reason: 'Must be given.',
  },
  {
    name: 'verbose',
    env: 'WEIR_TEST_VERBOSE',
    unit: '',
    type: 'flag',
    default: false,
    reason: 'Speaks more.',
  },
  {
    name: 'mode',
    env: 'WEIR_TEST_MODE',
    unit: '',
    type: 'choice',
    range: ['calm', 'busy'],
    default: 'calm',
    reason: 'One of two.',
  },
] as const satisfies SettingTable;

test('absent and empty variables take the default', () => {
  const config = loadConfig(TABLE, { WEIR_TEST_CERT: 'a.pem', WEIR_TEST_BATCH: '  ' });
  assert.deepEqual(
    { ...config },
    {
      batchMessages: 64,
      ratio: undefined,
      certificateFile: 'a.pem',
      verbose: false,
      mode: 'calm',
    },
  );
  assert.ok(Object.isFrozen(config));
});

test('values are read by type, with space around them ignored', () => {
  const config = loadConfig(TABLE, {
    WEIR_TEST_BATCH: ' 500 ',
    WEIR_TEST_RATIO: '0.25',
    WEIR_TEST_CERT: 'b.pem',
    WEIR_TEST_VERBOSE: 'Yes',
    WEIR_TEST_MODE: 'busy',
  });
  assert.equal(config.batchMessages, 500);
  assert.equal(config.ratio, 0.25);
  assert.equal(config.verbose, true);
  assert.equal(config.mode, 'busy');
});

test('all faults are reported together, each with what to change', () => {
  const env = { WEIR_TEST_BATCH: '501', WEIR_TEST_RATIO: 'half', WEIR_TEST_MODE: 'slow' };
  assert.throws(
    () => loadConfig(TABLE, env),
    (cause: unknown) => {
      assert.ok(cause instanceof Fault);
      assert.equal(cause.code, 'WEIR_CONFIG');
      assert.match(cause.message, /WEIR_TEST_BATCH is "501".*whole number from 1 to 500/);
      assert.match(cause.message, /WEIR_TEST_RATIO is "half".*number from 0 to 1/);
      assert.match(cause.message, /WEIR_TEST_CERT is not set/);
      assert.match(cause.message, /WEIR_TEST_MODE is "slow".*one of calm, busy/);
      return true;
    },
  );
});

test('a text must match its pattern as a whole', () => {
  const row = COMMON_SETTINGS.find(({ name }) => name === 'instance');
  assert.ok(row !== undefined);
  assert.ok(parseSetting(row, 'gateway-1').ok);
  assert.ok(!parseSetting(row, 'gateway 1').ok);
  assert.ok(!parseSetting(row, 'x'.repeat(65)).ok);
});

test('an integer is taken exactly when it is one within its range', () => {
  const [row] = TABLE;
  fc.assert(
    fc.property(fc.oneof(fc.integer(), fc.double(), fc.integer({ min: -2, max: 502 })), (n) => {
      const expected = Number.isInteger(n) && n >= 1 && n <= 500;
      assert.equal(parseSetting(row, String(n)).ok, expected);
    }),
  );
  for (const text of ['0x10', '1e2', '--1', '1.', '١']) assert.ok(!parseSetting(row, text).ok);
});

test('the common table is sound, and a planted fault of each kind is found', () => {
  assert.deepEqual(tableFaults(COMMON_SETTINGS), []);
  const [batch, ratio] = TABLE;
  const faults = tableFaults([
    { ...batch, default: 0 },
    { ...ratio, env: 'WEIR_TEST_BATCH', reason: 'no sentence' },
    { ...ratio, name: 'other', env: 'TEST_OTHER' },
  ]);
  assert.match(faults.join('\n'), /default 0 must be/);
  assert.match(faults.join('\n'), /WEIR_TEST_BATCH stands twice/);
  assert.match(faults.join('\n'), /reason is no sentence/);
  assert.match(faults.join('\n'), /TEST_OTHER is no name/);
});
