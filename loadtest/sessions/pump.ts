/**
 * Pump — publishes numbered messages as fast as a window of unacknowledged ones allows.
 *
 * Shape: each turn's messages go to the socket as one buffer. Payload: the message's number, f64,
 *        then filling. Resolves when all are acknowledged; rejects when the connection ends.
 */
import type { LightClient } from './light-client.ts';

const BUFFER_BYTES = 64 * 1024;

export interface PumpOptions {
  readonly client: LightClient;
  readonly count: number;
  readonly topicOf: (index: number) => string;
  readonly payloadBytes?: number;
  /** Messages without PUBACK. Default 200. */
  readonly window?: number;
  readonly retain?: boolean;
  /** Number of the first message. */
  readonly first?: number;
}

const NUMBER_BYTES = 8;

export function pump(options: PumpOptions): Promise<void> {
  const { client, count, window = 200, first = 0 } = options;
  const writer = new PublishWriter(options);
  const from = client.acknowledged;
  let sent = 0;
  return new Promise((resolve, reject) => {
    const done = (fault?: Error): void => {
      client.onAcknowledged = undefined;
      client.onEnd = undefined;
      if (fault === undefined) resolve();
      else reject(fault);
    };
    const fill = (): void => {
      const open = sent - (client.acknowledged - from);
      // In bursts, so that a write carries many.
      if (open * 2 > window) return;
      for (const until = Math.min(count, sent + window - open); sent < until; sent++) {
        writer.add(first + sent);
      }
      writer.flush();
    };
    client.onEnd = (code) => {
      done(new Error(`${client.identifier}: ended with ${code ?? 'no'} code after ${sent} sent`));
    };
    client.onAcknowledged = () => {
      if (client.acknowledged - from === count) done();
      else fill();
    };
    fill();
  });
}

class PublishWriter {
  readonly #o: PumpOptions;
  readonly #payloadBytes: number;
  #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #end = 0;

  constructor(options: PumpOptions) {
    this.#o = options;
    this.#payloadBytes = Math.max(NUMBER_BYTES, options.payloadBytes ?? 64);
  }

  add(index: number): void {
    const { topicOf, retain = false } = this.#o;
    const topic = topicOf(index);
    // Topics of a bench are ASCII.
    const length = 2 + topic.length + 2 + 1 + this.#payloadBytes;
    if (this.#end + length + 5 > this.#buffer.length) this.flush();
    const buffer = this.#buffer;
    let at = this.#end;
    buffer[at++] = retain ? 0x33 : 0x32;
    for (let rest = length; ; rest >>>= 7) {
      buffer[at++] = rest < 0x80 ? rest : (rest & 0x7f) | 0x80;
      if (rest < 0x80) break;
    }
    at = buffer.writeUInt16BE(topic.length, at);
    at += buffer.write(topic, at, 'latin1');
    at = buffer.writeUInt16BE((index % 0xffff) + 1, at);
    buffer[at++] = 0;
    buffer.writeDoubleBE(index, at);
    buffer.fill(0x78, at + NUMBER_BYTES, at + this.#payloadBytes);
    this.#end = at + this.#payloadBytes;
  }

  flush(): void {
    if (this.#end === 0) return;
    this.#o.client.write(this.#buffer.subarray(0, this.#end));
    // The socket may keep it.
    this.#buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
    this.#end = 0;
  }
}

/** The number that a message carries. */
export function numberOf(bytes: Buffer, payloadStart: number): number {
  return bytes.readDoubleBE(payloadStart);
}
