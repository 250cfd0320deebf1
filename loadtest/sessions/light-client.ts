/**
 * Light client — an MQTT 5 client on a bare socket, cheap enough for tens of thousands of sessions.
 *
 * Acknowledges what it receives by itself, once per chunk of bytes; hands messages over in place.
 * Addresses: clients are spread over some source addresses of loopback, each with local ports of
 *        its own: connections that have ended keep theirs for a minute.
 * Bound: the caller keeps its window; nothing here waits for room.
 */
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import * as encode from '../../test/fixtures/mqtt-client-encoder.ts';
import { bodyLength, PacketSplitter } from './packet-splitter.ts';

const SESSION_EXPIRY = 0x11;
const RECEIVE_MAXIMUM = 0x21;
const SOURCE_ADDRESSES = 24;
/** A silence like this is a failure of the run. */
const PATIENCE_MS = 60_000;

export interface LightClientOptions {
  readonly port: number;
  readonly identifier: string;
  /** 0: a clean session. Default 3,600. */
  readonly expirySeconds?: number;
  readonly cleanStart?: boolean;
  /** Deliveries of QoS ≥ 1 that may wait for this client's acknowledgement. */
  readonly receiveMaximum?: number;
  readonly onMessage?: OnMessage;
}

/** The payload stands at [payloadStart, end) of `bytes`; borrowed for the call. */
export type OnMessage = (bytes: Buffer, payloadStart: number, end: number, first: number) => void;

let sources = 0;

export class LightClient {
  sessionPresent = false;
  /** CONNECT written to CONNACK read, ms. */
  connackMs = 0;
  /** Good acknowledgements of PUBLISHes: PUBACK or PUBCOMP. */
  acknowledged = 0;
  received = 0;
  isClosed = false;
  onMessage: OnMessage | undefined;
  onAcknowledged: (() => void) | undefined;
  /** Told once when the connection ends, with the code of a DISCONNECT. */
  onEnd: ((code: number | undefined) => void) | undefined;
  readonly identifier: string;
  readonly #socket: Socket;
  #packetIdentifier = 0;
  #sentMs = 0;
  #answers: number[] = [];
  #code: number | undefined;
  #waiting: { readonly what: number; done: (code: number) => void } | undefined;

  /** Resolves at CONNACK 0; rejects for any other, and when the connection fails. */
  static async open(options: LightClientOptions): Promise<LightClient> {
    const client = new LightClient(options);
    const code = await client.#expect(0x20, () => client.#dial(options));
    if (code !== 0) throw new Error(`${options.identifier}: CONNACK ${code}`);
    return client;
  }

  private constructor({ port, identifier, onMessage }: LightClientOptions) {
    this.identifier = identifier;
    this.onMessage = onMessage;
    const localAddress = `127.0.1.${1 + (sources++ % SOURCE_ADDRESSES)}`;
    this.#socket = connectTcp({ port, host: '127.0.0.1', localAddress, noDelay: true });
    const splitter = new PacketSplitter((...packet) => this.#take(...packet));
    this.#socket.on('data', (chunk: Buffer) => {
      splitter.take(chunk);
      this.#answer();
    });
    this.#socket.on('error', () => this.#close());
    this.#socket.on('close', () => this.#close());
  }

  async subscribe(filters: readonly string[], qos = 1): Promise<void> {
    const list = filters.map((filter) => [filter, qos] as const);
    const packetIdentifier = this.#nextIdentifier();
    const packet = encode.subscribe(5, list, { packetIdentifier });
    const code = await this.#expect(0x90, () => this.#socket.write(packet));
    if (code >= 0x80) throw new Error(`${this.identifier}: SUBACK ${code}`);
  }

  /** Bytes of whole packets, as the caller encoded them. */
  write(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  publish(topic: string, payload: Buffer, { qos = 1, retain = false } = {}): void {
    const packetIdentifier = this.#nextIdentifier();
    this.#socket.write(encode.publish(5, { topic, payload, qos, retain, packetIdentifier }));
  }

  /** DISCONNECT; resolves when the gateway has ended the connection. */
  async leave(): Promise<void> {
    if (this.isClosed) return;
    const ended = new Promise<void>((resolve) => (this.onEnd = () => resolve()));
    this.#socket.end(encode.disconnect());
    await ended;
  }

  /** Ends the connection without a word. */
  destroy(): void {
    this.onEnd = undefined;
    this.#socket.destroy();
  }

  #nextIdentifier(): number {
    this.#packetIdentifier = (this.#packetIdentifier % 0xffff) + 1;
    return this.#packetIdentifier;
  }

  #dial({ expirySeconds = 3_600, cleanStart = false, receiveMaximum }: LightClientOptions): void {
    const properties = [encode.property(SESSION_EXPIRY, encode.u32(expirySeconds))];
    if (receiveMaximum !== undefined) {
      properties.push(encode.property(RECEIVE_MAXIMUM, encode.u16(receiveMaximum)));
    }
    const packet = encode.connect(5, {
      clientIdentifier: this.identifier,
      cleanStart,
      keepAliveSeconds: 0,
      properties: encode.properties(...properties),
    });
    this.#socket.once('connect', () => {
      this.#sentMs = performance.now();
      this.#socket.write(packet);
    });
  }

  #expect(what: number, begin: () => void): Promise<number> {
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        clearTimeout(late);
        this.#waiting = undefined;
        reject(new Error(`${this.identifier}: ${why}`));
      };
      const late = setTimeout(() => {
        fail(`no packet 0x${what.toString(16)} within ${PATIENCE_MS} ms`);
        this.destroy();
      }, PATIENCE_MS);
      this.#waiting = {
        what,
        done: (code) => {
          clearTimeout(late);
          this.#waiting = undefined;
          if (code < 0) fail(`connection lost, code ${this.#code ?? 'none'}`);
          else resolve(code);
        },
      };
      begin();
    });
  }

  #close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#waiting?.done(-1);
    this.onEnd?.(this.#code);
  }

  #take(first: number, bytes: Buffer, start: number, end: number): void {
    switch (first & 0xf0) {
      case 0x30:
        return this.#takeMessage(first, bytes, start, end);
      case 0x40:
      case 0x70:
        if (end - start > 2 && (bytes[start + 2] as number) >= 0x80)
          return this.#refuse(bytes, start);
        this.acknowledged++;
        return this.onAcknowledged?.();
      case 0x50:
        this.#answers.push(0x62, 2, bytes[start] as number, bytes[start + 1] as number);
        return;
      case 0x60:
        this.#answers.push(0x70, 2, bytes[start] as number, bytes[start + 1] as number);
        return;
      case 0xe0:
        this.#code = end > start ? bytes[start] : 0;
        return;
      default:
        if (this.#waiting?.what === (first & 0xf0)) this.#takeAnswer(first, bytes, start, end);
    }
  }

  /** CONNACK and SUBACK. */
  #takeAnswer(first: number, bytes: Buffer, start: number, end: number): void {
    if ((first & 0xf0) !== 0x20) return this.#waiting?.done(bytes[end - 1] as number);
    this.connackMs = performance.now() - this.#sentMs;
    this.sessionPresent = ((bytes[start] as number) & 1) === 1;
    this.#waiting?.done(bytes[start + 1] as number);
  }

  #refuse(bytes: Buffer, start: number): void {
    this.#code = bytes[start + 2];
    this.#socket.destroy();
  }

  #takeMessage(first: number, bytes: Buffer, start: number, end: number): void {
    const qos = (first >> 1) & 3;
    let at = start + 2 + bytes.readUInt16BE(start);
    if (qos > 0) {
      const ack = qos === 1 ? 0x40 : 0x50;
      this.#answers.push(ack, 2, bytes[at] as number, bytes[at + 1] as number);
      at += 2;
    }
    const propertyBytes = bodyLength(bytes, at);
    while ((bytes[at] as number) >= 0x80) at++;
    this.received++;
    this.onMessage?.(bytes, at + 1 + propertyBytes, end, first);
  }

  #answer(): void {
    if (this.#answers.length === 0 || this.isClosed) return;
    this.#socket.write(Buffer.from(this.#answers));
    this.#answers = [];
  }
}
