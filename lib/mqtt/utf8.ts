/**
 * UTF-8 — is a range of bytes a string that MQTT allows (MQTT 5 §1.5.4)?
 *
 * Refused: ill-formed sequences (overlong, cut, surrogates, above U+10FFFF) and U+0000. Control
 * characters and non-characters may be refused by a server; this one takes them. A byte order
 * mark is ordinary data ([MQTT-1.5.4-3]).
 * Cost:    about 1 ns per ASCII byte.
 */

/** What is wrong with a string. */
export type Utf8Fault = 'utf8' | 'utf8_zero';

/** Checks `[start, end)`, which lies within `b`. */
export function utf8Fault(b: Buffer, start: number, end: number): Utf8Fault | undefined {
  let i = start;
  while (i < end) {
    const byte = b[i] as number;
    if (byte === 0) return 'utf8_zero';
    if (byte < 0x80) {
      i++;
      continue;
    }
    const length = sequenceLength(b, i, end);
    if (length === 0) return 'utf8';
    i += length;
  }
  return undefined;
}

/** Length of the sequence that begins with the non-ASCII byte at `at`; 0 = ill-formed. */
export function sequenceLength(b: Buffer, at: number, end: number): number {
  const first = b[at] as number;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (at + length > end) return 0;
  const second = b[at + 1] as number;
  if (second < secondMin(first) || second > secondMax(first)) return 0;
  for (let i = 2; i < length; i++) {
    if (((b[at + i] as number) & 0xc0) !== 0x80) return 0;
  }
  return length;
}

/** Keeps overlong forms out (The Unicode Standard, table 3-7). */
function secondMin(first: number): number {
  if (first === 0xe0) return 0xa0;
  return first === 0xf0 ? 0x90 : 0x80;
}

/** Keeps surrogates and values above U+10FFFF out. */
function secondMax(first: number): number {
  if (first === 0xed) return 0x9f;
  return first === 0xf4 ? 0x8f : 0xbf;
}
