/**
 * Undurable limit — memory is bounded by the speed of the disk, not by that of the publishers.
 *
 * Full: more than UNDURABLE_BYTES_MAX put into the state log and not yet durable stops the reading
 *       of the log until half of it is.
 */
import type { PartitionContext } from '#reader';

/** Bytes put into the state log that are not durable before reading stops. */
export const UNDURABLE_BYTES_MAX = 8 * 1024 * 1024;

export class UndurableLimit {
  readonly #context: Pick<PartitionContext, 'state' | 'pause' | 'resume'>;
  #putBytes = 0;
  #durableBytes = 0;
  #waiting = false;
  #paused = false;

  constructor(context: Pick<PartitionContext, 'state' | 'pause' | 'resume'>) {
    this.#context = context;
  }

  get isFull(): boolean {
    return this.#paused;
  }

  put(bytes: number): void {
    this.#putBytes += bytes;
    if (!this.#waiting) this.#watchDurable();
    if (this.#putBytes - this.#durableBytes <= UNDURABLE_BYTES_MAX || this.#paused) return;
    this.#paused = true;
    this.#context.pause();
  }

  #watchDurable(): void {
    this.#waiting = true;
    const put = this.#putBytes;
    this.#context.state.whenDurable(() => {
      this.#waiting = false;
      this.#durableBytes = put;
      if (this.#putBytes > put) this.#watchDurable();
      if (!this.#paused || this.#putBytes - put > UNDURABLE_BYTES_MAX / 2) return;
      this.#paused = false;
      this.#context.resume();
    });
  }
}
