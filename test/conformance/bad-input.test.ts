/**
 * Every case of bad input, with the statement it breaks, is refused with the right reason: in one
 * write, one byte at a time, and behind good packets; and nothing is decoded behind it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PacketDecoder, type DecodeFault } from '#mqtt';
import { connect, PINGREQ } from '../fixtures/mqtt-client-encoder.ts';
import { BAD_INPUT } from './bad-input/mod.ts';
import type { BadInput } from './bad-input/row.ts';

interface Outcome {
  readonly fault: DecodeFault | undefined;
  readonly kinds: readonly string[];
  readonly decoder: PacketDecoder;
}

function decode(row: BadInput, chunks: readonly Buffer[]): Outcome {
  const decoder = new PacketDecoder({ packetBytesMax: 1 << 20, ...row.options });
  const kinds: string[] = [];
  let fault: DecodeFault | undefined;
  for (const chunk of chunks) {
    decoder.push(chunk);
    for (let p = decoder.next(); p !== undefined; p = decoder.next()) {
      assert.equal(fault, undefined, 'nothing comes behind a fault');
      if (p.kind === 'fault') fault = p;
      else kinds.push(p.kind);
    }
  }
  return { fault, kinds, decoder };
}

function check(row: BadInput, chunks: readonly Buffer[], way: string): void {
  const { fault, decoder } = decode(row, chunks);
  assert.ok(fault, `${way}: not refused`);
  assert.deepEqual(
    [fault.reason, fault.clause],
    [row.reason, row.clause],
    `${way}: ${fault.detail}`,
  );
  if (row.answer !== undefined) assert.equal(decoder.protocolVersion, row.answer);
  assert.equal(decoder.pendingBytes, 0, 'memory is given back');
}

function checkRow(row: BadInput): void {
  const before = row.first ? [] : [connect(row.version, row.connect)];
  const bytes = Buffer.concat([...before, row.bytes]);
  check(row, [Buffer.concat([bytes, PINGREQ])], 'in one write');
  check(row, [...before, row.bytes], 'in a write of its own');
  check(
    row,
    Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)),
    'byte by byte',
  );
  if (row.first) return;
  const { kinds } = decode(row, [Buffer.concat([...before, PINGREQ, row.bytes])]);
  assert.deepEqual(kinds.slice(0, 2), ['connect', 'pingreq'], 'good packets take effect');
}

for (const [table, rows] of Object.entries(BAD_INPUT)) {
  /** One test per statement and version keeps the report readable. */
  const byClause = Map.groupBy(rows, (row) => `[${row.clause}] MQTT ${row.version}`);
  for (const [title, group] of byClause) {
    test(`${title}: ${table}, ${group.length} cases are refused`, () => {
      for (const row of group) {
        try {
          checkRow(row);
        } catch (error) {
          throw new Error(`${row.name}: ${row.bytes.subarray(0, 64).toString('hex')}`, {
            cause: error,
          });
        }
      }
    });
  }
}
