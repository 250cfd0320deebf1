/**
 * Durable watch — what the dispatchers have filed durably, read from their state logs as it is
 * written: the only view that is not ahead of the disk.
 *
 * Cost: decodes the lists of generations in this process, about 10 ns per entry. Once per list:
 *       copies that a state log makes of old entries are not counted again.
 */
import type { Bus } from '#bus';
import { StateFollower } from '#state';
import { FILED_FOR_TABLE } from '../../services/dispatcher/filed-store.ts';

/** bytes, expiry, publication: what stands before the generations (filed-store.ts). */
const LIST_HEADER_BYTES = 12;
/** The group of the dispatchers' state logs. */
const GROUP = 'dispatch';

export class DurableWatch {
  /** Entries: one message for one session. */
  entries = 0;
  readonly #followers: StateFollower[];
  readonly #seen = new Set<string>();
  #waiting: { readonly entries: number; readonly done: () => void } | undefined;

  constructor(bus: Bus, partitions: number) {
    this.#followers = Array.from({ length: partitions }, (_, partition) => {
      return new StateFollower({
        bus,
        group: GROUP,
        partition,
        onRestart: () => undefined,
        onCaughtUp: () => undefined,
        onRead: () => undefined,
        onBatch: (batch) => {
          for (const { table, key, value } of batch) {
            if (table === FILED_FOR_TABLE && value !== undefined) this.#take(partition, key, value);
          }
        },
      });
    });
  }

  /** Resolves when so many entries are durable, all in all; rejects when it takes too long. */
  async until(entries: number, limitMs: number): Promise<void> {
    if (this.entries >= entries) return;
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => {
        reject(new Error(`${this.entries} of ${entries} entries are filed after ${limitMs} ms`));
      }, limitMs);
      this.#waiting = {
        entries,
        done: () => {
          clearTimeout(late);
          resolve();
        },
      };
    });
  }

  close(): void {
    for (const follower of this.#followers) follower.close();
  }

  #take(partition: number, key: string, value: Buffer): void {
    const name = `${partition} ${key}`;
    if (this.#seen.has(name)) return;
    this.#seen.add(name);
    // A generation is a difference in groups of seven bits; its last byte has no high bit.
    for (let i = LIST_HEADER_BYTES; i < value.length; i++) {
      if ((value[i] as number) < 0x80) this.entries++;
    }
    if (this.#waiting === undefined || this.entries < this.#waiting.entries) return;
    this.#waiting.done();
    this.#waiting = undefined;
  }
}
