/**
 * Left out — what of the records above the checkpoint is never sent, also when they are read again:
 * copies of whole records, and repeats of QoS 2 messages (protocol 2, 25).
 *
 * Shape: by sequence; what is at or below the durable checkpoint is forgotten, for nobody reads it.
 */
import { RecordReader } from '#log';
import type { TailRecord } from './record-tail.ts';

/** The whole record. */
const ALL = 'all';

export class LeftOut {
  readonly #bySequence = new Map<number, readonly number[] | typeof ALL>();

  /** Records kept in mind. */
  get size(): number {
    return this.#bySequence.size;
  }

  /** The record is a copy; the oldest one that may be read again is `needed`. */
  addCopy(sequence: number, needed: number): void {
    this.#add(sequence, ALL, needed);
  }

  /** The messages at these indexes, ascending, are repeats. */
  addRepeats(sequence: number, indexes: readonly number[], needed: number): void {
    if (indexes.length > 0) this.#add(sequence, indexes, needed);
  }

  /** Walks the messages of a record that are to be sent; undefined: it is a copy. */
  read({ sequence, payload }: TailRecord): RecordReader | undefined {
    const leftOut = this.#bySequence.get(sequence);
    return leftOut === ALL ? undefined : new RecordReader(payload, leftOut);
  }

  #add(sequence: number, what: readonly number[] | typeof ALL, needed: number): void {
    for (const known of this.#bySequence.keys()) {
      if (known >= needed) break;
      this.#bySequence.delete(known);
    }
    this.#bySequence.set(sequence, what);
  }
}
