/**
 * The state log as its users see it: a log-structured table with one writer (protocol 10–13).
 *
 * Shape: tables (numbers 1–255, fixed by each group) of string keys and byte values. The index is
 *        in memory, the bytes are in JetStream and a bounded cache.
 * Whole: what is put in one turn of the loop takes effect together, with the progress of that
 *        turn. Never put half of what a log record causes and the rest in a later turn.
 * Ends:  refused (another wrote) → `onFenced` of the options, once; afterwards nothing is called.
 */
import type { Position } from '#log';

/** How far a reader is (protocol 11, 25). */
export interface StateProgress {
  /** Everything up to here is dealt with; reading begins behind it. */
  readonly checkpoint: Position;
  /** Decisions are made up to here; ≥ checkpoint. */
  readonly decided: Position;
  /** Log sequences, above the checkpoint and up to `decided`, of records skipped; ascending. */
  readonly skippedRecords: readonly number[];
}

export interface StateTables {
  /** Sets a value (kept by reference: do not change it) and has it written soon. */
  put(table: number, key: string, value: Uint8Array): void;
  delete(table: number, key: string): void;
  /** As `put`, but waits like progress for the next record (a few times a second). */
  ride(table: number, key: string, value: Uint8Array): void;
  rideDelete(table: number, key: string): void;
  has(table: number, key: string): boolean;
  /** The newest value of a key of a resident table (StateLogOptions); do not change it. */
  peek(table: number, key: string): Uint8Array | undefined;
  /**
   * Where the value stands: who reads many does so in this order, and each record once. A number
   * that means nothing else, Infinity for what is in memory.
   */
  placeOf(table: number, key: string): number;
  /** Keys present now; do not change the table while walking. */
  keys(table: number): IterableIterator<string>;
  count(table: number): number;
  /** The newest value (also one not yet durable). Never synchronous. */
  get(table: number, key: string, onValue: (value: Buffer | undefined) => void): void;
  /** Called once everything put so far is durable; progress alone is not waited for. */
  whenDurable(onDurable: () => void): void;
  /** Writes what waits, progress included, at once; called when that is durable. */
  flush(onDurable?: () => void): void;
  /** The checkpoint of the last record acknowledged. */
  readonly durableCheckpoint: Position;
  /** How long the record under way has gone without an answer, ms; 0 = none under way. */
  readonly unansweredMs: number;
}
