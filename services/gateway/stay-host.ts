/**
 * Stay host — what the partitions of all stored sessions here share, and how they reach the rest of
 * the gateway (docs/adr/0012). The stay table is the one; tests have another.
 */
import type { Position } from '#log';
import type { PublishView } from '#mqtt';
import type { PassedIdentifiers } from './inherited-identifiers.ts';
import type { Delivery, LocalClient } from './port.ts';
import type { QueueDesk } from './queue-desk.ts';
import type { StayPartition } from './stay-partition.ts';

/** A live delivery open for so long has its session filed again: it holds the checkpoint, ms. */
export const LAG_MS = 3_000;
/** Bytes held for one session and partition, default 1 MiB: a drain takes milliseconds. */
export const HELD_BYTES_MAX = 1024 * 1024;
/** Bytes held for all sessions of a gateway, 128 MiB: in a storm thousands of them drain. */
export const HELD_BYTES_ALL_MAX = 128 * 1024 * 1024;
/** A queue read to its end by a session that may not be live is looked at again after this. */
export const LOOK_AGAIN_MS = 500;

export type StayMode = 'reading' | 'asking' | 'draining' | 'live' | 'refiling';
/** Why a session was filed again: no capacity, not acknowledged, too much held. */
export type RefilingCause = 'slow' | 'lag' | 'held';

/** What a session's subscriptions ask of a message now. */
export interface Match {
  readonly qos: 0 | 1 | 2;
  readonly delivery: Delivery;
}

/** A stay, as its partitions see it. */
export interface StayTerms extends PassedIdentifiers {
  readonly client: LocalClient;
  readonly generation: number;
  /** Revision of the attach. */
  readonly stay: number;
  /** Version of this gateway's filters that has all of the session's. */
  readonly filterVersion: number;
  readonly ended: boolean;
}

export interface StayHost {
  readonly partitions: number;
  readonly desk: QueueDesk<StayPartition>;
  /** Borrowed for messages that were held. */
  readonly heldView: PublishView;
  readonly refilings: Record<RefilingCause, number>;
  heldBytes: number;
  delivered: number;
  /** Dropped as `message_expired`. */
  expired: number;
  nowMs(): number;
  hasExpired(view: PublishView): boolean;
  /** Undefined: no subscription of the session matches. */
  match(part: StayPartition, view: PublishView, position: Position): Match | undefined;
  /** Sends what its mode says: `live` or `file`. */
  ask(part: StayPartition): void;
  /** A number above all before. */
  newTurn(): number;
  /** A QoS 2 delivery whose message cannot come again: its home is told, then PUBREL. */
  closeOut(client: LocalClient, packetIdentifier: number): void;
  /** It wants `tick`, and counts in the floor, until it is idle. */
  attend(part: StayPartition): void;
}
