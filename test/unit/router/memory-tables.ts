/**
 * State tables in memory for tests of the router — as the state log promises them: what is put in
 * one turn takes effect together with the checkpoint of that turn, and only that survives a crash.
 */
import type { Clock } from '#base';
import type { Position } from '#log';
import type { StateTables } from '#state';

type Tables = Map<number, Map<string, Buffer>>;

export interface Durable {
  readonly tables: Tables;
  readonly checkpoint: Position;
}

export const NOTHING_DURABLE: Durable = { tables: new Map(), checkpoint: 0 };

export class MemoryTables implements StateTables {
  readonly unansweredMs = 0;
  #now: Tables;
  #durable: Durable;
  #waiting: (() => void)[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock, recovered: Durable = NOTHING_DURABLE) {
    this.#clock = clock;
    this.#durable = recovered;
    this.#now = copy(recovered.tables);
  }

  get durableCheckpoint(): Position {
    return this.#durable.checkpoint;
  }
  get durable(): Durable {
    return this.#durable;
  }

  /** Writes one record: everything put so far, and the checkpoint. */
  commit(checkpoint: Position): void {
    this.#durable = { tables: copy(this.#now), checkpoint };
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const onDurable of waiting) onDurable();
  }

  put(table: number, key: string, value: Uint8Array): void {
    this.#table(table).set(key, Buffer.from(value));
  }
  delete(table: number, key: string): void {
    this.#table(table).delete(key);
  }
  ride(table: number, key: string, value: Uint8Array): void {
    this.put(table, key, value);
  }
  rideDelete(table: number, key: string): void {
    this.delete(table, key);
  }
  has(table: number, key: string): boolean {
    return this.#table(table).has(key);
  }
  keys(table: number): IterableIterator<string> {
    return this.#table(table).keys();
  }
  count(table: number): number {
    return this.#table(table).size;
  }
  get(table: number, key: string, onValue: (value: Buffer | undefined) => void): void {
    const value = this.#table(table).get(key);
    this.#clock.after(1, () => onValue(value));
  }
  whenDurable(onDurable: () => void): void {
    this.#waiting.push(onDurable);
  }
  flush(onDurable?: () => void): void {
    if (onDurable !== undefined) this.#waiting.push(onDurable);
  }

  #table(table: number): Map<string, Buffer> {
    let rows = this.#now.get(table);
    if (rows === undefined) this.#now.set(table, (rows = new Map()));
    return rows;
  }
}

function copy(tables: Tables): Tables {
  return new Map([...tables].map(([table, rows]) => [table, new Map(rows)]));
}
