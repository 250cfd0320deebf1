/**
 * Lease records — what stands on a subject of the lease stream: a version byte and JSON
 * (proto/wire/lease.md). `holder` and `number` make every write unlike every other one, so a
 * writer recognises its own bytes (protocol 6).
 */
import { Fault } from '#base';
import type { Position } from '#log';

export const LEASE_VERSION = 1;

/** `held`: alive. `released`: given back by its holder. `ended`: ended by an observer. */
export type LeaseState = 'held' | 'released' | 'ended';

export interface LeaseRecord<T> {
  /** Who wrote: the holder's incarnation, or for `ended` the observer's. */
  readonly holder: string;
  /** Rises with each write of this holder. */
  readonly number: number;
  readonly state: LeaseState;
  readonly content: T;
}

/** Content of a gateway's record (protocol 8). Fields of later versions are kept. */
export interface GatewayReport {
  readonly incarnation: string;
  readonly instance: string;
  /** Per partition: everything up to here is delivered to its sessions; null: no start. */
  readonly done: readonly (Position | null)[];
  /** Per partition: nothing that a live stored session was to get up to here is open (S7). */
  readonly floor?: readonly (Position | null)[];
  /** Per home: highest revision of session records known; the floor counts with them (S7). */
  readonly known?: readonly number[];
  /** Per partition: number of the last beacon heard. */
  readonly heard: readonly number[];
  /** Per partition: whether requests to its owner stay unanswered. */
  readonly unanswered: readonly boolean[];
  /** Version of this gateway's clean filters. */
  readonly filterVersion: number;
  readonly [later: string]: unknown;
}

/** Content of a reader record (protocol 7). */
export interface ReaderReport {
  /** Member that owns the partition; null: nobody. */
  readonly owner: string | null;
  readonly instance: string;
  /** Revision of the taking write; 0 in that write itself (see `readerEpoch`). */
  readonly epoch: number;
  /** Checkpoint that stands durable in the state log; what the log is trimmed by. */
  readonly checkpoint: Position;
  /** Gateways for which this or the last owner gave the partition up (protocol 9). */
  readonly stuckOn: readonly string[];
  readonly [later: string]: unknown;
}

/** Content of a member record. */
export interface MemberReport {
  readonly instance: string;
  readonly partitions: readonly number[];
  readonly [later: string]: unknown;
}

export function encodeLease<T>(record: LeaseRecord<T>): Buffer {
  const text = JSON.stringify(record);
  const bytes = Buffer.allocUnsafe(1 + Buffer.byteLength(text, 'utf8'));
  bytes[0] = LEASE_VERSION;
  bytes.write(text, 1, 'utf8');
  return bytes;
}

/** The record; Fault WEIR_WIRE for bytes of another version. */
export function decodeLease<T>(bytes: Buffer): LeaseRecord<T> {
  if (bytes[0] !== LEASE_VERSION) {
    throw new Fault('WEIR_WIRE', `lease record of unknown version ${bytes[0] ?? 'none'}`);
  }
  try {
    return JSON.parse(bytes.toString('utf8', 1)) as LeaseRecord<T>;
  } catch (cause) {
    throw new Fault('WEIR_WIRE', 'lease record is not JSON', cause);
  }
}
