/**
 * Log trimmer — the dispatchers' owner of a partition deletes what no reader group needs
 * (protocol 5).
 *
 * Rule:  up to the lowest durable checkpoint of all groups; nothing before each group of the list
 *        has a reader record; never younger than the duplicate window, told by the times at which
 *        the log's records were stored.
 * Pace:  one request every TRIM_MS at most, and only when it frees something.
 * Never: a group of the list that nobody runs keeps the log until it is full; that is said, again
 *        and again.
 */
import type { Clock, Timer } from '#base';
import type { Bus } from '#bus';
import type { LeaseView } from '#lease';
import { DUPLICATE_WINDOW_MS, logStream, sequenceOf } from '#log';

/** Between two trims, ms. A trim costs the server a sync. */
export const TRIM_MS = 5_000;
/** A group without a record is told after so long, and again after each such span, ms. */
export const UNREGISTERED_MS = 300_000;
/** Times noted per window: a trim lies at most a sixteenth of the window behind. */
const SAMPLE_MS = DUPLICATE_WINDOW_MS / 16;

export interface LogTrimmerOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly leases: LeaseView;
  readonly partition: number;
  readonly groups: readonly string[];
  /** The log's own time now; 0: unknown. */
  readonly logTimeMs: () => number;
  /** The log is kept because this group never had an owner of the partition. */
  readonly onUnregistered: (group: string) => void;
}

export class LogTrimmer {
  /** Everything below is deleted. */
  trimmedBelow = 0;

  readonly #o: LogTrimmerOptions;
  /** (sequence, storedAtMs) in log order, one per SAMPLE_MS. */
  #samples: { sequence: number; storedAtMs: number }[] = [];
  #oldEnough = 0;
  #registeredAtMs: number;
  #timer: Timer | undefined;
  #busy = false;
  #closed = false;

  constructor(options: LogTrimmerOptions) {
    this.#o = options;
    this.#registeredAtMs = options.clock.nowMs();
    this.#plan();
  }

  /** A record was read. */
  note(sequence: number, storedAtMs: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && storedAtMs - last.storedAtMs < SAMPLE_MS) return;
    this.#samples.push({ sequence, storedAtMs });
  }

  /** First sequence to keep. */
  keepFrom(): number {
    const { leases, groups, partition, logTimeMs } = this.#o;
    const oldest = logTimeMs() - DUPLICATE_WINDOW_MS;
    while (this.#samples.length > 0) {
      const sample = this.#samples[0];
      if (sample === undefined || sample.storedAtMs > oldest) break;
      this.#oldEnough = sample.sequence;
      this.#samples.shift();
    }
    let keepFrom = this.#oldEnough;
    for (const group of groups) {
      const checkpoint = leases.reader(group, partition)?.content.checkpoint ?? 0;
      keepFrom = Math.min(keepFrom, sequenceOf(checkpoint));
    }
    return keepFrom;
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== undefined) this.#o.clock.cancel(this.#timer);
  }

  #plan(): void {
    this.#timer = this.#o.clock.after(TRIM_MS, () => {
      this.#plan();
      this.#lookForGroups();
      this.#trim();
    });
  }

  #lookForGroups(): void {
    const { leases, groups, partition, clock, onUnregistered } = this.#o;
    const nowMs = clock.nowMs();
    const missing = groups.find((group) => leases.reader(group, partition) === undefined);
    if (missing === undefined) this.#registeredAtMs = nowMs;
    else if (nowMs - this.#registeredAtMs >= UNREGISTERED_MS) {
      this.#registeredAtMs = nowMs;
      onUnregistered(missing);
    }
  }

  #trim(): void {
    const keepFrom = this.keepFrom();
    if (this.#busy || keepFrom <= this.trimmedBelow || keepFrom <= 1) return;
    this.#busy = true;
    this.#o.bus.trim(logStream(this.#o.partition), keepFrom, (done) => {
      this.#busy = false;
      if (!this.#closed && done) this.trimmedBelow = keepFrom;
    });
  }
}
