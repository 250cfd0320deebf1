/**
 * Copies between buffers. `Buffer.copy` costs about 30 ns however short the range is, a plain loop
 * 1 ns per byte (loadtest/codec-bench.ts): the loop wins up to about this length.
 */
const LOOP_BYTES_MAX = 28;

/** Copies `[start, end)` of `from` to `out` at `at`; returns one past the last byte written. */
export function copyBytes(
  out: Buffer,
  at: number,
  from: Buffer,
  start: number,
  end: number,
): number {
  if (end - start > LOOP_BYTES_MAX) {
    from.copy(out, at, start, end);
    return at + end - start;
  }
  let to = at;
  for (let i = start; i < end; i++) out[to++] = from[i] as number;
  return to;
}
