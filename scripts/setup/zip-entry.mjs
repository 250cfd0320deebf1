/**
 * Zip entry — takes one file out of a zip archive (a Python wheel, a release archive).
 *
 * Grammar (APPNOTE 4.3): entries …, central directory, end record. The end record gives the place
 * of the directory, the directory the place, method and size of each entry.
 * Knows: stored (0) and deflated (8) entries; no encryption, no zip64. Anything else throws.
 */
import { inflateRawSync } from 'node:zlib';

const END_SIGNATURE = 0x06054b50;
const END_LENGTH = 22;
const DIRECTORY_SIGNATURE = 0x02014b50;
const DIRECTORY_ENTRY_LENGTH = 46;
const LOCAL_HEADER_LENGTH = 30;
/** No tool that we unpack is larger; stops a damaged length from asking for all memory. */
const ENTRY_BYTES_MAX = 256 * 1024 * 1024;

/** Content of the first entry whose name `matches`; undefined when there is none. */
export function readZipEntry(zip, matches) {
  const end = zip.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]));
  if (end < 0 || end + END_LENGTH > zip.length || zip.readUInt32LE(end) !== END_SIGNATURE) {
    throw new Error('not a zip archive');
  }
  let at = zip.readUInt32LE(end + 16);
  for (let count = zip.readUInt16LE(end + 10); count > 0; count--) {
    if (zip.readUInt32LE(at) !== DIRECTORY_SIGNATURE) throw new Error('zip directory is damaged');
    const nameLength = zip.readUInt16LE(at + 28);
    const nameAt = at + DIRECTORY_ENTRY_LENGTH;
    const name = zip.toString('utf8', nameAt, nameAt + nameLength);
    if (matches(name)) return readContent(zip, at);
    at = nameAt + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  return undefined;
}

function readContent(zip, at) {
  const method = zip.readUInt16LE(at + 10);
  const packedLength = zip.readUInt32LE(at + 20);
  const local = zip.readUInt32LE(at + 42);
  // The local header repeats name and extra field, with lengths of its own.
  const start =
    local + LOCAL_HEADER_LENGTH + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
  const packed = zip.subarray(start, start + packedLength);
  if (method === 0) return packed;
  if (method === 8) return inflateRawSync(packed, { maxOutputLength: ENTRY_BYTES_MAX });
  throw new Error(`zip entry is packed by an unknown method (${method})`);
}
