/**
 * Writer numbers — the last record number of each (incarnation, slot): a record whose number is
 * not above it is a copy that landed late (protocol 2, 25).
 *
 * Shape: a map in memory, its changes ride with the next state record, so that the numbers stored
 *        are those as of *decided*. Table 0 of the state log: writer → number, time.
 * Bound: writers silent for FORGET_MS of log time are forgotten, but those of wills, one per home.
 */
import { isLastingWriter } from '#log';
import type { StateTables } from '#state';

/** Table of the state log that belongs to the reader. */
export const WRITERS_TABLE = 0;
/** Ten minutes of log time: far longer than a copy can hang in a stalled server or gateway. */
export const FORGET_MS = 600_000;

const VALUE_BYTES = 12;

interface Writer {
  number: number;
  storedAtMs: number;
}

export class WriterNumbers {
  readonly #state: StateTables;
  readonly #writers = new Map<string, Writer>();
  readonly #changed = new Set<string>();
  #lastForgetMs = 0;

  constructor(state: StateTables) {
    this.#state = state;
  }

  get size(): number {
    return this.#writers.size;
  }

  /** Reads what an earlier owner left. */
  load(): void {
    for (const writer of this.#state.keys(WRITERS_TABLE)) {
      const value = this.#state.peek(WRITERS_TABLE, writer);
      if (value?.length !== VALUE_BYTES) continue;
      const bytes = Buffer.from(value);
      const [number, storedAtMs] = [bytes.readUIntBE(0, 6), bytes.readUIntBE(6, 6)];
      this.#writers.set(writer, { number, storedAtMs });
    }
  }

  /** Notes a record; false: a copy of an earlier one. */
  note(writer: string, number: number, storedAtMs: number): boolean {
    const known = this.#writers.get(writer);
    if (known === undefined) this.#writers.set(writer, { number, storedAtMs });
    else if (number <= known.number) return false;
    else {
      known.number = number;
      known.storedAtMs = storedAtMs;
    }
    this.#changed.add(writer);
    if (storedAtMs - this.#lastForgetMs > FORGET_MS / 10) this.#forget(storedAtMs);
    return true;
  }

  /** Puts what changed into the state record that is being closed. */
  ride(): void {
    for (const writer of this.#changed) {
      const known = this.#writers.get(writer);
      if (known === undefined) this.#state.rideDelete(WRITERS_TABLE, writer);
      else {
        const value = Buffer.allocUnsafe(VALUE_BYTES);
        value.writeUIntBE(known.number, 0, 6);
        value.writeUIntBE(known.storedAtMs, 6, 6);
        this.#state.ride(WRITERS_TABLE, writer, value);
      }
    }
    this.#changed.clear();
  }

  #forget(logTimeMs: number): void {
    this.#lastForgetMs = logTimeMs;
    for (const [writer, known] of this.#writers) {
      if (logTimeMs - known.storedAtMs <= FORGET_MS || isLastingWriter(writer)) continue;
      this.#writers.delete(writer);
      this.#changed.add(writer);
    }
  }
}
