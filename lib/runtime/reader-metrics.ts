/**
 * What every reader of the log shows about its partitions, by reader group; read at scrape time.
 */
import type { Metrics, Sample } from './metrics.ts';

/** As lib/reader has it. */
export interface ReaderFigures {
  readonly partition: number;
  readonly lagRecords: number;
  readonly logBytes: number;
  readonly logBytesMax: number;
  readonly logSecondsLeft: number;
  readonly stateBytes: number;
  readonly stateLiveBytes: number;
  readonly stateRecordsWritten: number;
}

export function addReaderMetrics(
  metrics: Metrics,
  group: string,
  figures: () => readonly ReaderFigures[],
): void {
  const per = (read: (one: ReaderFigures) => number) => (): Sample[] =>
    figures().map((one): Sample => [{ group, partition: String(one.partition) }, read(one)]);
  metrics.gauge(
    'weir_reader_lag_records',
    'Log records not yet read by the owner of the partition',
    per((one) => one.lagRecords),
  );
  metrics.gauge(
    'weir_reader_log_bytes',
    'Bytes of the log: what some reader group still needs',
    per((one) => one.logBytes),
  );
  metrics.gauge(
    'weir_reader_log_limit_bytes',
    'Bytes that the log may hold; full means 0x97 to publishers. 0: no limit',
    per((one) => one.logBytesMax),
  );
  metrics.gauge(
    'weir_reader_log_full_in_seconds',
    'Until the log is full if it goes on growing as now; +Inf: it does not grow',
    per((one) => one.logSecondsLeft),
  );
  metrics.gauge(
    'weir_reader_state_bytes',
    'Bytes of the state log',
    per((one) => one.stateBytes),
  );
  metrics.gauge(
    'weir_reader_state_live_bytes',
    'Bytes of its current entries; it is kept below about three times these',
    per((one) => one.stateLiveBytes),
  );
  metrics.counter(
    'weir_reader_state_records_total',
    'Records written to the state log, each one sync of the disk',
    per((one) => one.stateRecordsWritten),
  );
}
