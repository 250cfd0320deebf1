/**
 * Will appender — appends fired wills to the log, each once, whoever dies (docs/adr/0014).
 *
 * Shape: fired records in table 8 of the home's state log, number → partition and record
 *        (resident); per partition one append under way, in the order of the numbers, as writer
 *        `will-<home>`. Acknowledged: the entry goes. A successor repeats what is there; readers
 *        skip a number that is not above the writer's last.
 * Full:  a full log, an outage: repeated for ever, a few times a second; the entries wait.
 */
import type { Clock } from '#base';
import type { Bus } from '#bus';
import { logStream, logSubject, willWriter } from '#log';
import type { StateTables } from '#state';

/** Tables of the dispatchers' state logs. */
export const FIRED_TABLE = 8;
export const FIRED_NUMBER_TABLE = 9;
const NUMBER_KEY = 'number';
const RETRY_MS = 250;

export interface WillAppenderOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly state: StateTables;
  readonly home: number;
  readonly holds: () => boolean;
}

export class WillAppender {
  readonly #o: WillAppenderOptions;
  /** Per partition numbers in order; the first one is under way. */
  readonly #waiting = new Map<number, number[]>();
  #number: number;
  #closed = false;

  constructor(options: WillAppenderOptions) {
    this.#o = options;
    const { state } = options;
    const last = state.peek(FIRED_NUMBER_TABLE, NUMBER_KEY);
    this.#number = last === undefined ? 0 : bufferOf(last).readUIntBE(0, 6);
    const numbers = [...state.keys(FIRED_TABLE)].map(Number).sort((a, b) => a - b);
    for (const number of numbers) this.#queue(number);
  }

  get waiting(): number {
    let count = 0;
    for (const numbers of this.#waiting.values()) count += numbers.length;
    return count;
  }

  /** The number of the next record. */
  get nextNumber(): number {
    return this.#number + 1;
  }

  /** A record with `nextNumber`; what it was made of is deleted in the same turn. */
  fire(partition: number, record: Buffer): void {
    const { state } = this.#o;
    const number = ++this.#number;
    const value = Buffer.allocUnsafe(2 + record.length);
    value.writeUInt16BE(partition, 0);
    record.copy(value, 2);
    const last = Buffer.allocUnsafe(6);
    last.writeUIntBE(number, 0, 6);
    state.put(FIRED_TABLE, String(number), value);
    state.put(FIRED_NUMBER_TABLE, NUMBER_KEY, last);
    // Only what is decided durably may be seen by anybody.
    state.whenDurable(() => {
      if (!this.#closed) this.#queue(number);
    });
  }

  close(): void {
    this.#closed = true;
  }

  #queue(number: number): void {
    const value = this.#o.state.peek(FIRED_TABLE, String(number));
    if (value === undefined) return;
    const partition = bufferOf(value).readUInt16BE(0);
    const numbers = this.#waiting.get(partition);
    if (numbers !== undefined) {
      numbers.push(number);
      return;
    }
    this.#waiting.set(partition, [number]);
    this.#append(partition);
  }

  #append(partition: number): void {
    const { bus, clock, home, state, holds } = this.#o;
    const numbers = this.#waiting.get(partition);
    const number = numbers?.[0];
    if (numbers === undefined || number === undefined) {
      this.#waiting.delete(partition);
      return;
    }
    const later = (): void => {
      clock.after(RETRY_MS, () => {
        if (!this.#closed) this.#append(partition);
      });
    };
    const value = state.peek(FIRED_TABLE, String(number));
    if (!holds() || value === undefined) return later();
    const writer = willWriter(home);
    const request = {
      stream: logStream(partition),
      subject: logSubject(partition, writer, 0),
      payload: value.subarray(2),
      messageId: `${writer}.0:${number}`,
    };
    bus.append(request, (result) => {
      if (this.#closed) return;
      if (result.kind !== 'stored') return later();
      state.rideDelete(FIRED_TABLE, String(number));
      numbers.shift();
      this.#append(partition);
    });
  }
}

function bufferOf(value: Uint8Array): Buffer {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}
