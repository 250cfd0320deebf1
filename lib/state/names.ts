/** Names of the state logs: one stream, one subject per reader group and partition. */
import { twoDigits } from '#base';
import type { StreamConfig } from '#bus';

/** De-duplication window of state streams, ms; a repeat after it is told by its own bytes. */
const STATE_DUPLICATE_WINDOW_MS = 30_000;

export function stateStream(group: string, partition: number): string {
  return `STATE_${group}_${twoDigits(partition)}`;
}

export function stateSubject(group: string, partition: number): string {
  return `state.${group}.${twoDigits(partition)}`;
}

/** Where others append marks to a state log that they follow (ADR 0012, S2). */
export function markSubject(group: string, partition: number): string {
  return `mark.${group}.${twoDigits(partition)}`;
}

/** The stream of one state log, as control creates it. `marks`: others append marks to it. */
export function stateStreamConfig(
  group: string,
  partition: number,
  replicas: number,
  marks = false,
): StreamConfig {
  const own = stateSubject(group, partition);
  return {
    name: stateStream(group, partition),
    subjects: marks ? [own, markSubject(group, partition)] : [own],
    replicas,
    duplicateWindowMs: STATE_DUPLICATE_WINDOW_MS,
    allowDirect: true,
  };
}
