/**
 * Gateway window — how many frame bytes may be on their way to one gateway, per partition.
 *
 * Why:   a gateway that reads slower than others publish would fill the server's buffer for it and
 *        lose its connection; past the window it gets nothing new and catches up from the tail.
 * Shape: marks of (position, bytes sent so far); what the gateway says it has taken, or reports as
 *        done, frees everything up to there.
 */
import type { Position } from '#log';

/** Bytes sent and not yet taken, at most, by one partition. */
const WINDOW_BYTES_MAX = 8 * 1024 * 1024;
/** The gateway tells every 512 KiB what it has taken: a window is twice that at least. */
const WINDOW_BYTES_MIN = 1024 * 1024;
/** All partitions together; well below the server's 64 MiB of pending bytes per client. */
const WINDOWS_BYTES = 32 * 1024 * 1024;

/** Bytes under way to one gateway from each of so many partitions. */
export function windowBytesFor(partitions: number): number {
  return Math.min(WINDOW_BYTES_MAX, Math.max(WINDOW_BYTES_MIN, WINDOWS_BYTES / partitions));
}
/** Marks of a full window. */
const MARKS = 64;

export class GatewayWindow {
  readonly #bytesMax: number;
  /** Bytes between two marks. */
  readonly #markBytes: number;
  #sent = 0;
  #taken = 0;
  #marks: { readonly to: Position; readonly sent: number }[] = [];
  #markedAt = 0;

  constructor(bytesMax: number = WINDOW_BYTES_MAX) {
    this.#bytesMax = bytesMax;
    this.#markBytes = bytesMax / MARKS;
  }

  get full(): boolean {
    return this.#sent - this.#taken > this.#bytesMax;
  }
  /** Enough was taken to go on after having been full. */
  get open(): boolean {
    return this.#sent - this.#taken <= this.#bytesMax / 2;
  }

  sent(bytes: number, to: Position): void {
    this.#sent += bytes;
    if (this.#sent - this.#markedAt < this.#markBytes) return;
    this.#markedAt = this.#sent;
    this.#marks.push({ to, sent: this.#sent });
  }

  taken(to: Position): void {
    let count = 0;
    for (const mark of this.#marks) {
      if (mark.to > to) break;
      this.#taken = mark.sent;
      count++;
    }
    if (count > 0) this.#marks = this.#marks.slice(count);
  }

  /** Sending starts anew from an earlier position: nothing counts as under way. */
  restart(): void {
    this.#taken = this.#sent;
    this.#markedAt = this.#sent;
    this.#marks = [];
  }
}
