/**
 * Partition sessions — who of the stored sessions is live in one partition, and filing for all
 * others (docs/adr/0012, S3–S6, S8).
 *
 * Shape: a mode per slot. filed: what matches is queued. joining: it left, or asked to be filed,
 *        and what it missed is being filed by a FilingJob. live: its gateway has it.
 * Rule:  filed is the rule; only a gateway's request makes live, at X; `liveAfter` is the X that a
 *        gateway told a new owner: up to there it is filed again.
 * Cost:  per QoS ≥ 1 message a look-up in the board, per matching session a look at its mode; what
 *        is looked at for each of them lies in arrays, for there may be 50,000.
 */
import type { Position, RecordReader } from '#log';
import { qosAt, type SessionRecord } from '#session-store';
import type { TailRecord } from './record-tail.ts';
import type { BoardSession, BoardSubscription, SessionBoard } from './session-board.ts';
import type { SessionQueues } from './session-queues.ts';

export type SessionMode = 'filed' | 'joining' | 'live';

const FILED = 0;
const JOINING = 1;
const LIVE = 2;
const MODES: readonly SessionMode[] = ['filed', 'joining', 'live'];

export interface PartitionSessionsOptions {
  readonly partition: number;
  readonly board: SessionBoard;
  readonly queues: SessionQueues;
  /** Everything up to here is acknowledged by sessions live at this gateway (S7). */
  readonly floorOf: (incarnation: string) => Position;
  /** Files what is above `from` for a session that is not live any more. */
  readonly join: (session: BoardSession, from: Position) => void;
  /** Everything up to here has been dispatched. */
  readonly position: () => Position;
  /** Everything up to here is filed for who is filed; below it while filing is behind. */
  readonly filedUpTo: () => Position;
}

export class PartitionSessions {
  readonly #o: PartitionSessionsOptions;
  #modes = new Uint8Array(64);
  /** Highest turn of the stay that was answered (S4, S5). */
  #turns = new Uint32Array(64);
  #liveAfter = new Float64Array(64).fill(Infinity);
  #targets = new Uint32Array(64);

  constructor(options: PartitionSessionsOptions) {
    this.#o = options;
  }

  mode({ slot }: BoardSession): SessionMode {
    this.#settle(slot);
    const { filedUpTo, position } = this.#o;
    // While filing is behind, the end of a queue is not the end of what waits.
    if (this.#modes[slot] === FILED && filedUpTo() < position()) return 'joining';
    return MODES[this.#modes[slot] as number] as SessionMode;
  }
  turn(session: BoardSession): number {
    return this.#turns[session.slot] as number;
  }

  /**
   * A session that this owner sees for the first time. `last`: at or below it nothing is filed;
   * `liveAfter`: its gateway has it from there on (S8), Infinity: it is filed.
   */
  begin(session: BoardSession, last: Position, liveAfter: Position): void {
    const { slot } = session;
    this.#reserve(slot);
    this.#o.queues.begin(session, last);
    this.#turns[slot] = 0;
    this.#modes[slot] = FILED;
    this.#liveAfter[slot] = liveAfter;
  }

  end(session: BoardSession): void {
    this.#o.queues.end(session);
    this.#modes[session.slot] = FILED;
    this.#liveAfter[session.slot] = Infinity;
  }

  /** The session's record has changed: it may have left or moved. */
  changed(session: BoardSession, before: SessionRecord): void {
    const { record } = session;
    const { partition, queues } = this.#o;
    if (record.stay !== before.stay) this.#turns[session.slot] = 0;
    const isOver = record.stay !== before.stay || record.at === undefined;
    // As it was while the stay lasted: the cursor below may lie above X.
    const wasLive = this.mode(session) === 'live';
    queues.consume(session, record.cursor[partition] ?? 0);
    if (isOver && wasLive) this.#leave(session, before.at?.incarnation);
    else if (isOver) this.#liveAfter[session.slot] = Infinity;
  }

  /** The gateway's lease is over: what was live there is filed. */
  gatewayEnded(incarnation: string): void {
    for (const session of this.#o.board.sessions) {
      if (session.record.at?.incarnation !== incarnation) continue;
      if (this.mode(session) === 'live') this.#leave(session, incarnation);
      else this.#liveAfter[session.slot] = Infinity;
    }
  }

  #leave(session: BoardSession, incarnation: string | undefined): void {
    const floor = incarnation === undefined ? 0 : this.#o.floorOf(incarnation);
    this.refile(session, floor);
  }

  /** Live no more: filed from `from` on, or from what is known to be dealt with. */
  refile(session: BoardSession, from: Position): void {
    const { slot } = session;
    const { queues, position, join } = this.#o;
    queues.raiseLast(slot, from);
    this.#liveAfter[slot] = Infinity;
    const start = queues.last(slot);
    if (start >= position()) {
      this.#modes[slot] = FILED;
      return;
    }
    this.#modes[slot] = JOINING;
    join(session, start);
  }

  /**
   * Filed, and not live from some position on either: its gateway has changed its mind. What it
   * says to be dealt with lies above X; up to X it is still filed again.
   */
  staysFiled({ slot }: BoardSession): void {
    this.#liveAfter[slot] = Infinity;
  }

  /** A job has filed everything for it. */
  joined({ slot }: BoardSession): void {
    if (this.#modes[slot] === JOINING) this.#modes[slot] = FILED;
  }

  /** Live from the current position on, which is X (S4). */
  grant(session: BoardSession, turn: number): Position {
    const { slot } = session;
    const position = this.#o.position();
    this.#modes[slot] = LIVE;
    this.#liveAfter[slot] = Infinity;
    this.#turns[slot] = turn;
    this.#o.queues.raiseLast(slot, position);
    return position;
  }

  answered({ slot }: BoardSession, turn: number): void {
    if (turn > (this.#turns[slot] as number)) this.#turns[slot] = turn;
  }

  /**
   * The message with QoS ≥ 1 that `reader` stands on, in log order. `isFor`: for whom it is read; a
   * job reads once more for its own sessions. Default: all that are filed. → how many were looked
   * at.
   */
  dispatch(
    topic: string,
    position: Position,
    record: TailRecord,
    reader: RecordReader,
    isFor?: (session: BoardSession) => boolean,
  ): number {
    const { board, queues } = this.#o;
    const numbers = board.route(topic);
    if (numbers.length === 0) return 0;
    if (this.#targets.length < numbers.length) this.#targets = new Uint32Array(numbers.length * 2);
    const targets = this.#targets;
    let count = 0;
    for (let i = 0; i < numbers.length; i++) {
      const number = numbers[i] as number;
      const slot = board.slotOf(number);
      if (position <= queues.last(slot)) continue;
      if (isFor === undefined) {
        if (!this.#isFiled(slot, position)) continue;
      } else if (!isFor(board.subscription(number).session)) continue;
      if (board.isConditional(number)) {
        if (!this.#isMeant(board.subscription(number), position, record, reader)) continue;
      }
      // At most once, however many of its subscriptions match.
      queues.raiseLast(slot, position);
      targets[count++] = slot;
    }
    if (count > 0) queues.file(position, record, reader, targets, count);
    return numbers.length;
  }

  #isMeant(
    { session, stored }: BoardSubscription,
    position: Position,
    record: TailRecord,
    reader: RecordReader,
  ): boolean {
    const { starts, noLocal } = stored;
    const { partition } = this.#o;
    if (starts !== undefined && position <= (starts[partition] ?? 0)) return false;
    if (qosAt(stored, partition, position) === 0) return false;
    return !(noLocal && isOwn(session, record, reader));
  }

  #isFiled(slot: number, position: Position): boolean {
    if (this.#modes[slot] !== FILED) return false;
    if (position <= (this.#liveAfter[slot] as number)) return true;
    this.#modes[slot] = LIVE;
    this.#liveAfter[slot] = Infinity;
    return false;
  }

  /** Everything up to X has passed without a match: it is live all the same. */
  #settle(slot: number): void {
    if (this.#modes[slot] !== FILED) return;
    if (this.#o.filedUpTo() < (this.#liveAfter[slot] as number)) return;
    this.#modes[slot] = LIVE;
    this.#liveAfter[slot] = Infinity;
  }

  #reserve(slot: number): void {
    const size = this.#modes.length;
    if (slot < size) return;
    const larger = Math.max(slot + 1, size * 2);
    const modes = new Uint8Array(larger);
    modes.set(this.#modes);
    this.#modes = modes;
    const turns = new Uint32Array(larger);
    turns.set(this.#turns);
    this.#turns = turns;
    const liveAfter = new Float64Array(larger).fill(Infinity);
    liveAfter.set(this.#liveAfter);
    this.#liveAfter = liveAfter;
  }
}

/** Published by the session's own connection (No Local). */
function isOwn({ lastStay }: BoardSession, record: TailRecord, { view }: RecordReader): boolean {
  return (
    lastStay !== undefined &&
    view.publisherConnection === lastStay.connection &&
    record.incarnation === lastStay.incarnation
  );
}
