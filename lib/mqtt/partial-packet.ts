/**
 * Partial packet — the bytes of a packet whose end has not been read yet.
 *
 * Bound: grows by doubling as bytes arrive, so a length field alone reserves nothing; the decoder
 *        refuses packets over its limit before they come here. Empty again after `finish`.
 */
const EMPTY = Buffer.alloc(0);
const BYTES_START = 64;

export class PartialPacket {
  buffer: Buffer = EMPTY;
  length = 0;

  /** Appends `bytes` of `from` at `at`. `packetBytes`: the packet's length, ≤ 0 when not known. */
  take(from: Buffer, at: number, bytes: number, packetBytes: number): void {
    const needed = this.length + bytes;
    if (needed > this.buffer.length) this.#grow(needed, packetBytes);
    from.copy(this.buffer, this.length, at, at + bytes);
    this.length = needed;
  }

  /** The packet's bytes, given away. */
  finish(): Buffer {
    const whole = this.buffer;
    this.buffer = EMPTY;
    this.length = 0;
    return whole;
  }

  #grow(needed: number, packetBytes: number): void {
    const doubled = Math.max(2 * needed, BYTES_START);
    const size = packetBytes > 0 ? Math.min(doubled, packetBytes) : doubled;
    const grown = Buffer.allocUnsafe(size);
    this.buffer.copy(grown, 0, 0, this.length);
    this.buffer = grown;
  }
}
