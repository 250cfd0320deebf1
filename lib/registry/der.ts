/**
 * DER — elements of ASN.1 as they stand in bytes; nothing is interpreted.
 *
 * Input: untrusted; what does not fill its bytes exactly is undefined, never a throw.
 */
export const BOOLEAN = 0x01;
export const INTEGER = 0x02;
export const BIT_STRING = 0x03;
export const OCTET_STRING = 0x04;
export const OBJECT_IDENTIFIER = 0x06;
export const UTC_TIME = 0x17;
export const GENERALIZED_TIME = 0x18;
export const SEQUENCE = 0x30;

export interface Element {
  readonly tag: number;
  readonly content: Buffer;
  /** With tag and length. */
  readonly whole: Buffer;
}

/** The elements that stand one after another in `bytes`; undefined if they do not fill it. */
export function readElements(bytes: Buffer): Element[] | undefined {
  const elements: Element[] = [];
  let at = 0;
  while (at < bytes.length) {
    const from = at;
    const tag = bytes[at];
    let length = bytes[at + 1];
    if (tag === undefined || length === undefined) return undefined;
    at += 2;
    if (length >= 0x80) {
      const lengthBytes = length - 0x80;
      if (lengthBytes < 1 || lengthBytes > 4 || at + lengthBytes > bytes.length) return undefined;
      length = bytes.readUIntBE(at, lengthBytes);
      at += lengthBytes;
    }
    if (at + length > bytes.length) return undefined;
    elements.push({
      tag,
      content: bytes.subarray(at, at + length),
      whole: bytes.subarray(from, at + length),
    });
    at += length;
  }
  return elements;
}
