/**
 * State batch — what is put while a record is under way: the next record, or chain of records.
 *
 * Shape: per table a map key → operation; a later one of the same key replaces an earlier one, for
 *        a batch takes effect whole.
 */
import type { StateProgress } from './port.ts';
import type { Slot } from './state-index.ts';
import {
  entryBytes,
  KIND_COPY,
  KIND_DELETE,
  STATE_RECORD_BYTES_MAX,
  StateRecordBuilder,
} from './state-record.ts';

/** A put or copy of `slot`; without a slot: a deletion. */
export interface StateOperation {
  readonly kind: number;
  readonly slot: Slot | undefined;
  readonly value: Uint8Array | undefined;
}

/** One record of an encoded batch, and the slots it carries. */
export interface StateLink {
  readonly bytes: Buffer;
  readonly number: number;
  readonly placed: readonly PlacedEntry[];
  /** Bytes of entries that are not copies. */
  readonly newBytes: number;
}

export interface PlacedEntry {
  readonly slot: Slot;
  readonly valueStart: number;
}

export class StateBatch {
  /** Somebody waits for it: it is written as soon as nothing is under way. */
  urgent = false;
  readonly waiters: (() => void)[] = [];
  /** What this batch replaces or deletes: needed until it is durable. */
  readonly replaced: Slot[] = [];
  #count = 0;
  #bytes = 0;
  readonly #tables = new Map<number, Map<string, StateOperation>>();

  get empty(): boolean {
    return this.#count === 0;
  }

  has(table: number, key: string): boolean {
    return this.#tables.get(table)?.has(key) ?? false;
  }

  set(table: number, key: string, operation: StateOperation): void {
    let map = this.#tables.get(table);
    if (map === undefined) this.#tables.set(table, (map = new Map()));
    map.set(key, operation);
    this.#count++;
    this.#bytes += operation.slot?.entryBytes ?? entryBytes(key.length, 0);
  }

  /** The records, all but the last marked as continuing; numbers from `firstNumber` on. */
  encode(epoch: number, firstNumber: number, progress: StateProgress): StateLink[] {
    const links: StateLink[] = [];
    let part = new Part(Math.min(this.#bytes, STATE_RECORD_BYTES_MAX));
    const close = (continues: boolean): void => {
      const number = firstNumber + links.length;
      links.push(part.close({ epoch, number, continues, mark: false }, progress));
    };
    for (const [table, operations] of this.#tables) {
      for (const [key, operation] of operations) {
        const length = operation.slot?.entryBytes ?? entryBytes(Buffer.byteLength(key), 0);
        if (part.count > 0 && part.bytes + length > STATE_RECORD_BYTES_MAX) {
          close(true);
          part = new Part(STATE_RECORD_BYTES_MAX);
        }
        part.add(table, key, operation, length);
      }
    }
    close(false);
    return links;
  }
}

/** One record in the making. */
class Part {
  readonly #builder: StateRecordBuilder;
  readonly #entries: PlacedEntry[] = [];
  #newBytes = 0;

  constructor(bytesHint: number) {
    this.#builder = new StateRecordBuilder(bytesHint);
  }
  get count(): number {
    return this.#builder.count;
  }
  get bytes(): number {
    return this.#builder.bytes;
  }

  add(table: number, key: string, operation: StateOperation, length: number): void {
    const { slot, value } = operation;
    const kind = slot === undefined ? KIND_DELETE : operation.kind;
    const valueStart = this.#builder.add(table, kind, key, value);
    if (kind !== KIND_COPY) this.#newBytes += length;
    if (slot !== undefined) this.#entries.push({ slot, valueStart });
  }

  close(
    head: { epoch: number; number: number; continues: boolean; mark: boolean },
    progress: StateProgress,
  ): StateLink {
    const { bytes, entriesStart } = this.#builder.take(head, progress);
    const placed = this.#entries.map((entry) => ({
      ...entry,
      valueStart: entry.valueStart + entriesStart,
    }));
    return { bytes, number: head.number, placed, newBytes: this.#newBytes };
  }
}
