import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32, deflateRawSync } from 'node:zlib';
import { readZipEntry } from '../../../scripts/setup/zip-entry.mjs';

interface Entry {
  readonly name: string;
  readonly content: string;
  readonly method: number;
}

/** A zip as archivers write it: extra fields of different lengths in both headers, a comment. */
function makeZip(entries: readonly Entry[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, content, method } of entries) {
    const packed = method === 8 ? deflateRawSync(content) : Buffer.from(content);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    local.writeUInt16LE(4, 28);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(method, 10);
    central.writeUInt32LE(crc32(content), 16);
    central.writeUInt32LE(packed.length, 20);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt16LE(7, 30);
    central.writeUInt16LE(3, 32);
    central.writeUInt32LE(at, 42);
    const record = [local, Buffer.from(name), Buffer.alloc(4), packed];
    directory.push(central, Buffer.from(name), Buffer.alloc(10));
    parts.push(...record);
    at += Buffer.concat(record).length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(at, 16);
  end.writeUInt16LE(5, 20);
  return Buffer.concat([...parts, ...directory, end, Buffer.from('hello')]);
}

const ZIP = makeZip([
  { name: 'a/readme', content: 'first', method: 0 },
  { name: 'a/nats-server', content: 'binary'.repeat(1000), method: 8 },
  { name: 'a/odd', content: 'x', method: 12 },
]);

test('stored and deflated entries are read', () => {
  assert.equal(readZipEntry(ZIP, (name) => name === 'a/readme')?.toString(), 'first');
  const binary = readZipEntry(ZIP, (name) => name.endsWith('nats-server'));
  assert.equal(binary?.toString(), 'binary'.repeat(1000));
});

test('an absent entry, an unknown method and other bytes are told apart', () => {
  assert.equal(
    readZipEntry(ZIP, () => false),
    undefined,
  );
  assert.throws(() => readZipEntry(ZIP, (name) => name === 'a/odd'), /unknown method/);
  assert.throws(() => readZipEntry(Buffer.from('no zip at all, really'), () => true), /not a zip/);
});
