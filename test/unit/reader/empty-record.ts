/** A log record without messages, for tests that count records only. */
import { RecordBuilder } from '#log';

export function emptyRecord(number: number): Buffer {
  return Buffer.from(new RecordBuilder().take(number, 0));
}
