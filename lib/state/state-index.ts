/**
 * State index — where the newest value of each key stands, and how much of each record lives.
 *
 * Shape: per table a map key → slot; a queue of stored records, oldest first, each with the bytes
 *        of its entries that are still needed.
 * Needed: an entry is, until what replaces or deletes it is *durable*: `bury` says so. A record
 *        without needed bytes may be trimmed.
 * Cost:  one small object per key; bytes stay in JetStream.
 */

/** A record in the stream. */
export interface StoredRecord {
  readonly sequence: number;
  readonly bytes: number;
  /** Bytes of entries that are still needed. */
  liveBytes: number;
}

/** Where a value is. A new put makes a new slot; copying forward moves a slot. */
export interface Slot {
  /** Undefined until the record that carries the value is stored. */
  record: StoredRecord | undefined;
  valueStart: number;
  readonly valueBytes: number;
  readonly entryBytes: number;
  /** The bytes, while they are not yet stored; of a resident table always. */
  value: Uint8Array | undefined;
  readonly resident: boolean;
}

export class StateIndex {
  /** Bytes of all current entries. */
  liveBytes = 0;
  /** Bytes of all records in the stream. */
  totalBytes = 0;

  readonly #tables = new Map<number, Map<string, Slot>>();
  /** Oldest first; those before `#first` are trimmed or being so. */
  #records: StoredRecord[] = [];
  #first = 0;

  clear(): void {
    this.#tables.clear();
    this.#records = [];
    this.#first = 0;
    this.liveBytes = 0;
    this.totalBytes = 0;
  }

  slot(table: number, key: string): Slot | undefined {
    return this.#tables.get(table)?.get(key);
  }
  keys(table: number): IterableIterator<string> {
    return (this.#tables.get(table) ?? new Map<string, Slot>()).keys();
  }
  count(table: number): number {
    return this.#tables.get(table)?.size ?? 0;
  }
  tables(): IterableIterator<number> {
    return this.#tables.keys();
  }

  /** Returns the slot replaced, to be buried once this one is durable. */
  set(table: number, key: string, slot: Slot): Slot | undefined {
    let map = this.#tables.get(table);
    if (map === undefined) this.#tables.set(table, (map = new Map()));
    const old = map.get(key);
    if (old !== undefined) this.liveBytes -= old.entryBytes;
    map.set(key, slot);
    this.liveBytes += slot.entryBytes;
    if (slot.record !== undefined) slot.record.liveBytes += slot.entryBytes;
    return old;
  }

  /** Returns the slot removed, to be buried once the deletion is durable. */
  remove(table: number, key: string): Slot | undefined {
    const map = this.#tables.get(table);
    const old = map?.get(key);
    if (map === undefined || old === undefined) return undefined;
    this.liveBytes -= old.entryBytes;
    map.delete(key);
    return old;
  }

  /**
   * A slot's value now stands in `record`: it was stored, or copied forward. Also of one replaced
   * meanwhile: the replacement is in a later batch, until then this is what a recovery finds.
   */
  place(slot: Slot, record: StoredRecord, valueStart: number): void {
    if (slot.record !== undefined) slot.record.liveBytes -= slot.entryBytes;
    slot.record = record;
    slot.valueStart = valueStart;
    if (!slot.resident) slot.value = undefined;
    record.liveBytes += slot.entryBytes;
  }

  addRecord(sequence: number, bytes: number): StoredRecord {
    const record = { sequence, bytes, liveBytes: 0 };
    this.#records.push(record);
    this.totalBytes += bytes;
    return record;
  }

  /** The n-th oldest record still in the stream. */
  recordAt(n: number): StoredRecord | undefined {
    return this.#records[this.#first + n];
  }

  /** Everything below `sequence` is trimmed. Returns how many records that were. */
  dropBelow(sequence: number): number {
    let dropped = 0;
    for (;;) {
      const record = this.#records[this.#first];
      if (record === undefined || record.sequence >= sequence) break;
      this.totalBytes -= record.bytes;
      this.#first++;
      dropped++;
    }
    if (this.#first > 1024 && this.#first * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#first);
      this.#first = 0;
    }
    return dropped;
  }

  /** What replaced or deleted it is durable: its record need not keep it. */
  bury(slot: Slot): void {
    if (slot.record !== undefined) slot.record.liveBytes -= slot.entryBytes;
  }
}
