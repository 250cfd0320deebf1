/**
 * Catch-up — sends a gateway what it missed, by matching again (protocol 26).
 *
 * Shape: one per link that is behind: a piece of the tail per turn of the loop, what is older from
 *        the log. Ends when it reaches the head.
 * Pace:  STEP_BYTES per turn, and never more than the gateway's window: live gateways do not wait.
 * Ends:  what is needed is trimmed already → the gateway cannot be served: it is ended by name.
 */
import type { Bus } from '#bus';
import { positionAfterRecord, sequenceOf } from '#log';
import type { PartitionLink } from './partition-link.ts';
import { RecordSource } from './record-source.ts';
import type { RecordTail, TailRecord } from './record-tail.ts';

/** Record bytes matched again per turn and gateway: about a millisecond. */
const STEP_BYTES = 256 * 1024;

export interface CatchUpOptions {
  readonly bus: Bus;
  readonly partition: number;
  readonly tail: RecordTail;
  readonly link: PartitionLink;
  /** Sequence of the last record dispatched. */
  readonly headSequence: () => number;
  /** Puts the link's messages of a record, those above its `sentTo`, into its channel. */
  readonly send: (record: TailRecord) => void;
  readonly nextTurn: (task: () => void) => void;
  readonly onDone: () => void;
  readonly onTrimmed: () => void;
}

export class CatchUp {
  readonly #o: CatchUpOptions;
  readonly #source: RecordSource;
  #blocked = false;
  #planned = false;
  #closed = false;

  constructor(options: CatchUpOptions) {
    this.#o = options;
    const { bus, partition, tail, headSequence, onTrimmed } = options;
    this.#source = new RecordSource({
      bus,
      partition,
      tail,
      headSequence,
      onReady: () => {
        if (!this.#blocked) this.#plan();
      },
      onTrimmed,
    });
    this.#plan();
  }

  /** The gateway has taken something: go on if the window lets. */
  poke(): void {
    if (this.#blocked && this.#o.link.window.open) {
      this.#blocked = false;
      this.#plan();
    }
  }

  close(): void {
    this.#closed = true;
    this.#source.close();
  }

  #plan(): void {
    if (this.#planned || this.#closed) return;
    this.#planned = true;
    this.#o.nextTurn(() => {
      this.#planned = false;
      if (!this.#closed) this.#step();
    });
  }

  #step(): void {
    const { link } = this.#o;
    let bytes = 0;
    while (bytes < STEP_BYTES) {
      if (link.window.full) {
        this.#blocked = true;
        this.#source.pause();
        return;
      }
      const next = this.#source.next(sequenceAfter(link.sentTo));
      if (next === 'head') return this.#finish();
      if (next === 'log') return;
      this.#o.send(next);
      bytes += next.payload.length;
    }
    this.#plan();
  }

  #finish(): void {
    this.close();
    this.#o.onDone();
  }
}

/** The record in which what stands above `position` begins. */
export function sequenceAfter(position: number): number {
  const sequence = sequenceOf(position);
  return position === positionAfterRecord(sequence) ? sequence + 1 : sequence;
}
