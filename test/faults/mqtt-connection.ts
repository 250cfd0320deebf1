/**
 * MQTT connection — one network connection of a client of this runner, both versions.
 *
 * Bytes out by the test encoder, packets in by somebody else's strict parser, nothing hidden: DUP,
 * packet identifiers and ends of connections are seen as they come. It sends PINGREQ, and ends a
 * connection on which nothing came for its patience; it acknowledges nothing by itself.
 */
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import { parser } from 'mqtt-packet';
import type { IConnackPacket, IPublishPacket, Packet } from 'mqtt-packet';
import * as encode from '../fixtures/mqtt-client-encoder.ts';
import type { PublishFields, Version, WillFields } from '../fixtures/mqtt-client-encoder.ts';

const KEEP_ALIVE_SECONDS = 60;
const PING_MS = 2_000;
/** CONNECT without CONNACK for so long is given up. */
const CONNECT_LIMIT_MS = 5_000;
/** Longer than the longest outage that a run makes. */
export const PATIENCE_MS = 30_000;
/** The same and a take-over. */
const SUBACK_LIMIT_MS = 45_000;

const SESSION_EXPIRY = 0x11;
const WILL_DELAY = 0x18;
const RECEIVE_MAXIMUM = 0x21;

export type AckKind = 'puback' | 'pubrec' | 'pubrel' | 'pubcomp';

export interface ConnectionEvents {
  /** At CONNACK 0, before anything else that comes. */
  onOpen(connection: MqttConnection): void;
  onPublish(packet: IPublishPacket, connection: MqttConnection): void;
  onAck(kind: AckKind, packetIdentifier: number, code: number, connection: MqttConnection): void;
  /** Once, unless `destroy` or `disconnect` was called before. `reason`: of a DISCONNECT. */
  onEnd(reason: number | undefined, connection: MqttConnection): void;
}

export interface ConnectionOptions {
  readonly port: number;
  /** Name of what listens there, for the history. */
  readonly gateway?: string;
  readonly version: Version;
  readonly clientIdentifier: string;
  /** 0: a clean session. */
  readonly expirySeconds: number;
  /** Default: what `expirySeconds` says. */
  readonly cleanStart?: boolean;
  readonly receiveMaximum?: number;
  readonly will?: WillFields;
  /** Will Delay Interval, MQTT 5. */
  readonly willDelaySeconds?: number;
  /** Silence for so long ends the connection. */
  readonly patienceMs?: number;
  readonly events: ConnectionEvents;
}

export class MqttConnection {
  readonly options: ConnectionOptions;
  readonly #socket: Socket;
  #connack: IConnackPacket | undefined;
  #isOver = false;
  #heardMs = performance.now();
  #pings: NodeJS.Timeout | undefined;
  #reason: number | undefined;
  #subscribing: { resolve(codes: number[]): void; reject(cause: Error): void } | undefined;
  #onConnack: (cause?: Error) => void = () => undefined;

  /** Resolves with CONNACK 0; rejects at everything else, the connection ended. */
  static async open(options: ConnectionOptions): Promise<MqttConnection> {
    const connection = new MqttConnection(options);
    const late = setTimeout(() => connection.#fail('no CONNACK'), CONNECT_LIMIT_MS);
    try {
      await new Promise<void>((resolve, reject) => {
        connection.#onConnack = (cause) => (cause === undefined ? resolve() : reject(cause));
      });
    } finally {
      clearTimeout(late);
    }
    connection.#watch();
    return connection;
  }

  private constructor(options: ConnectionOptions) {
    this.options = options;
    this.#socket = connectTcp({ port: options.port, host: '127.0.0.1', noDelay: true });
    const packets = parser({ protocolVersion: options.version });
    packets.on('packet', (packet: Packet) => this.#take(packet));
    packets.on('error', (cause: unknown) => this.#fail(`not MQTT: ${String(cause)}`));
    this.#socket.on('data', (chunk: Buffer) => {
      if (this.#isOver) return;
      this.#heardMs = performance.now();
      packets.parse(chunk);
    });
    this.#socket.on('error', () => this.#ended());
    this.#socket.on('close', () => this.#ended());
    this.#socket.write(connectPacket(options));
  }

  get isOpen(): boolean {
    return !this.#isOver && this.#connack !== undefined;
  }

  get connack(): IConnackPacket {
    if (this.#connack === undefined) throw new Error('no CONNACK yet');
    return this.#connack;
  }

  /** Resolves with the codes of SUBACK, undefined when none comes. One at a time. */
  async subscribe(filter: string, qos: 0 | 1 | 2): Promise<number[] | undefined> {
    const { version } = this.options;
    this.#write(encode.subscribe(version, [[filter, qos]], { packetIdentifier: 65_535 }));
    const answer = new Promise<number[]>((resolve, reject) => {
      this.#subscribing = { resolve, reject };
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), SUBACK_LIMIT_MS);
    });
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  publish(fields: PublishFields): void {
    this.#write(encode.publish(this.options.version, fields));
  }

  ack(kind: AckKind, packetIdentifier: number): void {
    this.#write(encode.ack(kind, packetIdentifier));
  }

  /** Reads nothing until `resume`, so that the broker's buffers fill. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#heardMs = performance.now();
    this.#socket.resume();
  }

  /** Orderly end; `reason` 0x04 asks for the will. */
  disconnect(reason = 0): void {
    if (this.#isOver) return;
    this.#stop();
    const code = Buffer.from([reason, 0]);
    this.#socket.end(reason === 0 ? encode.disconnect() : encode.disconnect(code));
    this.#socket.resume();
  }

  /** Ends the connection without a word; nothing more is told. */
  destroy(): void {
    this.#stop();
    this.#socket.destroy();
  }

  #write(bytes: Buffer): void {
    if (!this.#isOver) this.#socket.write(bytes);
  }

  #watch(): void {
    if (this.#isOver) return;
    const patienceMs = this.options.patienceMs ?? PATIENCE_MS;
    this.#pings = setInterval(() => {
      const isDeaf = this.#socket.isPaused();
      if (!isDeaf && performance.now() - this.#heardMs > patienceMs) this.#ended();
      else this.#write(encode.PINGREQ);
    }, PING_MS);
  }

  #take(packet: Packet): void {
    if (this.#isOver) return;
    const { events } = this.options;
    if (packet.cmd === 'publish') events.onPublish(packet, this);
    else if (packet.cmd === 'connack') this.#takeConnack(packet);
    else if (packet.cmd === 'disconnect') this.#reason = packet.reasonCode ?? 0;
    else if (packet.cmd === 'suback') {
      // Typed loosely by the parser; SUBACK's are numbers.
      this.#subscribing?.resolve(packet.granted as number[]);
      this.#subscribing = undefined;
    } else if (isAck(packet)) {
      events.onAck(packet.cmd, packet.messageId ?? 0, codeOf(packet), this);
    }
  }

  #takeConnack(packet: IConnackPacket): void {
    const code = packet.reasonCode ?? packet.returnCode ?? 0;
    if (code !== 0) {
      this.#fail(`CONNACK ${code}`);
      return;
    }
    this.#connack = packet;
    this.options.events.onOpen(this);
    this.#onConnack();
  }

  #fail(text: string): void {
    this.#onConnack(new Error(text));
    this.#ended();
  }

  #ended(): void {
    if (this.#isOver) return;
    this.#stop();
    this.#socket.destroy();
    this.#onConnack(new Error('ended before CONNACK'));
    if (this.#connack !== undefined) this.options.events.onEnd(this.#reason, this);
  }

  #stop(): void {
    this.#isOver = true;
    clearInterval(this.#pings);
    this.#subscribing?.reject(new Error('ended before SUBACK'));
    this.#subscribing = undefined;
  }
}

function connectPacket(options: ConnectionOptions): Buffer {
  const { version, clientIdentifier, expirySeconds, receiveMaximum, will } = options;
  const { willDelaySeconds = 0 } = options;
  const delay =
    willDelaySeconds === 0 ? [] : [encode.property(WILL_DELAY, encode.u32(willDelaySeconds))];
  const list: Buffer[] = [];
  if (expirySeconds > 0) list.push(encode.property(SESSION_EXPIRY, encode.u32(expirySeconds)));
  if (receiveMaximum !== undefined) {
    list.push(encode.property(RECEIVE_MAXIMUM, encode.u16(receiveMaximum)));
  }
  return encode.connect(version, {
    clientIdentifier,
    cleanStart: options.cleanStart ?? expirySeconds === 0,
    keepAliveSeconds: KEEP_ALIVE_SECONDS,
    properties: encode.properties(...list),
    ...(will === undefined ? {} : { will: { ...will, properties: encode.properties(...delay) } }),
  });
}

function isAck(packet: Packet): packet is Extract<Packet, { cmd: AckKind }> {
  return ['puback', 'pubrec', 'pubrel', 'pubcomp'].includes(packet.cmd);
}

/** 3.1.1 acknowledges without a code. */
function codeOf(packet: object): number {
  return 'reasonCode' in packet && typeof packet.reasonCode === 'number' ? packet.reasonCode : 0;
}
