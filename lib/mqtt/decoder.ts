/**
 * Packet decoder — the bytes that one client sends, as packets or as the fault that ends it.
 *
 * Shape: `push` a read, then call `next` until it returns undefined. Packets are decoded out of
 *        the read buffer; only the part of a packet at its end is copied, into a buffer that
 *        grows as its bytes arrive (never from a length field alone) up to `packetBytesMax`.
 * Owner: one connection. Never throws, whatever the bytes are. An idle decoder keeps no read
 *        buffer.
 * Ends:  after a fault or a DISCONNECT everything further is ignored ([MQTT-3.14.4-1]).
 * Cost:  PUBLISH of 64 bytes about 30 ns (loadtest/codec-bench.ts).
 *
 *     packet := type u4 | flags u4 | remainingLength varint | body
 */
import { decodeAck, decodeAuth, decodeDisconnect } from './ack-decoder.ts';
import { ByteReader } from './byte-reader.ts';
import { decodeConnect, readProtocol } from './connect-decoder.ts';
import { AckPacket, type DecodeFault, type Packet, type PingreqPacket } from './packet.ts';
import { PartialPacket } from './partial-packet.ts';
import { decodePublish, publishFlagsViolation } from './publish-decoder.ts';
import { PublishView } from './publish-view.ts';
import { LENGTH_INCOMPLETE, LENGTH_MALFORMED, packetLength } from './packet-length.ts';
import { decodeSubscribe, decodeUnsubscribe } from './subscribe-decoder.ts';
import { TopicAliases } from './topic-aliases.ts';
import { decodeFault, type Violation } from './violation.ts';

/**
 * Packet size before CONNECT is read, in bytes: 4 KiB…256 MiB, default 128 KiB. Who has not named
 * itself yet gets room for a will of 64 KiB and a large token, not for a large publication.
 */
export const CONNECT_BYTES_MAX = 128 * 1024;

export interface DecoderOptions {
  /** Largest packet taken, fixed header included, in bytes. */
  readonly packetBytesMax: number;
  /** The same before CONNECT; default `CONNECT_BYTES_MAX`, never above `packetBytesMax`. */
  readonly connectBytesMax?: number;
  /** What CONNACK announces; a PUBLISH above it is `qos_unsupported`. Default 2. */
  readonly maximumQoS?: 0 | 1 | 2;
  /** False: a PUBLISH of MQTT 5 with RETAIN is `retain_unsupported`. Default true. */
  readonly retainAvailable?: boolean;
  /** Aliases that a client may set; the decoder resolves them. Default 0. */
  readonly topicAliasMaximum?: number;
}

const EMPTY = Buffer.alloc(0);
const PINGREQ: PingreqPacket = Object.freeze({ kind: 'pingreq' });

const CONNECT = 1;
const PUBLISH = 3;

/** Flags by packet type; -1 = not from a client, or not fixed. */
const FLAGS = [-1, 0, -1, -1, 0, 0, 2, 0, 2, -1, 2, -1, 0, -1, 0, 0] as const;

export class PacketDecoder {
  /** 0 before CONNECT. After a refused CONNECT: the version to answer in (0 = close silently). */
  protocolVersion: 0 | 4 | 5 = 0;

  readonly #options: DecoderOptions;
  readonly #view = new PublishView();
  readonly #ack = new AckPacket();
  readonly #reader = new ByteReader();
  readonly #partial = new PartialPacket();
  readonly #aliases: TopicAliases;
  readonly #maximumQoS: number;
  #buffer: Buffer = EMPTY;
  #at = 0;
  #end = 0;
  #bytesMax: number;
  #ended = false;
  #authenticationMethod: string | undefined = undefined;
  #sessionExpiryIsZero = true;

  constructor(options: DecoderOptions) {
    this.#options = options;
    this.#maximumQoS = options.maximumQoS ?? 2;
    this.#aliases = new TopicAliases(options.topicAliasMaximum ?? 0);
    this.#bytesMax = Math.min(options.connectBytesMax ?? CONNECT_BYTES_MAX, options.packetBytesMax);
  }

  /** Bytes taken in whose packets `next` has not returned yet. */
  get pendingBytes(): number {
    return this.#partial.length + this.#end - this.#at;
  }

  /** Bytes of one read; then call `next` until it returns undefined. Borrowed until then. */
  push(chunk: Buffer): void {
    if (this.#ended) return;
    if (this.#at < this.#end) {
      const unread = this.#buffer.subarray(this.#at, this.#end);
      this.#buffer = Buffer.concat([unread, chunk]);
    } else this.#buffer = chunk;
    this.#at = 0;
    this.#end = this.#buffer.length;
  }

  /** For who stops before `next` returned undefined: the pushed chunk is no longer borrowed. */
  keep(): void {
    this.#buffer = Buffer.from(this.#buffer.subarray(this.#at, this.#end));
    this.#at = 0;
    this.#end = this.#buffer.length;
  }

  /**
   * The next packet, or the fault that ends the connection, or undefined: more bytes are needed.
   * PUBLISH and acknowledgements are overwritten by the next call.
   */
  next(): Packet | DecodeFault | undefined {
    if (this.#partial.length > 0) return this.#nextOfPartial();
    const b = this.#buffer;
    const at = this.#at;
    const end = this.#end;
    if (end - at < 2) return this.#starve(LENGTH_INCOMPLETE);
    let length = b[at + 1] as number;
    let body = at + 2;
    if (length < 0x80) length += 2;
    else {
      length = packetLength(b, at, end);
      if (length <= 0) return this.#starve(length);
      body = afterLength(b, at);
    }
    if (length > this.#bytesMax) return this.#starve(length);
    if (at + length > end) return this.#starve(length);
    this.#at = at + length;
    return this.#decode(b, at, body, at + length);
  }

  /** The rest of the chunk is no whole packet: refuse what can be refused now, keep the rest. */
  #starve(length: number): DecodeFault | undefined {
    const at = this.#at;
    const end = this.#end;
    if (at < end) {
      const fault = this.#earlyFault(this.#buffer[at] as number, length);
      if (fault !== undefined) return fault;
      this.#partial.take(this.#buffer, at, end - at, length);
    }
    this.#release();
    return undefined;
  }

  #nextOfPartial(): Packet | DecodeFault | undefined {
    const partial = this.#partial;
    while (true) {
      const length = packetLength(partial.buffer, 0, partial.length);
      const first = partial.buffer[0] as number;
      const fault = this.#earlyFault(first, length);
      if (fault !== undefined) return fault;
      if (length > 0 && partial.length === length) {
        const whole = partial.finish();
        return this.#decode(whole, 0, afterLength(whole, 0), length);
      }
      const missing = length > 0 ? length - partial.length : 1;
      const taken = Math.min(missing, this.#end - this.#at);
      if (taken === 0) {
        this.#release();
        return undefined;
      }
      partial.take(this.#buffer, this.#at, taken, length);
      this.#at += taken;
    }
  }

  /** What can be refused before the packet is there. */
  #earlyFault(first: number, length: number): DecodeFault | undefined {
    const violation = this.#headerViolation(first);
    if (violation !== undefined) return this.#fault(violation, first);
    if (length === LENGTH_MALFORMED) return this.#fault('length_malformed', first);
    return length > this.#bytesMax ? this.#fault('packet_too_large', first) : undefined;
  }

  #headerViolation(first: number): Violation | undefined {
    const type = first >> 4;
    if (this.protocolVersion === 0) {
      if (type !== CONNECT) return 'first_packet_not_connect';
    } else if (type === CONNECT) return 'second_connect';
    if (type === PUBLISH) return publishFlagsViolation(first);
    if (type === 0 || (type === 15 && this.protocolVersion === 4)) return 'packet_type_reserved';
    const flags = FLAGS[type];
    if (flags === -1) return 'server_packet';
    return flags === (first & 15) ? undefined : flagsViolation(type);
  }

  /** A whole packet from `start`, its body `[at, end)`. */
  #decode(b: Buffer, start: number, at: number, end: number): Packet | DecodeFault {
    const version = this.protocolVersion;
    const first = b[start] as number;
    const violation = this.#headerViolation(first);
    if (violation !== undefined) return this.#fault(violation, first);
    if (version === 0) return this.#connect(b, start, at, end);
    if (version === 5 && isPadded(b, start, at)) return this.#fault('length_padded', first);
    const type = first >> 4;
    if (type === PUBLISH) {
      const refusal =
        decodePublish(this.#view, b, first, at, end, version) ?? this.#publishRefusal(version);
      return refusal === undefined ? this.#view : this.#fault(refusal, first);
    }
    if (type < 8) {
      const refusal = decodeAck(this.#ack, type, b, at, end, version, this.#reader);
      return refusal === undefined ? this.#ack : this.#fault(refusal, first);
    }
    this.#reader.reset(b, at, end);
    const packet = this.#decodeRare(type, version);
    const refusal = this.#reader.violation;
    this.#reader.release();
    if (refusal !== undefined) return this.#fault(refusal, first);
    if (packet.kind === 'disconnect') this.#stop();
    return packet;
  }

  #decodeRare(type: number, version: 4 | 5): Packet {
    const reader = this.#reader;
    switch (type) {
      case 8:
        return decodeSubscribe(reader, version);
      case 10:
        return decodeUnsubscribe(reader, version);
      case 14:
        return decodeDisconnect(reader, version, this.#sessionExpiryIsZero);
      case 15:
        return decodeAuth(reader, this.#authenticationMethod);
      default:
        if (reader.more) reader.fail('left_over');
        return PINGREQ;
    }
  }

  #connect(b: Buffer, start: number, at: number, end: number): Packet | DecodeFault {
    const reader = this.#reader;
    const first = b[start] as number;
    reader.reset(b, at, end);
    const version = readProtocol(reader);
    this.protocolVersion = version;
    if (version === 0 || reader.violation !== undefined) {
      return this.#fault(reader.violation ?? 'connect_cut', first);
    }
    if (version === 5 && isPadded(b, start, at)) return this.#fault('length_padded', first);
    const packet = decodeConnect(reader, version);
    const refusal = reader.violation;
    reader.release();
    if (refusal !== undefined) return this.#fault(refusal, first);
    this.#bytesMax = this.#options.packetBytesMax;
    this.#authenticationMethod = packet.authenticationMethod;
    this.#sessionExpiryIsZero = packet.sessionExpiryIntervalSeconds === 0;
    return packet;
  }

  #publishRefusal(version: 4 | 5): Violation | undefined {
    const view = this.#view;
    if (view.qos > this.#maximumQoS) return 'publish_qos_unsupported';
    if (view.retain && version === 5 && this.#options.retainAvailable === false) {
      return 'publish_retain_unsupported';
    }
    if (view.topicAlias === 0) return undefined;
    const refusal = this.#aliases.apply(view);
    if (refusal !== undefined) return refusal;
    // With the topic put in, what goes on must fit where a packet of the largest size does.
    const length = view.end - view.topicStart;
    return length > this.#options.packetBytesMax ? 'packet_too_large' : undefined;
  }

  #fault(violation: Violation, first: number): DecodeFault {
    this.#stop();
    return decodeFault(violation, this.protocolVersion, first >> 4);
  }

  #stop(): void {
    this.#ended = true;
    this.#at = this.#end = 0;
    this.#partial.finish();
    this.#reader.release();
    this.#release();
  }

  /** Lets go of the read buffer, so that an idle connection pins nothing. */
  #release(): void {
    this.#buffer = EMPTY;
    this.#at = 0;
    this.#end = 0;
    this.#view.buffer = EMPTY;
  }
}

/** First byte of the body of the packet at `at`, whose remaining length is complete. */
function afterLength(b: Buffer, at: number): number {
  let i = at + 1;
  while ((b[i] as number) > 0x7f) i++;
  return i + 1;
}

/** Whether the remaining length has a needless last byte; 3.1.1 clients do that and are served. */
function isPadded(b: Buffer, start: number, body: number): boolean {
  return body - start > 2 && b[body - 1] === 0;
}

function flagsViolation(type: number): Violation {
  switch (type) {
    case 6:
      return 'flags_pubrel';
    case 8:
      return 'flags_subscribe';
    case 10:
      return 'flags_unsubscribe';
    case 14:
      return 'flags_disconnect';
    case 15:
      return 'flags_auth';
    default:
      return 'flags';
  }
}
