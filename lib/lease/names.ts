/**
 * Names of the lease stream: who lives. One message per subject, the last one counts.
 */
import { twoDigits } from '#base';
import type { StreamConfig } from '#bus';

export const LEASE_STREAM = 'GW';

/** De-duplication window of the lease stream, ms; a repeat after it is told by its own bytes. */
const LEASE_DUPLICATE_WINDOW_MS = 30_000;

/** A gateway's life. */
export function gatewayLeaseSubject(incarnation: string): string {
  return `gw.gateway.${incarnation}`;
}

/** Ownership of a partition within a reader group. */
export function readerLeaseSubject(group: string, partition: number): string {
  return `gw.reader.${group}.${twoDigits(partition)}`;
}

/** A process of a reader group that can own partitions. */
export function memberLeaseSubject(group: string, member: string): string {
  return `gw.member.${group}.${member}`;
}

/** The lease stream, as control creates it. */
export function leaseStreamConfig(replicas: number): StreamConfig {
  return {
    name: LEASE_STREAM,
    subjects: ['gw.>'],
    replicas,
    messagesPerSubjectMax: 1,
    duplicateWindowMs: LEASE_DUPLICATE_WINDOW_MS,
  };
}

export type LeaseName =
  | { readonly kind: 'gateway'; readonly incarnation: string }
  | { readonly kind: 'reader'; readonly group: string; readonly partition: number }
  | { readonly kind: 'member'; readonly group: string; readonly member: string };

/** What a subject of the lease stream names; undefined for one of a newer layout. */
export function parseLeaseSubject(subject: string): LeaseName | undefined {
  const [root, kind, first, second] = subject.split('.');
  if (root !== 'gw' || first === undefined) return undefined;
  if (kind === 'gateway') return { kind, incarnation: first };
  if (second === undefined) return undefined;
  if (kind === 'reader') return { kind, group: first, partition: Number(second) };
  if (kind === 'member') return { kind, group: first, member: second };
  return undefined;
}
