/**
 * Positions in a log partition, as one number that compares like the log's order.
 *
 * Shape: stream sequence × 1,024 + index of the message in its record. A double holds it exactly up
 *        to sequence 2^43 (at 10,000 records a second: 27 years).
 * Why:   checkpoints, done vectors, starts and floors are compared on every frame; objects would
 *        cost an allocation each. The log's generation travels once per frame, not in the number.
 */
export type Position = number;

/** Messages a record may hold at most; fixed by the encoding of positions. */
export const RECORD_MESSAGES_MAX = 1024;

/** Before everything: the position of an empty log. */
export const POSITION_START: Position = 0;

export function positionOf(sequence: number, index: number): Position {
  return sequence * RECORD_MESSAGES_MAX + index;
}

/** The last position of a record: "everything up to and with this record". */
export function positionAfterRecord(sequence: number): Position {
  return sequence * RECORD_MESSAGES_MAX + (RECORD_MESSAGES_MAX - 1);
}

export function sequenceOf(position: Position): number {
  return Math.floor(position / RECORD_MESSAGES_MAX);
}

export function indexOf(position: Position): number {
  return position % RECORD_MESSAGES_MAX;
}
