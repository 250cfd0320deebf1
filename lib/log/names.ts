/**
 * Names of the log: one stream per partition, one subject per (gateway incarnation, slot).
 *
 * The subject's tail tells a reader whose record it is, so the record itself need not (protocol 2).
 */
import { twoDigits } from '#base';
import type { StreamConfig } from '#bus';

/** Partitions a cluster may have; two decimal digits in names. */
export const PARTITIONS_MAX = 99;
export const PARTITIONS_DEFAULT = 2;

/**
 * De-duplication window of log streams, ms. Longer than any usual pause of a server; a copy that
 * lands later still is told by its record number (protocol 2). The log is never trimmed younger.
 */
export const DUPLICATE_WINDOW_MS = 30_000;

/** Bytes a second that one partition is laid out for. */
export const LOG_RATED_BYTES_DEFAULT = 8 * 1024 * 1024;
/** How long a reader may stand still at that rate before publishers get 0x97, seconds. */
export const LOG_WINDOW_SECONDS_DEFAULT = 1_024;
/** Bytes that one partition may hold: 8 GiB. */
const LOG_BYTES_MAX_DEFAULT = LOG_RATED_BYTES_DEFAULT * LOG_WINDOW_SECONDS_DEFAULT;

export function logStream(partition: number): string {
  return `LOG_${twoDigits(partition)}`;
}

export function logSubject(partition: number, incarnation: string, slot: number): string {
  return `log.${twoDigits(partition)}.${incarnation}.${slot}`;
}

/** The stream of one partition, as control creates it. */
export function logStreamConfig(
  partition: number,
  replicas: number,
  bytesMax = LOG_BYTES_MAX_DEFAULT,
): StreamConfig {
  return {
    name: logStream(partition),
    subjects: [`log.${twoDigits(partition)}.>`],
    replicas,
    bytesMax,
    duplicateWindowMs: DUPLICATE_WINDOW_MS,
    allowDirect: true,
  };
}

/** Writer of the wills of a home (ADR 0014): its successors write under the same name. */
export function willWriter(home: number): string {
  return `will-${home}`;
}

/** Whether a writer's numbers count for ever, not only for one life of a process. */
export function isLastingWriter(writer: string): boolean {
  return writer.startsWith('will-');
}

/** `<incarnation>.<slot>` of a log subject: the writer whose record numbers rise. */
export function writerOfSubject(subject: string): string {
  return subject.slice('log.00.'.length);
}
