import type { DecodeFault, Packet } from './packet.ts';

export interface DecoderOptions {
  /** Largest packet taken, fixed header included, in bytes. */
  readonly packetBytesMax: number;
  /** The same before CONNECT; default 128 KiB or `packetBytesMax` if smaller. */
  readonly connectBytesMax?: number;
  /** What CONNACK announces; a PUBLISH above it is `qos_unsupported`. Default 2. */
  readonly maximumQoS?: 0 | 1 | 2;
  /** False: a PUBLISH of MQTT 5 with RETAIN is `retain_unsupported`. Default true. */
  readonly retainAvailable?: boolean;
  /** Aliases that a client may set; the decoder resolves them. Default 0. */
  readonly topicAliasMaximum?: number;
}

export class PacketDecoder {
  /** 0 before CONNECT. After a refused CONNECT: the version to answer in (0 = close silently). */
  protocolVersion: 0 | 4 | 5 = 0;
  constructor(_options: DecoderOptions) {}
  /** Bytes of one read; then call `next` until it returns undefined. Borrowed until then. */
  push(_chunk: Buffer): void {}
  /** The next packet, or the fault that ends the connection, or undefined: more bytes needed. */
  next(): Packet | DecodeFault | undefined {
    return undefined;
  }
}
