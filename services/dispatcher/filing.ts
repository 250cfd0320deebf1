/**
 * Filing — messages of one partition for stored sessions that are not live: as they are dispatched,
 * and from records read again (docs/adr/0012, S3, S5, S6).
 *
 * Pace: LOOKED_PER_TURN sessions in one turn of the loop; a message that more have to be looked at
 *       for is filed whole. What is above it a job files turn by turn, until it has caught up.
 */
import { type Position, positionAfterRecord, positionOf, type RecordReader } from '#log';
import { LastTopic } from '#mqtt';
import type { PartitionContext } from '#reader';
import { FilingJobs } from './filing-job.ts';
import type { PartitionSessions } from './partition-sessions.ts';
import type { RangeSender } from './range-sender.ts';
import type { TailRecord } from './record-tail.ts';
import type { BoardSession } from './session-board.ts';
import type { UndurableLimit } from './undurable-limit.ts';

/** Sessions looked at in one turn of the loop: about 3 ms. Range 1 – 10 M. */
const LOOKED_PER_TURN = 32_768;

export interface FilingOptions {
  readonly context: PartitionContext;
  readonly sender: RangeSender;
  readonly limit: UndurableLimit;
  readonly sessions: () => PartitionSessions;
  /** A queue that was not whole may be so now. */
  readonly onWhole: () => void;
  /** Default LOOKED_PER_TURN. */
  readonly lookedPerTurn?: number | undefined;
}

export class Filing {
  readonly jobs: FilingJobs;
  readonly #o: FilingOptions;
  readonly #lookedMax: number;
  readonly #topic = new LastTopic();
  /** In this turn of the loop, by the dispatch. */
  #looked = 0;

  constructor(options: FilingOptions) {
    const { context, sender, limit, sessions, onWhole } = options;
    const { bus, clock, partition } = context;
    this.#o = options;
    this.#lookedMax = options.lookedPerTurn ?? LOOKED_PER_TURN;
    this.jobs = new FilingJobs({
      bus,
      clock,
      partition,
      tail: sender.tail,
      headPosition: () => sender.position,
      mayRead: () => !limit.isFull,
      file: (record, after, isMine) => this.#again(record, after, isMine),
      onJoined: (session) => {
        sessions().joined(session);
        onWhole();
      },
      onCaughtUp: onWhole,
    });
  }

  /** Everything up to here is filed for who is filed. */
  get filedUpTo(): Position {
    return Math.min(this.#o.sender.position, this.jobs.behindFrom);
  }

  /** The message with QoS ≥ 1 that `reader` stands on, in log order. */
  dispatch(topic: string, position: Position, record: TailRecord, reader: RecordReader): void {
    if (this.jobs.behindFrom !== Infinity) return;
    const looked = this.#o.sessions().dispatch(topic, position, record, reader);
    if (looked === 0) return;
    if (this.#looked === 0) this.#o.context.clock.whenIdle(() => (this.#looked = 0));
    this.#looked += looked;
    if (this.#looked >= this.#lookedMax) this.jobs.fallBehind(position);
  }

  #again(
    record: TailRecord,
    after: Position,
    isMine: ((session: BoardSession) => boolean) | undefined,
  ): Position {
    const end = positionAfterRecord(record.sequence);
    const reader = this.#o.sender.leftOut.read(record);
    if (reader === undefined) return end;
    const sessions = this.#o.sessions();
    let looked = 0;
    for (let index = reader.next(); index >= 0; index = reader.next()) {
      const position = positionOf(record.sequence, index);
      if (position <= after || reader.liveElsewhere || reader.view.qos === 0) continue;
      const topic = this.#topic.keyOf(reader.view);
      looked += sessions.dispatch(topic, position, record, reader, isMine);
      if (looked >= this.#lookedMax) return position;
    }
    return end;
  }
}
