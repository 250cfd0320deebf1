/**
 * Partition appender — one gateway's way into one log partition: group commit (protocol 1–3).
 *
 * Shape: open → (sealed queue) → one record in flight. Whatever arrives while a record is being
 *        written shares the next one: idle costs no wait, busy means records of hundreds.
 * Order: one unresolved record per (gateway, partition), so a topic is never reordered by a retry
 *        and lanes are not needed (docs/adr/0007).
 * Ends:  full → `add` still takes the message but says so; the caller stops reading sockets until
 *        `onDrain`. A record is repeated under the same id until decided; never given up.
 * Stand-still: while paused nothing is sent and no result is told; both are made up at `resume`.
 */
import type { Clock, Timer } from '#base';
import { type AppendResult, type Bus } from '#bus';
import type { PublishView } from '#mqtt';
import type { ExactlyOnceKey } from './exactly-once-key.ts';
import { DUPLICATE_WINDOW_MS, logStream, logSubject } from './names.ts';
import { RECORD_MESSAGES_MAX } from './position.ts';
import { RELEASE_BYTES } from './record-layout.ts';
import { recordNumber } from './record-reader.ts';
import { messageLength, RecordBuilder } from './record.ts';

/** Messages in one record. Range 1–1,024; larger records share one fsync among more messages. */
export const RECORD_MESSAGES_DEFAULT = RECORD_MESSAGES_MAX;
/** Bytes of one record before it is closed. Range 4 KiB – 512 KiB; readers like 64–256 KiB. */
export const RECORD_BYTES_DEFAULT = 256 * 1024;
/**
 * Unresolved bytes per partition at which sockets stop being read. About a second of a slow disk.
 */
export const PENDING_BYTES_DEFAULT = 4 * 1024 * 1024;
/** First wait before a repeat; doubles up to RETRY_MS_MAX. */
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 1_000;
/** Unanswered for so long: ask the leader for the last message before repeating (protocol 2). */
const ASK_LAST_AFTER_MS = DUPLICATE_WINDOW_MS / 4;

/** Gets the outcome of a message; `token` is the caller's. */
export interface AppendOwner {
  appended(token: number, outcome: 'stored' | 'full'): void;
}

interface SealedRecord {
  readonly number: number;
  readonly bytes: Buffer;
  readonly owners: (AppendOwner | undefined)[];
  readonly tokens: number[];
  /** Entries of these that are no messages. */
  readonly releases: number;
  firstSentMs: number;
  attempts: number;
}

export interface AppenderOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly partition: number;
  readonly incarnation: string;
  readonly recordMessagesMax?: number;
  readonly recordBytesMax?: number;
  readonly pendingBytesMax?: number;
  /** Pending fell below half of its limit after `add` had said full. */
  readonly onDrain: () => void;
}

export class PartitionAppender {
  /** Plain counters, read at scrape time. */
  recordsStored = 0;
  messagesStored = 0;
  releasesStored = 0;
  bytesStored = 0;
  repeats = 0;
  recordsRefusedFull = 0;
  /** Answers that no repeat should need: a fault of set-up. Repeated all the same. */
  failures = 0;

  readonly #o: AppenderOptions;
  readonly #stream: string;
  readonly #subject: string;
  readonly #messagesMax: number;
  readonly #bytesMax: number;
  readonly #pendingMax: number;
  readonly #builder = new RecordBuilder();
  #owners: (AppendOwner | undefined)[] = [];
  #tokens: number[] = [];
  #releases = 0;
  #sealed: SealedRecord[] = [];
  #inFlight: SealedRecord | undefined;
  #decided: AppendResult | undefined;
  #pendingBytes = 0;
  #full = false;
  #nextNumber = 1;
  #flushPlanned = false;
  #paused = false;
  #closed = false;
  #timer: Timer | undefined;

  constructor(options: AppenderOptions) {
    this.#o = options;
    this.#stream = logStream(options.partition);
    this.#subject = logSubject(options.partition, options.incarnation, 0);
    this.#messagesMax = options.recordMessagesMax ?? RECORD_MESSAGES_DEFAULT;
    this.#bytesMax = options.recordBytesMax ?? RECORD_BYTES_DEFAULT;
    this.#pendingMax = options.pendingBytesMax ?? PENDING_BYTES_DEFAULT;
  }

  get pendingBytes(): number {
    return this.#pendingBytes + this.#builder.bytes;
  }
  /** Whether nothing waits and nothing is under way. */
  get idle(): boolean {
    return this.#inFlight === undefined && this.#builder.count === 0 && this.#sealed.length === 0;
  }

  /**
   * Queues a message. `owner.appended(token)` follows unless `owner` is undefined (nobody waits).
   * False: taken, but the pipeline is full; stop until `onDrain`. `key`: the message is of QoS 2
   * and from a stored session; borrowed for the call.
   */
  add(
    view: PublishView,
    expiresAtSeconds: number,
    liveElsewhere: boolean,
    owner: AppendOwner | undefined,
    token: number,
    key?: ExactlyOnceKey,
  ): boolean {
    const length = messageLength(view, key);
    if (!this.#builder.fits(length, this.#messagesMax, this.#bytesMax)) this.#seal();
    const { publisherConnection } = view;
    this.#builder.add(view, length, expiresAtSeconds, publisherConnection, liveElsewhere, key);
    return this.#added(owner, token);
  }

  /**
   * Queues the release of a key, in order with the messages; `owner.appended(token)` follows as for
   * these. Outcome `full`: nothing is in the log, release it again (protocol 5).
   */
  addRelease(key: ExactlyOnceKey, owner: AppendOwner | undefined, token: number): boolean {
    if (!this.#builder.fits(RELEASE_BYTES, this.#messagesMax, this.#bytesMax)) this.#seal();
    this.#builder.addRelease(key);
    this.#releases++;
    return this.#added(owner, token);
  }

  #added(owner: AppendOwner | undefined, token: number): boolean {
    this.#owners.push(owner);
    this.#tokens.push(token);
    if (this.#inFlight === undefined && !this.#flushPlanned) {
      this.#flushPlanned = true;
      this.#o.clock.whenIdle(() => this.#flush());
    }
    if (this.#pendingBytes + this.#builder.bytes > this.#pendingMax) this.#full = true;
    return !this.#full;
  }

  /** Stand still: send nothing, tell nothing. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    const decided = this.#decided;
    const record = this.#inFlight;
    this.#decided = undefined;
    if (record === undefined) this.#flush();
    else if (decided !== undefined) this.#onResult(record, decided);
    else this.#planRepeat();
  }

  /** Ends for good; nothing is called back any more. */
  close(): void {
    this.#closed = true;
    if (this.#timer !== undefined) this.#o.clock.cancel(this.#timer);
  }

  #seal(): void {
    const number = this.#nextNumber++;
    const bytes = this.#builder.take(number, this.#o.clock.wallMs());
    this.#pendingBytes += bytes.length;
    this.#sealed.push({
      number,
      bytes,
      owners: this.#owners,
      tokens: this.#tokens,
      releases: this.#releases,
      firstSentMs: 0,
      attempts: 0,
    });
    this.#owners = [];
    this.#tokens = [];
    this.#releases = 0;
  }

  #flush(): void {
    this.#flushPlanned = false;
    if (this.#closed || this.#paused || this.#inFlight !== undefined) return;
    if (this.#sealed.length === 0) {
      if (this.#builder.count === 0) return;
      this.#seal();
    }
    this.#inFlight = this.#sealed.shift();
    this.#send();
  }

  #send(): void {
    const record = this.#inFlight;
    if (record === undefined) return;
    if (record.attempts === 0) record.firstSentMs = this.#o.clock.nowMs();
    else this.repeats++;
    record.attempts++;
    this.#o.bus.append(
      {
        stream: this.#stream,
        subject: this.#subject,
        payload: record.bytes,
        messageId: `${this.#o.incarnation}.0.${record.number}`,
      },
      (result) => this.#onResult(record, result),
    );
  }

  #onResult(record: SealedRecord, result: AppendResult): void {
    // A repeat may be answered twice: only the record still under way is decided.
    if (this.#closed || this.#inFlight !== record) return;
    if (this.#paused) {
      this.#decided = result;
      return;
    }
    if (result.kind === 'stored') this.#finish('stored');
    else if (result.kind === 'full') this.#finish('full');
    else {
      if (result.kind === 'failed' || result.kind === 'refused') this.failures++;
      this.#planRepeat();
    }
  }

  #planRepeat(): void {
    const record = this.#inFlight;
    if (record === undefined || this.#timer !== undefined) return;
    const wait = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(record.attempts - 1, 5));
    this.#timer = this.#o.clock.after(wait, () => {
      this.#timer = undefined;
      if (this.#closed || this.#paused) return;
      if (this.#o.clock.nowMs() - record.firstSentMs < ASK_LAST_AFTER_MS) this.#send();
      else this.#askLast(record);
    });
  }

  /** After the duplicate window an id no longer protects: the leader's last record decides. */
  #askLast(record: SealedRecord): void {
    this.#o.bus.lastOnSubject(this.#stream, this.#subject, (result) => {
      if (this.#closed || this.#inFlight !== record) return;
      if (result.kind === 'undecided') this.#planRepeat();
      else if (result.kind === 'found' && recordNumber(result.message.payload) >= record.number) {
        const { sequence } = result.message;
        this.#onResult(record, { kind: 'stored', sequence, duplicate: true });
      } else if (this.#paused) this.#planRepeat();
      else this.#send();
    });
  }

  #finish(outcome: 'stored' | 'full'): void {
    const record = this.#inFlight;
    if (record === undefined) return;
    this.#inFlight = undefined;
    // A repeat that was planned is for this record; left standing, the next one's would never be.
    if (this.#timer !== undefined) this.#o.clock.cancel(this.#timer);
    this.#timer = undefined;
    this.#pendingBytes -= record.bytes.length;
    if (outcome === 'stored') {
      this.recordsStored++;
      this.messagesStored += record.tokens.length - record.releases;
      this.releasesStored += record.releases;
      this.bytesStored += record.bytes.length;
    } else this.recordsRefusedFull++;
    // The next record goes first, so that the disk works while acknowledgements are written.
    this.#flush();
    const { owners, tokens } = record;
    for (let i = 0; i < tokens.length; i++) {
      owners[i]?.appended(tokens[i] as number, outcome);
    }
    if (this.#full && this.pendingBytes < this.#pendingMax / 2) {
      this.#full = false;
      this.#o.onDrain();
    }
  }
}
