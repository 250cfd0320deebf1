/**
 * Property writer — the properties of what a server sends, except PUBLISH.
 *
 * Shape: pieces collected and joined once; these packets come per connection or per request, not
 *        per message. Absent values are skipped, so callers name all that a packet may have.
 */
import type { UserProperty } from './packet.ts';
import { USER_PROPERTY } from './property-table.ts';
import { varintLength, writeVarint } from './varint.ts';

export class PropertyWriter {
  #pieces: Buffer[] = [];
  #length = 0;

  byte(identifier: number, value: number | boolean | undefined): this {
    if (value === undefined) return this;
    return this.#add(Buffer.from([identifier, Number(value)]));
  }

  u16(identifier: number, value: number | undefined): this {
    if (value === undefined) return this;
    return this.#add(Buffer.from([identifier, value >>> 8, value & 0xff]));
  }

  u32(identifier: number, value: number | undefined): this {
    if (value === undefined) return this;
    const piece = Buffer.allocUnsafe(5);
    piece[0] = identifier;
    piece.writeUInt32BE(value, 1);
    return this.#add(piece);
  }

  text(identifier: number, value: string | undefined): this {
    return this.binary(identifier, value === undefined ? undefined : Buffer.from(value));
  }

  binary(identifier: number, value: Buffer | undefined): this {
    if (value === undefined) return this;
    return this.#add(Buffer.from([identifier])).#add(field(value));
  }

  pairs(properties: readonly UserProperty[] | undefined): this {
    for (const [name, value] of properties ?? []) {
      this.#add(Buffer.from([USER_PROPERTY]));
      this.#add(field(Buffer.from(name))).#add(field(Buffer.from(value)));
    }
    return this;
  }

  /** Length field and properties. */
  bytes(): Buffer {
    const head = Buffer.allocUnsafe(varintLength(this.#length));
    writeVarint(head, 0, this.#length);
    return Buffer.concat([head, ...this.#pieces]);
  }

  #add(piece: Buffer): this {
    this.#pieces.push(piece);
    this.#length += piece.length;
    return this;
  }
}

/** A string or binary behind its length; longer than 65,535 bytes is the caller's mistake: cut. */
function field(value: Buffer): Buffer {
  const length = Math.min(value.length, 0xffff);
  return Buffer.concat([Buffer.from([length >>> 8, length & 0xff]), value.subarray(0, length)]);
}

/** A packet from its first byte and the parts of its body. */
export function packetOf(first: number, ...parts: Buffer[]): Buffer {
  let length = 0;
  for (const part of parts) length += part.length;
  const head = Buffer.allocUnsafe(1 + varintLength(length));
  head[0] = first;
  writeVarint(head, 1, length);
  return Buffer.concat([head, ...parts]);
}
