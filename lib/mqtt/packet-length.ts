/** Length of a packet from its fixed header (MQTT 5 §2.1.4). */

export const LENGTH_INCOMPLETE = 0;
export const LENGTH_MALFORMED = -1;

/**
 * Bytes of the whole packet at `at`, header included; `LENGTH_INCOMPLETE` when its length is not
 * there yet, `LENGTH_MALFORMED` as soon as the fourth byte of the length asks for a fifth.
 */
export function packetLength(b: Buffer, at: number, end: number): number {
  let remaining = 0;
  for (let i = 0; i < 4; i++) {
    if (at + 1 + i >= end) return LENGTH_INCOMPLETE;
    const byte = b[at + 1 + i] as number;
    remaining |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return remaining + 2 + i;
  }
  return LENGTH_MALFORMED;
}
