/**
 * Hashes that every process must compute alike: topic → partition, session → home.
 *
 * FNV-1a over UTF-8 bytes, 32 bit, finished with a murmur mix so that low bits are usable.
 * Changing this function moves topics between partitions: it needs a new log generation.
 */
export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let h = 0x811c9dc5;
  for (let i = start; i < end; i++) h = Math.imul(h ^ (bytes[i] as number), 0x01000193);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  return h >>> 0;
}

/** As `hashBytes` over the UTF-8 form of `text`. Not for hot paths. */
export function hashText(text: string): number {
  const bytes = Buffer.from(text, 'utf8');
  return hashBytes(bytes, 0, bytes.length);
}

/** Partition of a hash. */
export function partitionOf(hash: number, partitions: number): number {
  return (hash >>> 8) % partitions;
}

/** A partition as the names of streams and subjects have it. */
export function twoDigits(partition: number): string {
  return String(partition).padStart(2, '0');
}
