/**
 * Connection output — the bytes for one client, collected during a turn and written at once.
 *
 * Shape: packets are encoded straight into one buffer (`reserve`, then `commit`); 64 KiB are a
 *        write of their own. The buffer comes back for reuse when the socket took everything at
 *        once, and is left to the socket otherwise.
 * Full:  the owner asks `pendingBytes` before it adds a message and drops or ends by name. While
 *        the socket takes nothing, packets are collected and no write is made until it does.
 * Ends:  `finish` writes the farewell and closes our half; `discard` throws everything away.
 */
import type { ClientSocket } from './client-socket.ts';
import type { FlushSchedule } from './flush-schedule.ts';
import type { GatewayMetrics } from './gateway-metrics.ts';
import { OUTPUT_HOLD_BYTES, OUTPUT_LARGE_BYTES, OUTPUT_SMALL_BYTES } from './limits.ts';
import { giveBuffer, takeBuffer } from './output-buffers.ts';

const NONE: Buffer = Buffer.alloc(0);

export class ConnectionOutput {
  /** Where `reserve` made room. */
  buffer = NONE;
  #length = 0;
  /** Bytes handed to the socket that it has not passed on. */
  #stalledBytes = 0;
  /** Buffers that the socket still reads from. */
  #lent: Buffer[] = [];
  #isScheduled = false;
  #isOver = false;
  readonly #socket: ClientSocket;
  readonly #schedule: FlushSchedule;
  readonly #metrics: GatewayMetrics;
  readonly #onHold: (held: boolean) => void;
  /** `drain` comes only after a full high-water mark; this after each write. */
  readonly #onWritten = (): void => {
    if (this.#stalledBytes > 0) this.#drained();
  };
  #isHolding = false;

  /** `onHold`: the client does not read, so it should not be read either. */
  constructor(
    socket: ClientSocket,
    schedule: FlushSchedule,
    metrics: GatewayMetrics,
    onHold: (held: boolean) => void,
  ) {
    this.#socket = socket;
    this.#schedule = schedule;
    this.#metrics = metrics;
    this.#onHold = onHold;
  }

  /** Collected, or handed to the socket and not yet passed on. */
  get pendingBytes(): number {
    return this.#length + this.#stalledBytes;
  }

  /** Makes room for a packet; returns where in `buffer` it begins. `commit` follows. */
  reserve(bytes: number): number {
    if (this.#length + bytes > this.buffer.length) this.#makeRoom(bytes);
    return this.#length;
  }

  /** The packet ends at `end` of `buffer`. */
  commit(end: number): void {
    this.#length = end;
    if (this.#isScheduled || this.#isOver) return;
    this.#isScheduled = true;
    this.#schedule.add(this);
  }

  /** Adds an encoded packet; it is copied. */
  append(packet: Buffer): void {
    const at = this.reserve(packet.length);
    packet.copy(this.buffer, at);
    this.commit(at + packet.length);
  }

  /** Adds an encoded packet without copying; nobody may write to it any more. */
  appendShared(packet: Buffer): void {
    if (this.#length > 0) this.#write();
    if (!this.#isOver) this.#send(packet);
  }

  /** At the end of the turn. */
  flush(): void {
    this.#isScheduled = false;
    // A socket that takes nothing gets nothing until it drains: one large write then.
    if (this.#stalledBytes === 0 && this.#length > 0 && !this.#isOver) this.#write();
  }

  /** Writes what is left and `farewell`, then closes our half of the connection. */
  finish(farewell: Buffer | undefined): void {
    if (this.#isOver) return;
    if (farewell !== undefined) this.append(farewell);
    if (this.#length > 0) this.#write();
    this.#isOver = true;
    this.#socket.end();
  }

  discard(): void {
    this.#isOver = true;
    this.#length = 0;
    this.#lent = [];
    giveBuffer(this.buffer);
    this.buffer = NONE;
  }

  #makeRoom(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= OUTPUT_LARGE_BYTES) {
      const larger = takeBuffer(needed > OUTPUT_SMALL_BYTES);
      this.buffer.copy(larger, 0, 0, this.#length);
      giveBuffer(this.buffer);
      this.buffer = larger;
      return;
    }
    if (this.#length > 0) this.#write();
    giveBuffer(this.buffer);
    this.buffer = bytes > OUTPUT_LARGE_BYTES ? Buffer.allocUnsafeSlow(bytes) : takeBuffer(true);
  }

  #write(): void {
    const { buffer } = this;
    const length = this.#length;
    this.#length = 0;
    const wasStalled = this.#stalledBytes > 0;
    if (!this.#isOver) this.#send(buffer.subarray(0, length));
    // Taken at once: the bytes are in the kernel. Otherwise the socket still reads from the buffer.
    if (!wasStalled && this.#stalledBytes === 0) giveBuffer(buffer);
    else this.#lent.push(buffer);
    this.buffer = NONE;
  }

  #send(bytes: Buffer): void {
    const socket = this.#socket;
    if (socket.destroyed) {
      this.#isOver = true;
      return;
    }
    this.#metrics.socketWrites++;
    this.#metrics.bytesSent += bytes.length;
    socket.write(bytes, this.#onWritten);
    this.#stalledBytes = socket.writableLength;
    if (this.#stalledBytes > OUTPUT_HOLD_BYTES && !this.#isHolding) {
      this.#isHolding = true;
      this.#onHold(true);
    }
  }

  #drained(): void {
    this.#stalledBytes = this.#socket.writableLength;
    if (this.#stalledBytes > 0) return;
    while (this.#lent.length > 0) giveBuffer(this.#lent.pop() ?? NONE);
    if (this.#length > 0 && !this.#isOver) this.#write();
    if (this.#isHolding && this.#stalledBytes === 0) {
      this.#isHolding = false;
      this.#onHold(false);
    }
  }
}
