/** Rows of the bench of sessions, and how they are chosen. */
import type { Row } from './row.ts';
import { FILING_ROW } from './row-filing.ts';
import { ONLINE_ROW, QOS2_ROW } from './row-pairs.ts';
import { RECORDS_ROW } from './row-records.ts';
import { RECOVERY_ROW, RETAINED_ROW } from './row-retained.ts';
import { SLEEPERS_ROW } from './row-sleepers.ts';
import { STORED_ROW } from './row-stored.ts';
import { STORM_ROW } from './row-storm.ts';
import { TAKEOVER_ROW } from './row-takeover.ts';

export const ROWS: readonly Row[] = [
  STORED_ROW,
  RECORDS_ROW,
  STORM_ROW,
  TAKEOVER_ROW,
  SLEEPERS_ROW,
  FILING_ROW,
  RETAINED_ROW,
  RECOVERY_ROW,
  QOS2_ROW,
  ONLINE_ROW,
];

/** `all`, or names separated by commas. Throws for an unknown name. */
export function selectRows(selection: string): readonly Row[] {
  if (selection === 'all') return ROWS;
  return selection.split(',').map((name) => {
    const row = ROWS.find((candidate) => candidate.name === name);
    if (row !== undefined) return row;
    const known = ROWS.map((candidate) => candidate.name).join(', ');
    throw new Error(`no row ${name}: there are all, ${known}`);
  });
}
