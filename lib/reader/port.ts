/**
 * What a reader group runs per owned partition, and what it is given (protocol 7, 9–12, 25).
 *
 * Life:  the group takes the partition, marks and recovers its state log, makes the logic and calls
 *        `prepare`; after `ready` the log is read from the checkpoint: `record` in order, each
 *        once per owner. `standStill`/`goOn` any number of times, then `end` once.
 * Fence: nothing is called while the lease is not held; the logic does nothing to the outside
 *        between `standStill` and `goOn`, and after `end`.
 */
import type { Clock, Random } from '#base';
import type { Bus } from '#bus';
import type { LeaseView, ObserverClock } from '#lease';
import type { Position } from '#log';
import type { StateTables } from '#state';

/** Reader groups of every cluster; the log is kept until each has passed. */
export const DISPATCH_GROUP = 'dispatch';
export const ROUTER_GROUP = 'router';
export const READER_GROUPS: readonly string[] = [DISPATCH_GROUP, ROUTER_GROUP];

/** A record of the log as handed to the logic. Borrowed, `payload` too: copy what you keep. */
export interface LogRecordView {
  /** Stream sequence; message i stands at `positionOf(sequence, i)`. */
  readonly sequence: number;
  /** Bytes of the record. */
  readonly payload: Buffer;
  /** `<incarnation>.<slot>` that appended it. */
  readonly writer: string;
  readonly storedAtMs: number;
  /** Messages at or below this position are dealt with already: skip them (first record only). */
  readonly after: Position;
  /** An earlier owner decided about it, and put what follows from it into the state log. */
  readonly decidedBefore: boolean;
  /**
   * Indexes of messages that are repeats (QoS 2, protocol 25), ascending: never dispatch them. Not
   * borrowed. `new RecordReader(payload, skipped)` passes over them.
   */
  readonly skipped: readonly number[];
}

export interface PartitionLogic {
  /** Recover what precedes reading; call `ready` once, when records may come. */
  prepare(ready: () => void): void;
  /** All effects on the state log are put before it returns. */
  record(record: LogRecordView): void;
  /** The whole record at `sequence` was a copy (its number was not above its writer's last). */
  copySkipped?(sequence: number): void;
  /**
   * Asked once a second: whether records matter now. While false, nothing is read and what was
   * stored some seconds ago is passed over (`copySkipped`). Default: always.
   */
  wantsRecords?(): boolean;
  /** ≤ everything that still needs a record of the log. Asked often: cheap. */
  checkpoint(): Position;
  /**
   * Whether the stored session of this generation exists. Asked about one that left packet
   * identifiers of QoS 2 open and was silent for ten minutes of log time: if not, they are
   * forgotten. Default: not known; they are kept for a day.
   */
  hasSession?(generation: number): boolean;
  standStill(): void;
  goOn(): void;
  /** Over: by release, refusal or fence. Forget everything; nothing is called afterwards. */
  end(): void;
}

export interface PartitionContext {
  readonly group: string;
  readonly partition: number;
  readonly partitions: number;
  /** Revision of the taking write: higher than every earlier owner's. */
  readonly epoch: number;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  readonly state: StateTables;
  /** Has caught up with the taking write when the logic is made. */
  readonly leases: LeaseView;
  /** Where reading begins (behind it). */
  readonly checkpoint: Position;
  /** Position up to which an earlier owner decided. */
  readonly decided: Position;
  /** Gateways for which the last owner gave this partition up (protocol 9). */
  readonly stuckBefore: readonly string[];
  /** Time in which this process's own writes were acknowledged: for every counter of rule 9. */
  readonly observer: ObserverClock;
  /** Checked before acting after any pause. */
  holds(): boolean;
  /** Stop and go on receiving records; what is on its way is kept by the reader. */
  pause(): void;
  resume(): void;
  /** Last sequence of the log known, and whether everything up to it was handed over. */
  readonly headSequence: number;
  /** Give the partition to another process; `stuckOn` marks it (protocol 9). */
  giveUp(stuckOn: readonly string[]): void;
  /** Ends a gateway's lease at the revision seen; the view tells when it is ended. */
  endGateway(incarnation: string, why: string): void;
}

/** How an owned partition is doing, for metrics. */
export interface PartitionFigures {
  readonly partition: number;
  /** Log records not yet handed to the logic, as far as known. */
  readonly lagRecords: number;
  readonly logBytes: number;
  /** 0 = no limit. */
  readonly logBytesMax: number;
  /** Until the log is full at the growth seen last; Infinity: it does not grow. */
  readonly logSecondsLeft: number;
  readonly stateBytes: number;
  /** Of current entries; the state log is kept below about three times this. */
  readonly stateLiveBytes: number;
  /** Each is a sync of the disk. */
  readonly stateRecordsWritten: number;
}

/** What a reader process tells about its partitions; `kind` is a log message and a counter. */
export interface ReaderEvent {
  readonly kind:
    | 'partition taken'
    | 'partition reading'
    | 'partition given up'
    | 'partition lost'
    | 'state log fenced'
    | 'standing still'
    | 'going on'
    | 'log gap'
    | 'log not trimmed'
    | 'record unreadable'
    | 'gateway ended'
    | 'bus trouble';
  readonly partition?: number;
  readonly epoch?: number;
  readonly incarnation?: string;
  readonly detail?: string;
}

/** Whether an event is worth a warning; the others are the usual life of a group. */
export function isReaderTrouble({ kind }: ReaderEvent): boolean {
  if (kind === 'going on') return false;
  return !kind.startsWith('partition ') || kind === 'partition lost';
}

export interface ReaderGroupOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  readonly group: string;
  readonly partitions: number;
  /** Name of this process for people. */
  readonly instance: string;
  /** Name of this process's life, [A-Za-z0-9_-]: never used twice (instance, random tail). */
  readonly member: string;
  /** Called with the lease held and the state log recovered. */
  readonly makeLogic: (context: PartitionContext) => PartitionLogic;
  readonly onEvent: (event: ReaderEvent) => void;
  /** Tables of the logic's whose values stay in memory. Default: none. */
  readonly residentTables?: ReadonlySet<number>;
  /** Ends gateways that no longer renew. Default: only the dispatchers' group. */
  readonly endsGateways?: boolean;
  /** Groups that must have registered before the log is trimmed. Default READER_GROUPS. */
  readonly trimsFor?: readonly string[];
}

/** A process of a reader group: `new ReaderGroup(options)`, then `start`. */
export interface ReaderGroupHandle {
  readonly leases: LeaseView;
  /** Partitions owned now whose logic has been made. */
  readonly owned: ReadonlyMap<number, PartitionLogic>;
  start(): void;
  /** Gives up all partitions at once (SIGTERM); called when that is written. */
  leave(onDone: () => void): void;
  /** Ends without a word, as a killed process would. */
  kill(): void;
}
