/**
 * Output buffers — what connections write into during a turn, shared by all of them.
 *
 * Shape: two sizes; a connection has one only between its first packet of a turn and the write.
 * Bound: OUTPUT_POOL_COUNT free ones per size; a buffer that a socket keeps is left to the
 *        collector.
 */
import {
  OUTPUT_LARGE_BYTES,
  OUTPUT_LARGE_POOL_COUNT,
  OUTPUT_SMALL_BYTES,
  OUTPUT_SMALL_POOL_COUNT,
} from './limits.ts';

const small: Buffer[] = [];
const large: Buffer[] = [];

export function takeBuffer(isLarge: boolean): Buffer {
  const free = (isLarge ? large : small).pop();
  if (free !== undefined) return free;
  return Buffer.allocUnsafeSlow(isLarge ? OUTPUT_LARGE_BYTES : OUTPUT_SMALL_BYTES);
}

/** For buffers that nobody else sees any more; those of other sizes are left to the collector. */
export function giveBuffer(buffer: Buffer): void {
  const { length } = buffer;
  if (length === OUTPUT_SMALL_BYTES) {
    if (small.length < OUTPUT_SMALL_POOL_COUNT) small.push(buffer);
  } else if (length === OUTPUT_LARGE_BYTES && large.length < OUTPUT_LARGE_POOL_COUNT) {
    large.push(buffer);
  }
}
