/**
 * Role — one kind of client in a run, with ledgers of its own; switched on by name.
 *
 * A role is on by default when the broker takes it, which the probe finds out at the start.
 */
import type { Random } from '#base';
import type { DevCluster } from '../fixtures/dev-cluster.ts';
import type { Broken } from './broken.ts';
import type { Entrance } from './entrance.ts';
import type { FaultHistory } from './fault-history.ts';
import type { Ledger } from './ledger.ts';

export const ROLES = [
  'clean',
  'slow',
  'moving',
  'stored',
  'qos2',
  'shared',
  'wills',
  'retained',
  'webhook',
] as const;
export type RoleName = (typeof ROLES)[number];

/** Everything but retained messages, which would come to new subscriptions once more. */
export function liveFilter(run: string): string {
  return `${run}/live/#`;
}

/** What all roles of a run share. */
export interface Ground {
  /** A word that no other run on this cluster uses: part of topics and client identifiers. */
  readonly run: string;
  readonly cluster: DevCluster;
  readonly ledger: Ledger;
  readonly entrance: Entrance;
  readonly random: Random;
  readonly history: FaultHistory;
  readonly isOn: (role: RoleName) => boolean;
}

/** One row of the table in the end. */
export interface Sums {
  readonly who: string;
  readonly lives: number;
  readonly connections: number;
  readonly entitled: number;
  readonly received: number;
  readonly lost: number;
  /** Again, without having been published again. */
  readonly duplicates: number;
  /** Again, as published again. */
  readonly excused: number;
  readonly outOfOrder: number;
}

export interface Verdict {
  readonly sums: readonly Sums[];
  readonly broken: readonly Broken[];
}

export interface Role {
  readonly name: RoleName;
  /** Resolves when it takes part. */
  start(): Promise<void>;
  /** Faults are over and publishing has ended: come back, catch up at full speed. */
  settle(): void;
  /** What is still to come: 0 = everybody is back and has everything. */
  owed(): number;
  judge(calm: boolean): Verdict;
  close(): Promise<void>;
}
