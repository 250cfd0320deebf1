/**
 * Owner group — one shared subscription in one partition: its queue, and what gateways named of
 * messages that are to be dispatched again (docs/adr/0013).
 */
import type { Position } from '#log';
import { type GroupEntry, GroupQueue } from './group-queue.ts';
import type { GroupStore } from './group-store.ts';
import type { QueueLimits } from './session-queues.ts';

/** Bytes of a section beside its group's text and one message, and some more. */
const SECTION_ROOM_BYTES = 64;

export class OwnerGroup {
  /** `$share/NAME/FILTER`. */
  readonly text: string;
  /** Its number in the state log. */
  readonly number: number;
  /** Messages at or below are not for it. */
  readonly start: Position;
  readonly queue = new GroupQueue();
  /** Above what has been dispatched: where messages are already … */
  readonly held = new Map<Position, string>();
  /** … and which are over. */
  readonly finished = new Set<Position>();
  /** Done above the durable checkpoint: gateways know it, too, as long as they live. */
  #over: Position[] = [];
  /** Highest position of what was put into the store of these; 0: nothing. */
  #storedTo: Position = 0;

  constructor(text: string, number: number, start: Position) {
    this.text = text;
    this.number = number;
    this.start = start;
  }

  /** Whether a message that is dispatched now is dealt with already. */
  knows(position: Position): boolean {
    if (position <= this.start) return true;
    if (this.finished.size > 0 && this.finished.delete(position)) return true;
    // Filed by an earlier owner.
    return this.queue.entry(position) !== undefined;
  }

  /** The gateway that has it already; asked once. */
  takeHolder(position: Position): string | undefined {
    if (this.held.size === 0) return undefined;
    const holder = this.held.get(position);
    this.held.delete(position);
    return holder;
  }

  /** Drops by policy until so many bytes find room. False: they themselves are to be dropped. */
  makeRoom(bytes: number, limits: QueueLimits, onDropped: (entry?: GroupEntry) => void): boolean {
    const { messagesMax, bytesMax, policy } = limits;
    const { queue } = this;
    while (
      queue.waiting > 0 &&
      (queue.waiting >= messagesMax || queue.waitingBytes + bytes > bytesMax)
    ) {
      // There is no session to end: the oldest gives way, unless the newest is to.
      const oldest = policy === 'drop_newest' ? undefined : queue.dropOldest();
      onDropped(oldest);
      if (oldest === undefined) return false;
    }
    return true;
  }

  /** The gateway is no more. Returns how many of its messages wait again. */
  gone(incarnation: string): number {
    for (const [position, holder] of this.held) {
      if (holder === incarnation) this.held.delete(position);
    }
    return this.queue.gone(incarnation);
  }

  /** The gateway gives messages back. Returns how many of them wait again. */
  back(incarnation: string, positions: readonly Position[]): number {
    for (const position of positions) {
      if (this.held.get(position) === incarnation) this.held.delete(position);
    }
    return this.queue.back(incarnation, positions);
  }

  /** Whether a frame can carry so many bytes beside the group's text. */
  fits(bytes: number, payloadBytesMax: number): boolean {
    // A character is three bytes at most; the exact length matters to giants only.
    const needed = bytes + 3 * this.text.length + SECTION_ROOM_BYTES;
    return payloadBytesMax === 0 || needed <= payloadBytesMax;
  }

  /** What an earlier owner had stored of what was done. */
  recover(over: readonly Position[], checkpoint: Position): void {
    this.#over = over.filter((position) => position > checkpoint);
    this.#storedTo = Math.max(0, ...over.slice(-1));
    for (const position of this.#over) this.finished.add(position);
  }

  done(position: Position): void {
    this.#over.push(position);
  }

  /** A gateway names it when it answers hello. */
  learnDone(position: Position): void {
    this.finished.add(position);
    this.#over.push(position);
  }

  /** A gateway that knew of some ends: from now on the store does. */
  storeOver(store: GroupStore, checkpoint: Position): void {
    this.#over = this.#over.filter((position) => position > checkpoint);
    if (this.#over.length === 0) return;
    this.#over.sort((a, b) => a - b);
    this.#storedTo = this.#over.at(-1) ?? 0;
    store.putOver(this.number, this.#over);
  }

  /** The durable checkpoint has moved: what is below is not dispatched again. */
  forgetOver(store: GroupStore, checkpoint: Position): void {
    this.#over = this.#over.filter((position) => position > checkpoint);
    if (this.#storedTo === 0 || this.#storedTo > checkpoint) return;
    this.#storedTo = 0;
    store.removeOver(this.number);
  }

  /** Everything up to here has been dispatched: nothing below comes again. */
  passed(position: Position): void {
    for (const known of this.finished) if (known <= position) this.finished.delete(known);
    for (const known of this.held.keys()) if (known <= position) this.held.delete(known);
  }
}
