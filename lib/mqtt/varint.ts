/** Variable Byte Integers (MQTT 5 §1.5.5): seven bits per byte, low ones first, at most 4 bytes. */

export const VARINT_MAX = 268_435_455;

export function varintLength(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  return value < 0x200000 ? 3 : 4;
}

/** Writes the shortest form at `at`; returns one past it. */
export function writeVarint(out: Buffer, at: number, value: number): number {
  let rest = value;
  let i = at;
  while (rest > 0x7f) {
    out[i++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[i] = rest;
  return i + 1;
}

/** One past a well-formed integer that stands at `at`. */
export function afterVarint(b: Buffer, at: number): number {
  let i = at;
  while (((b[i] as number) & 0x80) !== 0) i++;
  return i + 1;
}

/** Value of a well-formed integer that stands at `at`. */
export function varintAt(b: Buffer, at: number): number {
  let value = 0;
  let shift = 0;
  let i = at;
  let byte: number;
  do {
    byte = b[i++] as number;
    value |= (byte & 0x7f) << shift;
    shift += 7;
  } while (byte > 0x7f);
  return value;
}
