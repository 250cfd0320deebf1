/**
 * Filing jobs — file for sessions that are live no more what they missed (S5, S6).
 *
 * Shape: sessions that leave in one turn share a job; it reads the records again from the lowest
 *        position that one of them needs, from the tail or the log, until it has reached the head;
 *        from then on they are filed as everybody. Until then the checkpoint stays below it.
 * Behind: more was to be filed than a turn of the loop allows. A job for everybody goes on from
 *        there, and nothing is filed by the dispatch until it has reached the head.
 * Pace:  STEP_BYTES and STEP_MS per turn and job; JOBS_MAX at once, who comes later shares the next
 *        one.
 * Gap:   what is trimmed already was below every checkpoint, so not owed; reading goes on behind.
 */
import type { Clock } from '#base';
import type { Bus } from '#bus';
import { type Position, positionAfterRecord, sequenceOf } from '#log';
import { sequenceAfter } from './catch-up.ts';
import { RecordSource } from './record-source.ts';
import type { RecordTail, TailRecord } from './record-tail.ts';
import type { BoardSession } from './session-board.ts';

/** Record bytes matched again per turn: about a millisecond. */
const STEP_BYTES = 256 * 1024;
/** A record may hold messages for very many sessions: then time ends the step. */
const STEP_MS = 4;
/** Wait before it is looked again whether reading may go on, ms. */
const FULL_WAIT_MS = 20;
/** Jobs of one partition that read at the same time. */
const JOBS_MAX = 4;

export interface FilingJobsOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly partition: number;
  readonly tail: RecordTail;
  readonly headPosition: () => Position;
  /** False: what is filed already has to become durable first. */
  readonly mayRead: () => boolean;
  /**
   * Files what is above `after` in the record for the sessions of the job, or for all that are
   * filed; as much as a turn allows. → up to where.
   */
  readonly file: (
    record: TailRecord,
    after: Position,
    isMine: ((session: BoardSession) => boolean) | undefined,
  ) => Position;
  readonly onJoined: (session: BoardSession) => void;
  /** What is dispatched is filed at once again. */
  readonly onCaughtUp: () => void;
}

interface Job {
  /** Undefined: everybody. */
  readonly sessions: Set<BoardSession> | undefined;
  /** Everything up to here is filed. */
  position: Position;
  source: RecordSource | undefined;
  /** A record that was filed in part, as far as `position`. */
  rest: TailRecord | undefined;
  planned: boolean;
}

export class FilingJobs {
  /** Records read again. */
  recordsRead = 0;

  readonly #o: FilingJobsOptions;
  readonly #running = new Set<Job>();
  #everybody: Job | undefined;
  /** Collects those that leave now; starts with the next turn. */
  #next: Job | undefined;
  #planned = false;
  #closed = false;

  constructor(options: FilingJobsOptions) {
    this.#o = options;
  }

  get size(): number {
    return this.#running.size + (this.#next === undefined ? 0 : 1);
  }

  /** Everything up to here is filed for all; Infinity: nothing is under way. */
  get position(): Position {
    let lowest = this.#next?.position ?? Infinity;
    for (const { position } of this.#running) if (position < lowest) lowest = position;
    return lowest;
  }

  /** Up to where who is filed has what the dispatch left out; Infinity: it is not behind. */
  get behindFrom(): Position {
    return this.#everybody?.position ?? Infinity;
  }

  /** The dispatch files nothing above `from` until this has caught up with it. */
  fallBehind(from: Position): void {
    if (this.#everybody !== undefined || this.#closed) return;
    const job = newJob(undefined, from);
    this.#everybody = job;
    this.#running.add(job);
    job.source = this.#sourceOf(job);
    this.#plan(job);
  }

  join(session: BoardSession, from: Position): void {
    const job = (this.#next ??= newJob(new Set(), from));
    job.sessions?.add(session);
    job.position = Math.min(job.position, from);
    this.#planStart();
  }

  /** The session has ended. */
  forget(session: BoardSession): void {
    this.#next?.sessions?.delete(session);
    for (const { sessions } of this.#running) sessions?.delete(session);
  }

  close(): void {
    this.#closed = true;
    for (const { source } of this.#running) source?.close();
    this.#running.clear();
    this.#next = undefined;
    this.#everybody = undefined;
  }

  get #hasRoom(): boolean {
    const joining = this.#running.size - (this.#everybody === undefined ? 0 : 1);
    return joining < JOBS_MAX;
  }

  #planStart(): void {
    if (this.#planned || !this.#hasRoom) return;
    this.#planned = true;
    this.#o.clock.whenIdle(() => {
      this.#planned = false;
      if (!this.#closed) this.#start();
    });
  }

  #start(): void {
    const job = this.#next;
    if (job === undefined || !this.#hasRoom) return;
    this.#next = undefined;
    this.#running.add(job);
    job.source = this.#sourceOf(job);
    this.#step(job);
  }

  #sourceOf(job: Job): RecordSource {
    const { bus, partition, tail, headPosition } = this.#o;
    return new RecordSource({
      bus,
      partition,
      tail,
      headSequence: () => sequenceOf(headPosition()),
      onReady: () => this.#plan(job),
      onTrimmed: (first) => {
        job.position = Math.max(job.position, positionAfterRecord(first - 1));
      },
    });
  }

  #plan(job: Job): void {
    if (job.planned || !this.#running.has(job)) return;
    job.planned = true;
    this.#o.clock.whenIdle(() => {
      job.planned = false;
      if (this.#running.has(job)) this.#step(job);
    });
  }

  #step(job: Job): void {
    if (!this.#o.mayRead()) {
      this.#o.clock.after(FULL_WAIT_MS, () => this.#plan(job));
      return;
    }
    const { clock, file } = this.#o;
    const { sessions } = job;
    const isMine =
      sessions === undefined ? undefined : (session: BoardSession) => sessions.has(session);
    const startMs = clock.nowMs();
    let bytes = 0;
    while (bytes < STEP_BYTES && clock.nowMs() - startMs < STEP_MS) {
      const next = job.rest ?? job.source?.next(sequenceAfter(job.position)) ?? 'head';
      if (next === 'head') return this.#finish(job);
      if (next === 'log') return;
      if (job.rest === undefined) this.recordsRead++;
      job.position = file(next, job.position, isMine);
      if (job.position < positionAfterRecord(next.sequence)) {
        // Its bytes are valid for this turn.
        job.rest ??= { ...next, payload: Buffer.from(next.payload) };
        break;
      }
      job.rest = undefined;
      bytes += next.payload.length;
    }
    this.#plan(job);
  }

  #finish(job: Job): void {
    job.source?.close();
    this.#running.delete(job);
    for (const session of job.sessions ?? []) this.#o.onJoined(session);
    if (job === this.#everybody) {
      this.#everybody = undefined;
      this.#o.onCaughtUp();
    }
    if (this.#next !== undefined) this.#planStart();
  }
}

function newJob(sessions: Set<BoardSession> | undefined, position: Position): Job {
  return { sessions, position, source: undefined, rest: undefined, planned: false };
}
