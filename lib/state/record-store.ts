/**
 * Record store — the bytes of old state records: a bounded cache over reads by sequence.
 *
 * Bound: CACHE_BYTES_DEFAULT; the oldest go first. Reads of one record at the same time share one
 *        request. Never in the dispatch loop: answers come later, always.
 */
import type { Clock } from '#base';
import type { Bus } from '#bus';

/** Bytes of records kept per partition: what was written in the last seconds is read from here. */
export const CACHE_BYTES_DEFAULT = 16 * 1024 * 1024;
/** Wait before asking again after silence, ms. */
const RETRY_MS = 100;

type OnRecord = (record: Buffer | undefined) => void;

export class RecordStore {
  reads = 0;

  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #stream: string;
  readonly #bytesMax: number;
  readonly #records = new Map<number, Buffer>();
  readonly #asked = new Map<number, OnRecord[]>();
  #bytes = 0;
  #closed = false;

  constructor(bus: Bus, clock: Clock, stream: string, bytesMax = CACHE_BYTES_DEFAULT) {
    this.#bus = bus;
    this.#clock = clock;
    this.#stream = stream;
    this.#bytesMax = bytesMax;
  }

  add(sequence: number, record: Buffer): void {
    if (this.#records.has(sequence)) return;
    this.#records.set(sequence, record);
    this.#bytes += record.length;
    for (const [oldest, bytes] of this.#records) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#records.delete(oldest);
      this.#bytes -= bytes.length;
    }
  }

  dropBelow(sequence: number): void {
    for (const [oldest, bytes] of this.#records) {
      if (oldest >= sequence) break;
      this.#records.delete(oldest);
      this.#bytes -= bytes.length;
    }
  }

  cached(sequence: number): Buffer | undefined {
    return this.#records.get(sequence);
  }

  /** Reads from the stream; undefined: not there (any more, or not yet on the replica asked). */
  read(sequence: number, onRecord: OnRecord): void {
    const waiting = this.#asked.get(sequence);
    if (waiting !== undefined) {
      waiting.push(onRecord);
      return;
    }
    this.#asked.set(sequence, [onRecord]);
    this.#ask(sequence);
  }

  close(): void {
    this.#closed = true;
    this.#asked.clear();
    this.#records.clear();
    this.#bytes = 0;
  }

  #ask(sequence: number): void {
    this.reads++;
    this.#bus.get(this.#stream, sequence, (result) => {
      if (this.#closed) return;
      if (result.kind === 'undecided') {
        this.#clock.after(RETRY_MS, () => {
          if (!this.#closed) this.#ask(sequence);
        });
        return;
      }
      const record = result.kind === 'found' ? result.message.payload : undefined;
      const waiting = this.#asked.get(sequence) ?? [];
      this.#asked.delete(sequence);
      for (const onRecord of waiting) onRecord(record);
    });
  }
}
