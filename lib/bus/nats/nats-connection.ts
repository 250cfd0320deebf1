/**
 * NATS connection — one connection to one server: dialled, used, ended; never mended.
 *
 * Shape: the socket reads into one buffer again and again, the parser copies bodies out of it, the
 *        writer collects what is sent. No allocation per read, no promise per message (ADR 0010).
 * Ends:  once, with a reason: refused, closed, no protocol, an error that the server names, `end`.
 *        Nothing is handed out afterwards; pings under way are told that no pong will come.
 * Fails: a subscriber that throws is a programming error: it is raised outside of the read, so that
 *        the messages behind it are not lost.
 */
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Clock, Timer } from '#base';
import type { NatsMessage } from './nats-message.ts';
import { NatsParser } from './nats-parser.ts';
import { NatsWriter } from './nats-writer.ts';
import type { ServerAddress } from './server-address.ts';

/** One read takes at most so much: the receive buffer of a busy loopback connection. */
const READ_BYTES = 256 * 1024;
/** Errors after which the server keeps the connection. */
const HARMLESS_ERROR = /^(permissions violation|invalid (publish )?subject)/i;

/** What TLS needs beyond the authorities that Node trusts; PEM. */
export interface NatsTls {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
}

export interface ConnectionOptions {
  readonly server: ServerAddress;
  readonly name: string;
  readonly clock: Clock;
  /** From the dial to the answer to the first ping. */
  readonly timeoutMs: number;
  readonly tls: NatsTls | undefined;
  readonly onReady: (connection: NatsConnection) => void;
  /** Called once, also for what never became ready. */
  readonly onEnd: (connection: NatsConnection, why: string) => void;
  /** A complaint of the server that leaves the connection. */
  readonly onTrouble: (text: string) => void;
}

/** What an INFO tells, as far as it is needed. */
interface ServerInfo {
  readonly max_payload?: number;
  readonly tls_required?: boolean;
  readonly tls_available?: boolean;
}

export class NatsConnection {
  /** Reads that brought something: while it grows, the server lives. */
  reads = 0;
  /** Largest payload the server takes; a reload of the server may change it. */
  payloadBytesMax = 0;

  readonly #o: ConnectionOptions;
  readonly #parser: NatsParser;
  readonly #writer: NatsWriter;
  readonly #subscriptions = new Map<number, (message: NatsMessage) => void>();
  #pings: ((answered: boolean) => void)[] = [];
  #socket: Socket;
  #nextSid = 1;
  #introduced = false;
  #ended = false;
  readonly #deadline: Timer;

  constructor(options: ConnectionOptions) {
    this.#o = options;
    this.#parser = new NatsParser({
      onMessage: (message) => this.#onMessage(message),
      onPing: () => this.#writer.pong(),
      onPong: () => this.#pings.shift()?.(true),
      onInfo: (json) => this.#onInfo(json),
      onServerError: (text) => this.#onServerError(text),
      onBroken: (why) => this.end(why),
    });
    this.#writer = new NatsWriter((chunks, onWritten) => this.#send(chunks, onWritten));
    const { host, port } = options.server;
    const callback = (bytes: number, buffer: Uint8Array): boolean => {
      this.#onRead(buffer as Buffer, bytes);
      return true;
    };
    const onread = { buffer: Buffer.allocUnsafeSlow(READ_BYTES), callback };
    this.#socket = connect({ host, port, onread, noDelay: true });
    this.#watch(this.#socket);
    this.#deadline = options.clock.after(options.timeoutMs, () => {
      this.end(`no answer from ${host}:${port} within ${options.timeoutMs} ms`);
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Bytes that the operating system has not taken yet. */
  get pendingBytes(): number {
    return this.#writer.pendingBytes;
  }

  /** `payload` is borrowed for the call. False: ended, or too much waits to be written. */
  publish(subject: string, payload: Uint8Array, reply?: string, header?: Buffer): boolean {
    return !this.#ended && this.#writer.publish(subject, payload, reply, header);
  }

  /** Returns the number to unsubscribe with. A message is valid during the callback only. */
  subscribe(subject: string, onMessage: (message: NatsMessage) => void): number {
    const sid = this.#nextSid++;
    this.#subscriptions.set(sid, onMessage);
    if (!this.#ended) this.#writer.subscribe(subject, sid);
    return sid;
  }

  /** What is still on its way is not heard any more. */
  unsubscribe(sid: number): void {
    if (this.#subscriptions.delete(sid) && !this.#ended) this.#writer.unsubscribe(sid);
  }

  /** The pong comes behind all that was sent and published before: true; false: the end came. */
  ping(onAnswer: (answered: boolean) => void): void {
    if (this.#ended) return;
    this.#pings.push(onAnswer);
    this.#writer.ping();
  }

  /** Destroys the socket: waits for nothing. May be called twice. */
  end(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#o.clock.cancel(this.#deadline);
    this.#parser.stop();
    this.#writer.end();
    this.#subscriptions.clear();
    this.#socket.destroy();
    const pings = this.#pings;
    this.#pings = [];
    for (const onAnswer of pings) onAnswer(false);
    this.#o.onEnd(this, why);
  }

  #watch(socket: Socket): void {
    socket.on('error', (error) => this.end(error.message));
    socket.on('end', () => this.end('closed by the server'));
    socket.on('close', () => this.end('connection lost'));
  }

  /** Several chunks leave as one system call. */
  #send(chunks: readonly Buffer[], onWritten: () => void): void {
    const socket = this.#socket;
    const last = chunks.length - 1;
    if (last > 0) socket.cork();
    for (let i = 0; i < last; i++) socket.write(chunks[i] as Buffer);
    socket.write(chunks[last] as Buffer, (error) => {
      if (!error) onWritten();
    });
    if (last > 0) socket.uncork();
  }

  /** The memory of a message that nobody keeps any part of. */
  giveBack(payload: Buffer): void {
    this.#parser.giveBack(payload);
  }

  #onRead(buffer: Buffer, bytes: number): void {
    this.reads++;
    this.#parser.push(buffer, bytes);
  }

  #onMessage(message: NatsMessage): void {
    const onMessage = this.#subscriptions.get(message.sid);
    if (onMessage === undefined) return;
    try {
      onMessage(message);
    } catch (thrown) {
      queueMicrotask(() => {
        throw thrown;
      });
    }
  }

  #onInfo(json: string): void {
    let info: ServerInfo;
    try {
      info = JSON.parse(json) as ServerInfo;
    } catch {
      this.end('not the NATS protocol: an INFO that is not JSON');
      return;
    }
    this.payloadBytesMax = info.max_payload ?? this.payloadBytesMax;
    if (this.#introduced) return;
    this.#introduced = true;
    const offered = info.tls_required === true || info.tls_available === true;
    if (this.#o.server.tls && !offered) this.end('the server offers no TLS');
    else if (this.#o.server.tls || info.tls_required === true) this.#secure();
    else this.#introduce(false);
  }

  /** The same connection goes on under TLS; its reads come as the TLS layer makes them. */
  #secure(): void {
    const { host } = this.#o.server;
    const socket = connectTls({
      socket: this.#socket,
      host,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...this.#o.tls,
    });
    this.#socket = socket;
    this.#watch(socket);
    socket.on('secureConnect', () => this.#introduce(true));
    socket.on('data', (bytes: Buffer) => this.#onRead(bytes, bytes.length));
  }

  #introduce(secure: boolean): void {
    this.#writer.connect({
      verbose: false,
      pedantic: false,
      tls_required: secure,
      name: this.#o.name,
      lang: 'typescript',
      version: '0.1.0',
      protocol: 1,
      echo: true,
      headers: true,
      no_responders: true,
      ...this.#o.server.credentials,
    });
    this.ping((answered) => {
      if (!answered) return;
      this.#o.clock.cancel(this.#deadline);
      this.#o.onReady(this);
    });
  }

  #onServerError(text: string): void {
    if (HARMLESS_ERROR.test(text)) this.#o.onTrouble(text);
    else this.end(text);
  }
}
