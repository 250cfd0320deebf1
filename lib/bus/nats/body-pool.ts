/**
 * Body pool — memory of large message bodies that their receivers have given back.
 *
 * Why:   a record or frame of 50–250 KiB is an allocation outside of V8's heap; thousands a second
 *        make it collect the whole heap ten times a second (a sixth of a dispatcher's time).
 * Shape: a few free buffers; a body takes the first that is large enough and not four times too
 *        large. What was never lent from here, or given back before, is ignored.
 * Full:  FREE_MAX buffers are kept; more go to the garbage collector.
 */

/** Smaller bodies share slabs of Node's own pool or are cheap. */
const POOLED_BYTES_MIN = 16 * 1024;
/** Bodies differ in size: rounding up makes them fit each other's memory. */
const STEP_BYTES = 32 * 1024;
const FREE_MAX = 16;

export class BodyPool {
  readonly #free: Buffer[] = [];
  readonly #lent = new WeakSet<ArrayBufferLike>();

  /** A buffer of exactly `bytes`; its content is anything. */
  take(bytes: number): Buffer {
    if (bytes < POOLED_BYTES_MIN) return Buffer.allocUnsafe(bytes);
    const whole = this.#find(bytes) ?? Buffer.allocUnsafeSlow(roundUp(bytes));
    this.#lent.add(whole.buffer);
    return whole.subarray(0, bytes);
  }

  /** Nobody keeps any part of the body that `payload` is, or is a part of. */
  giveBack(payload: Buffer): void {
    const { buffer } = payload;
    if (!this.#lent.delete(buffer) || this.#free.length >= FREE_MAX) return;
    this.#free.push(Buffer.from(buffer));
  }

  #find(bytes: number): Buffer | undefined {
    const free = this.#free;
    for (let i = free.length - 1; i >= 0; i--) {
      const { length } = free[i] as Buffer;
      if (length < bytes || length > bytes * 4) continue;
      return free.splice(i, 1)[0];
    }
    return undefined;
  }
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / STEP_BYTES) * STEP_BYTES;
}
