/**
 * Skipped messages — which messages of the records above the checkpoint are repeats, as it was
 * decided once (protocol 25): up to *decided* of an earlier owner only this counts.
 *
 * Shape: by log sequence, indexes ascending; in memory, and in table 251 of the state log. Written
 *        once, with the state record that says *decided*; deleted with the one whose checkpoint is
 *        behind the record. A list in each state record would grow with what a client that sends
 *        everything again can do to it.
 */
import { type Position, positionAfterRecord } from '#log';
import type { StateTables } from '#state';

/** Table of the state log that belongs to the reader: log sequence → indexes u16. */
export const SKIPPED_TABLE = 251;

const NONE: readonly number[] = [];

export class SkippedMessages {
  readonly #state: StateTables;
  /** In log order. */
  readonly #bySequence = new Map<number, readonly number[]>();
  #unwritten: number[] = [];

  constructor(state: StateTables) {
    this.#state = state;
  }

  /** Records that have some. */
  get size(): number {
    return this.#bySequence.size;
  }

  /** Reads what an earlier owner left. */
  load(): void {
    const sequences = [...this.#state.keys(SKIPPED_TABLE)].map(Number).toSorted((a, b) => a - b);
    for (const sequence of sequences) {
      const value = this.#state.peek(SKIPPED_TABLE, String(sequence));
      if (value !== undefined) this.#bySequence.set(sequence, decodeIndexes(Buffer.from(value)));
    }
  }

  /** Of the record at `sequence`; kept by reference. */
  of(sequence: number): readonly number[] {
    return this.#bySequence.get(sequence) ?? NONE;
  }

  /** Of the next record; kept by reference. */
  add(sequence: number, indexes: readonly number[]): void {
    this.#bySequence.set(sequence, indexes);
    this.#unwritten.push(sequence);
  }

  /** Puts what changed into the state record that is being closed with this checkpoint. */
  ride(checkpoint: Position): void {
    for (const sequence of this.#bySequence.keys()) {
      if (positionAfterRecord(sequence) > checkpoint) break;
      this.#bySequence.delete(sequence);
      this.#state.rideDelete(SKIPPED_TABLE, String(sequence));
    }
    for (const sequence of this.#unwritten) {
      const indexes = this.#bySequence.get(sequence);
      if (indexes === undefined) continue;
      this.#state.ride(SKIPPED_TABLE, String(sequence), encodeIndexes(indexes));
    }
    this.#unwritten = [];
  }
}

function encodeIndexes(indexes: readonly number[]): Buffer {
  const value = Buffer.allocUnsafe(2 * indexes.length);
  let at = 0;
  for (const index of indexes) at = value.writeUInt16BE(index, at);
  return value;
}

function decodeIndexes(value: Buffer): readonly number[] {
  const indexes: number[] = [];
  for (let at = 0; at + 2 <= value.length; at += 2) indexes.push(value.readUInt16BE(at));
  return indexes;
}
