/**
 * Packet splitter — cuts what comes from a broker into packets and hands them over in place.
 *
 * Shape: version 5, the packets that a broker sends; nothing is judged, nothing copied but a packet
 *        that came in parts. Throws for a length that cannot be.
 */

/** First byte, and the packet's body at [start, end) of `bytes`; borrowed for the call. */
export type OnPacket = (first: number, bytes: Buffer, start: number, end: number) => void;

const LENGTH_BYTES_MAX = 4;

export class PacketSplitter {
  readonly #onPacket: OnPacket;
  #rest: Buffer | undefined;

  constructor(onPacket: OnPacket) {
    this.#onPacket = onPacket;
  }

  take(chunk: Buffer): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at < bytes.length) {
      const start = bodyStart(bytes, at);
      if (start === 0) break;
      const end = start + bodyLength(bytes, at + 1);
      if (end > bytes.length) break;
      this.#onPacket(bytes[at] as number, bytes, start, end);
      at = end;
    }
    this.#rest = at === bytes.length ? undefined : bytes.subarray(at);
  }
}

/** 0: the length has not come whole. */
function bodyStart(bytes: Buffer, at: number): number {
  for (let i = at + 1; i < bytes.length; i++) {
    if ((bytes[i] as number) < 0x80) return i + 1;
    if (i - at >= LENGTH_BYTES_MAX) throw new Error('a packet length of more than four bytes');
  }
  return 0;
}

/** A variable byte integer that is there whole. */
export function bodyLength(bytes: Buffer, at: number): number {
  let value = 0;
  let scale = 1;
  for (let i = at; ; i++, scale *= 0x80) {
    const byte = bytes[i] as number;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
  }
}
