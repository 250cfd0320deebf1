/**
 * PROXY header — who a load balancer says the client is (PROXY protocol, versions 1 and 2).
 *
 *     v1  "PROXY" SP ("TCP4" | "TCP6") SP source SP destination SP port SP port CRLF
 *         "PROXY UNKNOWN" anything CRLF                                   at most 107 bytes
 *     v2  signature(12) version|command(1) family|transport(1) length(2) addresses, TLVs
 *
 * Pure. Wrong at the first impossible byte. TLVs are skipped: nothing here needs them, and what
 * they say about certificates is no proof of one.
 */
import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

export type ProxyHeader =
  | { readonly kind: 'unfinished' }
  | { readonly kind: 'invalid'; readonly says: string }
  | {
      readonly kind: 'complete';
      readonly length: number;
      /** Undefined: the proxy speaks for itself (a health check) or does not know. */
      readonly address: string | undefined;
    };

const UNFINISHED: ProxyHeader = { kind: 'unfinished' };
const SIGNATURE_V1 = Buffer.from('PROXY ');
const SIGNATURE_V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n');
/** The longest line that version 1 can need, as its text says. */
const V1_BYTES_MAX = 107;
const V2_FIXED_BYTES = 16;
/** Addresses and TLVs of version 2; clouds send some hundred bytes. */
const V2_BODY_BYTES_MAX = 2_048;
const COMMAND_LOCAL = 0;
const COMMAND_PROXY = 1;
/** Family in the high half, transport (1 = stream) in the low one → bytes of both addresses. */
const V2_FAMILY_BYTES: Readonly<Record<number, number>> = { 0x00: 0, 0x11: 12, 0x21: 36 };

export function readProxyHeader(bytes: Buffer): ProxyHeader {
  if (begins(bytes, SIGNATURE_V2)) {
    return bytes.length < V2_FIXED_BYTES ? UNFINISHED : readV2(bytes);
  }
  if (begins(bytes, SIGNATURE_V1)) return readV1(bytes);
  return invalid('no PROXY header');
}

/** So far as there are bytes. */
function begins(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length);
  return bytes.compare(signature, 0, length, 0, length) === 0;
}

function invalid(says: string): ProxyHeader {
  return { kind: 'invalid', says };
}

function readV1(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, V1_BYTES_MAX).indexOf('\r\n');
  if (end < 0) {
    return bytes.length < V1_BYTES_MAX ? UNFINISHED : invalid('version 1: no end of line');
  }
  const length = end + 2;
  const words = bytes.toString('latin1', 0, end).split(' ');
  const [, family, source = '', destination = '', ...ports] = words;
  if (family === 'UNKNOWN') return { kind: 'complete', length, address: undefined };
  const isRight = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : undefined;
  if (isRight === undefined) return invalid('version 1: unknown family');
  const isGood = isRight(source) && isRight(destination) && ports.length === 2;
  if (!isGood || !ports.every(isPort)) return invalid('version 1: malformed address or port');
  return { kind: 'complete', length, address: source };
}

function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

function readV2(bytes: Buffer): ProxyHeader {
  const versionAndCommand = bytes.readUInt8(12);
  const command = versionAndCommand & 0x0f;
  if (versionAndCommand >> 4 !== 2) return invalid('version 2: unknown version');
  if (command !== COMMAND_LOCAL && command !== COMMAND_PROXY) {
    return invalid('version 2: unknown command');
  }
  const bodyBytes = bytes.readUInt16BE(14);
  if (bodyBytes > V2_BODY_BYTES_MAX) return invalid(`version 2: ${bodyBytes} bytes long`);
  const length = V2_FIXED_BYTES + bodyBytes;
  const family = bytes.readUInt8(13);
  const addressBytes = V2_FAMILY_BYTES[family];
  const isLocal = command === COMMAND_LOCAL;
  if (!isLocal && addressBytes === undefined) return invalid('version 2: no TCP over IP');
  if (!isLocal && bodyBytes < (addressBytes ?? 0)) return invalid('version 2: too short');
  if (bytes.length < length) return UNFINISHED;
  if (isLocal || family === 0) return { kind: 'complete', length, address: undefined };
  const sourceBytes = family === 0x11 ? 4 : 16;
  const source = bytes.subarray(V2_FIXED_BYTES, V2_FIXED_BYTES + sourceBytes);
  return { kind: 'complete', length, address: ipaddr.fromByteArray([...source]).toString() };
}
