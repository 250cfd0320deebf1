/**
 * Owner link — what this gateway knows of one partition's owner, and what it still wants from it.
 *
 * Shape: pure state: epoch trusted, done position, filter version answered, requests waiting. What
 *        is to be sent is handed to `send`; the caller collects a turn's messages per partition.
 * Owner: one per (gateway, partition).
 * Rules: epochs never go back (17, 19); ranges chain by (from, to] (26) and by the answers sent
 *        before them (docs/adr/0012, S4); a gap is asked for once per round trip; whatever stays
 *        unanswered is asked again at `tick`.
 */
import type { GatewayMessage, RangeReader } from '#frames';
import type { Position } from '#log';

/** Repeat an unanswered request after this long. A round trip takes milliseconds. */
export const ASK_AGAIN_MS = 500;
/** A request older than this shows in the report as unanswered (rule 9). */
export const UNANSWERED_MS = 2_000;
/** Range bytes after which the owner is told how far we are; well inside its window. */
const TAKEN_BYTES = 512 * 1024;

export type Send = (message: GatewayMessage) => void;

/** What a range is to this gateway. */
export type RangeVerdict = 'take' | 'ignore';

export class OwnerLink {
  readonly partition: number;
  /** Lowest epoch trusted; raised by hello and welcome. */
  epoch = 0;
  /** Everything up to here has been delivered; undefined = no owner has named a start yet. */
  done: Position | undefined;
  /** Highest beacon heard, for the report. */
  heard = 0;
  /** Filter versions up to this one count in this partition. */
  answeredVersion = 0;
  /** Ranges asked for again, counter for metrics. */
  gaps = 0;
  /** Highest durable checkpoint that a range named. */
  checkpoint: Position = 0;
  /** A range of this epoch has come: its owner takes requests. */
  isHeard = false;

  readonly #incarnation: string;
  readonly #send: Send;
  /** Answers of this epoch's chain that have been taken (docs/adr/0012, S4). */
  #answers = 0;
  #againFrom: Position = -1;
  #againAnswers = 0;
  #againAtMs = -Infinity;
  #presentSinceMs = -1;
  #presentAtMs = -Infinity;
  #wantedVersion = 0;
  #wantedSinceMs = -1;
  #wantedAtMs = -Infinity;
  #untoldBytes = 0;

  constructor(partition: number, incarnation: string, send: Send) {
    this.partition = partition;
    this.#incarnation = incarnation;
    this.#send = send;
  }

  /** An owner's record was read after our own was written: lower epochs are dead (19). */
  raiseEpoch(epoch: number): void {
    if (epoch > this.epoch) this.#setEpoch(epoch);
  }

  /** Whether this message is from the owner that counts. */
  trusts(epoch: number): boolean {
    return epoch === this.epoch;
  }

  /** hello: false = from an older owner, to be ignored. */
  hello(epoch: number): boolean {
    if (epoch < this.epoch) return false;
    this.#setEpoch(epoch);
    this.#againAtMs = -Infinity;
    return true;
  }

  /** Answers are counted per owner. A hello repeated by the same one changes nothing. */
  #setEpoch(epoch: number): void {
    if (epoch === this.epoch) return;
    this.epoch = epoch;
    this.#answers = 0;
    this.isHeard = false;
  }

  welcome(epoch: number, position: Position): boolean {
    if (epoch < this.epoch || this.done !== undefined) return false;
    this.#setEpoch(epoch);
    this.done = position;
    this.#presentSinceMs = -1;
    return true;
  }

  /** Decides about a range and keeps the chain; the caller delivers what is above `done`. */
  judge(range: RangeReader, nowMs: number): RangeVerdict {
    if (range.epoch !== this.epoch || this.done === undefined) return 'ignore';
    this.heard = range.beacon;
    this.isHeard = true;
    if (range.checkpoint > this.checkpoint) this.checkpoint = range.checkpoint;
    if (range.from <= this.done && range.answers <= this.#answers) return 'take';
    this.#askAgain(nowMs);
    return 'ignore';
  }

  /** An answer of the chain: true = the next one, to be applied. A later one is asked for again. */
  answer(number: number, nowMs: number): boolean {
    if (number <= this.#answers) return false;
    if (number > this.#answers + 1) {
      this.#askAgain(nowMs);
      return false;
    }
    this.#answers = number;
    return true;
  }

  /** The range was delivered. */
  took(range: RangeReader): void {
    if (this.done === undefined || range.to > this.done) this.done = range.to;
    this.#untoldBytes += range.bytes;
    if (this.#untoldBytes < TAKEN_BYTES) return;
    this.#untoldBytes = 0;
    const { epoch, done } = this;
    this.#send({ t: 'taken', inc: this.#incarnation, epoch, to: done });
  }

  /** Owner's answer about filter versions. False: not the next in order, asked for again. */
  effective(from: number, to: number, nowMs: number): boolean {
    if (to <= this.answeredVersion) return false;
    if (from > this.answeredVersion) {
      this.#askEffective(nowMs);
      return false;
    }
    this.answeredVersion = to;
    // Where filters change all the time some version is always waited for: it is the standing
    // still of answers that counts, not that one is outstanding.
    this.#wantedSinceMs = to >= this.#wantedVersion ? -1 : nowMs;
    return true;
  }

  /** Somebody waits for this filter version. */
  wantVersion(version: number, nowMs: number): void {
    if (version <= this.answeredVersion) return;
    if (this.#wantedSinceMs < 0) {
      this.#wantedSinceMs = nowMs;
      this.#wantedAtMs = nowMs;
    }
    this.#wantedVersion = Math.max(this.#wantedVersion, version);
  }

  /** Repeats what stayed unanswered. */
  tick(nowMs: number): void {
    if (this.done === undefined && nowMs - this.#presentAtMs >= ASK_AGAIN_MS) {
      if (this.#presentSinceMs < 0) this.#presentSinceMs = nowMs;
      this.#presentAtMs = nowMs;
      this.#send({ t: 'present', inc: this.#incarnation });
    }
    if (this.#wantedSinceMs >= 0 && nowMs - this.#wantedAtMs >= ASK_AGAIN_MS) {
      this.#askEffective(nowMs);
    }
  }

  /** For the report: something asked of this owner has been waiting too long. */
  unanswered(nowMs: number): boolean {
    return (
      (this.#presentSinceMs >= 0 && nowMs - this.#presentSinceMs > UNANSWERED_MS) ||
      (this.#wantedSinceMs >= 0 && nowMs - this.#wantedSinceMs > UNANSWERED_MS)
    );
  }

  #askAgain(nowMs: number): void {
    const from = this.done ?? 0;
    const answers = this.#answers;
    const isSame = from === this.#againFrom && answers === this.#againAnswers;
    if (isSame && nowMs - this.#againAtMs < ASK_AGAIN_MS) return;
    this.#againFrom = from;
    this.#againAnswers = answers;
    this.#againAtMs = nowMs;
    this.gaps++;
    this.#send({ t: 'again', inc: this.#incarnation, epoch: this.epoch, from, answers });
  }

  #askEffective(nowMs: number): void {
    if (nowMs - this.#wantedAtMs < ASK_AGAIN_MS && this.#wantedAtMs !== -Infinity) return;
    this.#wantedAtMs = nowMs;
    const version = this.answeredVersion;
    this.#send({ t: 'effective', inc: this.#incarnation, epoch: this.epoch, version });
  }
}
