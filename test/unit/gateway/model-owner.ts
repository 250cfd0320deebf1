/**
 * The owner of one partition, as far as one stored session sees it: S3 to S6, S8 and S9 of ADR 0012
 * in their plainest form.
 */

/** Two of three positions have a message. */
export const hasMessage = (position: number): boolean => position % 3 !== 0;

export class ModelOwner {
  epoch = 1;
  position = 0;
  sentTo = 0;
  /** Infinity: it files. Else live above it. */
  liveAfter = Infinity;
  queue: number[] = [];
  last = 0;
  turn = 0;
  answers = 0;
  granted: { number: number; turn: number; x: number }[] = [];
  /** What stands in the state log. */
  durable = { checkpoint: 0, queue: [] as number[], last: 0 };

  dispatch(): void {
    this.position++;
    if (hasMessage(this.position) && this.position <= this.liveAfter) this.file(this.position);
  }

  file(position: number): void {
    if (position <= this.last) return;
    this.last = position;
    this.queue.push(position);
  }

  /** Files again what is above `from`, unless it is known to be dealt with. */
  refile(from: number): void {
    if (this.liveAfter === Infinity) return;
    this.last = Math.max(this.last, from);
    this.liveAfter = Infinity;
    for (let p = this.last + 1; p <= this.position; p++) if (hasMessage(p)) this.file(p);
  }

  consume(upTo: number): void {
    this.queue = this.queue.filter((position) => position > upTo);
    this.last = Math.max(this.last, upTo);
  }

  write(checkpoint: number): void {
    const { queue, last } = this;
    this.durable = { checkpoint, queue: [...queue], last };
  }

  /** Another owner goes on from what is durable. */
  succeed(done: number, liveAfter: number): void {
    const { checkpoint, queue, last } = this.durable;
    this.epoch++;
    this.position = checkpoint;
    this.sentTo = Math.max(checkpoint, done);
    this.queue = [...queue];
    this.last = Math.max(checkpoint, queue.at(-1) ?? 0, Math.min(last, checkpoint));
    this.liveAfter = Math.max(liveAfter, checkpoint);
    this.turn = 0;
    this.answers = 0;
    this.granted = [];
  }
}
