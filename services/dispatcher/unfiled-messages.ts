/**
 * Unfiled messages — messages of shared subscriptions that are in memory only, in log order; they
 * hold the checkpoint (docs/adr/0013).
 *
 * Filed: what is older than FILE_AFTER_MS, and the oldest when they are more than FILE_BYTES_MAX.
 */
import type { Position } from '#log';
import type { GroupEntry } from './group-queue.ts';

/** A message that is not over after this is filed, ms. */
const FILE_AFTER_MS = 3_000;
/** Bytes of a partition's group messages in memory only. Range 64 KiB – 64 MiB. */
const FILE_BYTES_MAX = 4 * 1024 * 1024;
/** Entries taken from the head before the list is compacted. */
const COMPACT_AT = 1_024;

interface Unfiled {
  readonly entry: GroupEntry;
  /** Number of its group. */
  readonly group: number;
  readonly atMs: number;
}

export class UnfiledMessages {
  readonly #file: (group: number, entry: GroupEntry, message: Buffer) => void;
  #list: Unfiled[] = [];
  #head = 0;
  #bytes = 0;

  constructor(file: (group: number, entry: GroupEntry, message: Buffer) => void) {
    this.#file = file;
  }

  /** Everything up to here is over or filed. */
  get position(): Position {
    for (; this.#head < this.#list.length; this.#head++) {
      const { entry } = this.#list[this.#head] as Unfiled;
      if (entry.isOver || entry.isFiled) continue;
      this.#compact();
      return entry.position - 1;
    }
    this.#compact();
    return Infinity;
  }

  push(entry: GroupEntry, group: number, atMs: number): void {
    this.#list.push({ entry, group, atMs });
    this.#bytes += entry.bytes;
    if (this.#bytes > FILE_BYTES_MAX) this.#fileWhile(() => this.#bytes > FILE_BYTES_MAX / 2);
  }

  /** One that was not filed is over. */
  over({ bytes }: GroupEntry): void {
    this.#bytes -= bytes;
  }

  tick(nowMs: number): void {
    this.#fileWhile(({ atMs }) => nowMs - atMs >= FILE_AFTER_MS);
  }

  #fileWhile(isDue: (unfiled: Unfiled) => boolean): void {
    for (; this.#head < this.#list.length; this.#head++) {
      const unfiled = this.#list[this.#head] as Unfiled;
      const { entry, group } = unfiled;
      if (entry.isOver || entry.isFiled) continue;
      if (entry.message === undefined || !isDue(unfiled)) return;
      this.#file(group, entry, entry.message);
      entry.isFiled = true;
      if (entry.at === undefined) entry.message = undefined;
      this.#bytes -= entry.bytes;
    }
  }

  #compact(): void {
    const { length } = this.#list;
    if (this.#head < length && (this.#head < COMPACT_AT || this.#head * 2 < length)) return;
    this.#list = this.#list.slice(this.#head);
    this.#head = 0;
  }
}
