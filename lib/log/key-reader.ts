/**
 * Key reader — walks the entries of a record that carry an exactly-once key, messages and releases,
 * without looking into the messages. Damaged bytes are `Fault` WEIR_WIRE.
 */
import { Fault } from '#base';
import { KEY_BYTES } from './exactly-once-key.ts';
import {
  FLAG_KEYED,
  KIND_MASK,
  KIND_RELEASE,
  MESSAGE_PREFIX_BYTES,
  RECORD_HEADER_BYTES,
} from './record-layout.ts';
import { entryEnd, recordCount } from './record-reader.ts';

export class KeyReader {
  /** Of the entry that `next` stood on. */
  generation = 0;
  epoch = 0;
  packetIdentifier = 0;
  isRelease = false;
  readonly #record: Buffer;
  readonly #count: number;
  #index = -1;
  #at = RECORD_HEADER_BYTES;

  constructor(record: Buffer) {
    this.#record = record;
    this.#count = recordCount(record);
  }

  /** Goes to the next entry with a key; returns its index in the record, or -1 at the end. */
  next(): number {
    const record = this.#record;
    while (this.#index + 1 < this.#count) {
      this.#index++;
      const start = this.#at;
      this.#at = entryEnd(record, start);
      const flags = record[start + 4] as number;
      const kind = flags & KIND_MASK;
      if ((flags & FLAG_KEYED) === 0 || kind > KIND_RELEASE) continue;
      const at = start + MESSAGE_PREFIX_BYTES;
      if (at + KEY_BYTES > this.#at) throw new Fault('WEIR_WIRE', 'entry ends within its key');
      this.generation = record.readUIntBE(at, 6);
      this.epoch = record.readUIntBE(at + 6, 6);
      this.packetIdentifier = record.readUInt16BE(at + 12);
      this.isRelease = kind === KIND_RELEASE;
      return this.#index;
    }
    return -1;
  }
}
