/**
 * Log room — how much of its limit the log of an owned partition takes, and how long it will do.
 *
 * Shape: the stream's state every LOOK_MS; growth from the last two. A log that grows because
 *        a reader stands still shows here long before it is full and publishers get 0x97.
 */
import type { Clock, Timer } from '#base';
import type { Bus } from '#bus';
import { logStream } from '#log';
import type { StateLog } from '#state';
import type { LogFeed } from './log-feed.ts';
import type { PartitionFigures } from './port.ts';

/** One question to the stream's leader, ms. */
const LOOK_MS = 5_000;

export class LogRoom {
  bytes = 0;
  /** 0 = no limit. */
  bytesMax = 0;
  /** Until it is full at the growth seen last; Infinity: it does not grow, or has no limit. */
  secondsLeft = Infinity;

  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #partition: number;
  #seenAtMs = -1;
  #timer: Timer | undefined;

  constructor(bus: Bus, clock: Clock, partition: number) {
    this.#bus = bus;
    this.#clock = clock;
    this.#partition = partition;
    this.#look();
  }

  close(): void {
    if (this.#timer !== undefined) this.#clock.cancel(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    this.#timer = this.#clock.after(LOOK_MS, () => this.#look());
    this.#bus.state(logStream(this.#partition), (state) => {
      if (state === undefined || this.#timer === undefined) return;
      this.#note(state.bytes, state.bytesMax, this.#clock.nowMs());
    });
  }

  #note(bytes: number, bytesMax: number, nowMs: number): void {
    const grown = bytes - this.bytes;
    const seconds = (nowMs - this.#seenAtMs) / 1_000;
    const isKnown = this.#seenAtMs >= 0 && bytesMax > 0 && grown > 0 && seconds > 0;
    this.secondsLeft = isKnown ? Math.max(0, bytesMax - bytes) / (grown / seconds) : Infinity;
    this.bytes = bytes;
    this.bytesMax = bytesMax;
    this.#seenAtMs = nowMs;
  }
}

/** What metrics show of an owned partition. */
export function figuresOf(
  partition: number,
  feed: LogFeed,
  state: StateLog,
  room: LogRoom,
): PartitionFigures {
  return {
    partition,
    lagRecords: Math.max(0, feed.headSequence - feed.lastSequence),
    logBytes: room.bytes,
    logBytesMax: room.bytesMax,
    logSecondsLeft: room.secondsLeft,
    stateBytes: state.totalBytes,
    stateLiveBytes: state.liveBytes,
    stateRecordsWritten: state.recordsWritten,
  };
}
