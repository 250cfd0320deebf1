/** A logic for tests: notes what it is given, checkpoint = everything seen. */
import { type Position, POSITION_START, positionAfterRecord } from '#log';
import type { LogRecordView, PartitionContext, PartitionLogic } from '#reader';

export class CountingLogic implements PartitionLogic {
  readonly context: PartitionContext;
  readonly sequences: number[] = [];
  readonly copies: number[] = [];
  readonly calls: string[] = [];
  /** Holds the checkpoint back. */
  heldAt: Position = Infinity;
  ended = false;
  #position: Position;

  constructor(context: PartitionContext) {
    this.context = context;
    this.#position = context.checkpoint === 0 ? POSITION_START : context.checkpoint;
  }

  prepare(ready: () => void): void {
    this.calls.push('prepare');
    ready();
  }
  record(record: LogRecordView): void {
    this.sequences.push(record.sequence);
    this.#position = positionAfterRecord(record.sequence);
  }
  copySkipped(sequence: number): void {
    this.copies.push(sequence);
    this.#position = positionAfterRecord(sequence);
  }
  checkpoint(): Position {
    return Math.min(this.#position, this.heldAt);
  }
  standStill(): void {
    this.calls.push('standStill');
  }
  goOn(): void {
    this.calls.push('goOn');
  }
  end(): void {
    this.calls.push('end');
    this.ended = true;
  }
}
