/**
 * Range sender — puts the messages of one partition into the frames of the gateways that want them.
 *
 * Shape: per message a look-up of gateway numbers, per hit a copy into that gateway's open range.
 *        A range ends when the loop is idle, when its frame is full, or when another partition of
 *        this process writes to the same gateway (protocol 26).
 * Behind: a gateway that missed something, or whose window is full, gets nothing live; a CatchUp
 *        sends it everything from `sentTo` on, at its own pace.
 * Damage: what cannot be read of a record (a foreign writer) is passed over and counted: ending
 *        for it would only hand it on to the next owner.
 */
import { type Clock, Fault } from '#base';
import type { Bus } from '#bus';
import {
  type Position,
  positionAfterRecord,
  positionOf,
  type RecordReader,
  sequenceOf,
} from '#log';
import { LastTopic, type PublishView } from '#mqtt';
import { CatchUp } from './catch-up.ts';
import type { DispatchCounters } from './dispatch-counters.ts';
import { LeftOut } from './left-out.ts';
import type { PartitionLink } from './partition-link.ts';
import { RecordTail, type TailRecord } from './record-tail.ts';
import type { GatewayLine, Switchboard } from './switchboard.ts';

export interface RangeSenderOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly partition: number;
  readonly epoch: number;
  readonly board: Switchboard;
  readonly counters: DispatchCounters;
  /** Everything up to here has been dealt with before. */
  readonly start: Position;
  readonly durableCheckpoint: () => Position;
  /** Bytes of the tail; default TAIL_BYTES_MAX. */
  readonly tailBytes?: number | undefined;
  /** A message with RETAIN, at [start, end) of its record; once, in log order. */
  readonly onRetained: (
    topic: string,
    view: PublishView,
    position: Position,
    start: number,
    end: number,
  ) => void;
  /** A message with QoS ≥ 1 that `reader` stands on; in log order, again after a take-over. */
  readonly onStored: (
    topic: string,
    position: Position,
    record: TailRecord,
    reader: RecordReader,
  ) => void;
  /** A gateway needs what the log no longer holds. */
  readonly onTrimmed: (incarnation: string) => void;
}

export class RangeSender {
  readonly #o: RangeSenderOptions;
  /** Links by line number, for the dispatch loop. */
  readonly #byNumber: (PartitionLink | undefined)[] = [];
  readonly #catchUps = new Map<PartitionLink, CatchUp>();
  readonly tail: RecordTail;
  readonly #topic = new LastTopic();
  /** Copies and repeats, for whoever reads dispatched records once more. */
  readonly leftOut = new LeftOut();
  #position: Position;
  #beacon = 0;
  #closed = false;

  constructor(options: RangeSenderOptions) {
    this.#o = options;
    this.tail = new RecordTail(options.tailBytes);
    this.#position = options.start;
  }

  /** Everything up to here has been dispatched. */
  get position(): Position {
    return this.#position;
  }
  get tailBytes(): number {
    return this.tail.bytes;
  }
  get linksBehind(): number {
    return this.#catchUps.size;
  }

  addLink(link: PartitionLink): void {
    this.#byNumber[link.line.number] = link;
  }

  removeLink(link: PartitionLink): void {
    this.#catchUps.get(link)?.close();
    this.#catchUps.delete(link);
    this.#byNumber[link.line.number] = undefined;
  }

  close(): void {
    this.#closed = true;
    for (const catchUp of this.#catchUps.values()) catchUp.close();
    this.#catchUps.clear();
    for (const link of this.#byNumber) if (link !== undefined) this.#closeOpen(link);
  }

  /**
   * Dispatches a record; what stands at or below `after` is left out. `decidedBefore`: an earlier
   * owner has put what follows from it into the state log. `skipped`: indexes of repeats.
   */
  dispatch(
    record: TailRecord,
    after: Position,
    decidedBefore: boolean,
    skipped: readonly number[] = [],
  ): void {
    this.leftOut.addRepeats(record.sequence, skipped, this.#neededSequence());
    this.#o.counters.repeats += skipped.length;
    try {
      this.#dispatchMessages(record, after, decidedBefore);
    } catch (fault) {
      this.#passDamage(fault);
    }
    this.#position = positionAfterRecord(record.sequence);
    this.tail.add(record);
    this.#o.board.planFlush();
  }

  #dispatchMessages(record: TailRecord, after: Position, decidedBefore: boolean): void {
    const { board, counters, onRetained, onStored } = this.#o;
    counters.records++;
    const reader = this.leftOut.read(record);
    if (reader === undefined) return;
    for (let index = reader.next(); index >= 0; index = reader.next()) {
      const position = positionOf(record.sequence, index);
      counters.messages++;
      if (position <= after || reader.liveElsewhere) continue;
      const topic = this.#topic.keyOf(reader.view);
      if (reader.view.retain && !decidedBefore) {
        onRetained(topic, reader.view, position, reader.messageStart, reader.messageEnd);
      }
      if (reader.view.qos > 0) onStored(topic, position, record, reader);
      const numbers = board.route(topic);
      for (let i = 0; i < numbers.length; i++) {
        const link = this.#byNumber[numbers[i] as number];
        if (link === undefined || !link.live || position <= link.sentTo) continue;
        this.#add(link, position, record, reader);
      }
    }
  }

  #passDamage(fault: unknown): void {
    if (!(fault instanceof Fault)) throw fault;
    this.#o.counters.recordsDamaged++;
  }

  /** A record that is a copy of an earlier one: passed over, also when a gateway catches up. */
  passOver(sequence: number): void {
    this.#position = positionAfterRecord(sequence);
    this.leftOut.addCopy(sequence, this.#neededSequence());
  }

  /** Nobody asks for records below it again. */
  #neededSequence(): number {
    return sequenceOf(this.#o.durableCheckpoint());
  }

  #add(link: PartitionLink, position: Position, record: TailRecord, reader: RecordReader): void {
    const { board, partition, counters } = this.#o;
    const { line } = link;
    const { messageStart, messageEnd } = reader;
    const bytes = messageEnd - messageStart;
    const channel = board.channelFor(line, partition);
    if (!channel.takes(bytes)) {
      // The range so far covers everything below this message.
      const { behind } = link;
      if (channel.isOpen(partition)) this.#closeRangeAt(link, position - 1);
      board.flushLine(line);
      // Its window is full: it goes on from here as one that is behind.
      if (link.behind !== behind) return;
    }
    if (channel.cannotSend(bytes)) {
      counters.oversized++;
      return;
    }
    if (!channel.isOpen(partition)) this.#openRange(link);
    const fromHere = record.incarnation === line.incarnation;
    channel.addMessage(position, record.payload, messageStart, messageEnd, fromHere);
    link.window.sent(bytes, position);
    counters.framed++;
    if (!channel.full) return;
    // A long record must not make an endless frame: the range may end at any message.
    this.#closeRangeAt(link, position);
    board.said(line);
  }

  #openRange(link: PartitionLink): void {
    const { partition, epoch, durableCheckpoint } = this.#o;
    link.line.channel.openRange({
      partition,
      epoch,
      from: link.sentTo,
      checkpoint: durableCheckpoint(),
      beacon: this.#beacon,
      answers: link.answersSent,
    });
  }

  #closeRangeAt(link: PartitionLink, to: Position): void {
    link.line.channel.closeRange(to);
    link.sentTo = to;
    if (link.window.full && !link.behind && !this.#closed) this.#setBehind(link);
  }

  /** Closes the range that stands open towards this gateway: it covers all that was dispatched. */
  closeRange(line: GatewayLine): void {
    const link = this.#byNumber[line.number];
    if (link !== undefined) this.#closeOpen(link);
  }

  #closeOpen(link: PartitionLink): void {
    if (!link.line.channel.isOpen(this.#o.partition)) return;
    this.#closeRangeAt(link, this.#reach(link));
  }

  /** How far a range ending now reaches; while catching up only as far as was sent again. */
  #reach(link: PartitionLink): Position {
    return link.behind ? link.sentTo : Math.max(link.sentTo, this.#position);
  }

  /** An empty range: shows the gateway gaps, and that the owner lives. */
  beacon(links: Iterable<PartitionLink>): void {
    const { board, partition } = this.#o;
    this.#beacon++;
    for (const link of links) {
      if (link.phase !== 'ready') continue;
      board.channelFor(link.line, partition);
      this.#closeOpen(link);
      this.#openRange(link);
      this.#closeOpen(link);
    }
  }

  /** The gateway has a gap: everything above `from` is sent again. */
  again(link: PartitionLink, from: Position): void {
    const start = Math.max(from, link.done);
    if (start >= link.sentTo) return;
    this.#o.counters.resends++;
    this.#closeOpen(link);
    this.#catchUps.get(link)?.close();
    link.sentTo = start;
    link.window.restart();
    this.#setBehind(link);
  }

  /** The gateway has taken everything up to `to`. */
  taken(link: PartitionLink, to: Position): void {
    link.window.taken(to);
    this.#catchUps.get(link)?.poke();
  }

  #setBehind(link: PartitionLink): void {
    link.behind = true;
    const { bus, partition, clock, onTrimmed } = this.#o;
    const catchUp = new CatchUp({
      bus,
      partition,
      tail: this.tail,
      link,
      headSequence: () => sequenceOf(this.#position),
      send: (record) => this.#sendAgain(link, record),
      nextTurn: (task) => clock.whenIdle(task),
      onDone: () => {
        this.#catchUps.delete(link);
        link.behind = false;
      },
      onTrimmed: () => onTrimmed(link.incarnation),
    });
    this.#catchUps.set(link, catchUp);
  }

  #sendAgain(link: PartitionLink, record: TailRecord): void {
    const { board, partition } = this.#o;
    try {
      this.#addMissing(link, record);
    } catch (fault) {
      this.#passDamage(fault);
    }
    const channel = board.channelFor(link.line, partition);
    if (!channel.isOpen(partition)) this.#openRange(link);
    this.#closeRangeAt(link, positionAfterRecord(record.sequence));
    board.said(link.line);
  }

  #addMissing(link: PartitionLink, record: TailRecord): void {
    const reader = this.leftOut.read(record);
    if (reader === undefined) return;
    const { number } = link.line;
    for (let index = reader.next(); index >= 0; index = reader.next()) {
      const position = positionOf(record.sequence, index);
      if (position <= link.sentTo || reader.liveElsewhere) continue;
      if (!this.#o.board.route(this.#topic.keyOf(reader.view)).includes(number)) continue;
      this.#add(link, position, record, reader);
    }
  }
}
