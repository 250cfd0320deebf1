/**
 * Report — the sums of all ledgers as a table, what is broken with the faults around it, and the
 * whole as JSON.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Broken } from './broken.ts';
import type { RecordedFault } from './fault-plan.ts';
import type { FaultReport } from './fault-run.ts';
import type { Publication } from './ledger.ts';
import type { Sums } from './role.ts';

const BROKEN_SHOWN_MAX = 10;
const BEFORE_MS = 15_000;
const AFTER_MS = 5_000;

const COLUMNS: readonly (readonly [title: string, of: (sums: Sums) => string | number])[] = [
  ['who', ({ who }) => who],
  ['lives', ({ lives }) => lives],
  ['connections', ({ connections }) => connections],
  ['entitled', ({ entitled }) => entitled],
  ['received', ({ received }) => received],
  ['lost', ({ lost }) => lost],
  ['twice', ({ duplicates }) => duplicates],
  ['sent again', ({ excused }) => excused],
  ['out of order', ({ outOfOrder }) => outOfOrder],
];

export function renderReport(report: FaultReport): string[] {
  const { ledger, history, broken, off, seed } = report;
  const faults = [...history.counts()].map(([name, count]) => `${name} ${count}`);
  const fates = (['acknowledged', 'refused', 'unsure', 'open'] as const).map(
    (fate) => `${ledger.count(fate)} ${fate}`,
  );
  const repeats = ledger.messages.reduce((sum, message) => sum + message.repeats, 0);
  return [
    '',
    ...renderTable(report.sums),
    '',
    `published ${ledger.messages.length}: ${fates.join(', ')} (QoS 0 counts as unsure)`,
    `sent again by publishers ${repeats}, connections lost ${report.publisherConnectionsLost}`,
    `faults ${history.strikes.length}${faults.length > 0 ? `: ${faults.join(', ')}` : ''}`,
    `gateways that lost their lease ${report.leasesLost}`,
    ...[...off].map(([role, why]) => `role off: ${role} (${why})`),
    ...renderBroken(report, broken),
    broken.length === 0 ? `seed ${seed}: nothing broken` : `seed ${seed}: ${broken.length} BROKEN`,
  ];
}

function renderTable(sums: readonly Sums[]): string[] {
  const rows = [
    COLUMNS.map(([title]) => title),
    ...sums.map((row) => COLUMNS.map(([, of]) => String(of(row)))),
  ];
  const widths = COLUMNS.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  '),
  );
}

function renderBroken({ history }: FaultReport, broken: readonly Broken[]): string[] {
  const first = broken.toSorted((a, b) => a.atMs - b.atMs).slice(0, BROKEN_SHOWN_MAX);
  return first.flatMap(({ what, who, text, atMs }) => [
    '',
    `${what.toUpperCase()} ${who} at ${history.time(atMs)}: ${text}`,
    ...history.around(who, atMs, BEFORE_MS, AFTER_MS).map((line) => `    ${line}`),
  ]);
}

/** All of it, and the last lines of the cluster. */
export function writeReport(file: string, report: FaultReport, logs: string): void {
  const { ledger, history, broken, off, sums, roles, seed, run } = report;
  const whole = {
    ...{ seed, run, roles, off: Object.fromEntries(off), sums },
    strikes: history.record(),
    faults: history.strikes.map((strike) => history.line(strike)),
    notes: history.notes.map(({ atMs, who, text }) => `${history.time(atMs)} ${who} ${text}`),
    broken: broken.map(({ publication, ...rest }) => ({
      ...rest,
      at: history.time(rest.atMs),
      ...(publication === undefined ? {} : { publication: row(publication) }),
    })),
    publications: [...ledger.messages, ...ledger.wills].map(row),
    logs: logs.split('\n'),
  };
  writeFileSync(file, `${JSON.stringify(whole, null, 1)}\n`);
}

/** Of a report that was written by `writeReport`. */
export function readStrikes(file: string): readonly RecordedFault[] {
  const { strikes } = JSON.parse(readFileSync(file, 'utf8')) as { strikes: RecordedFault[] };
  return strikes;
}

function row({ kind, id, publisher, topic, number, qos, ...rest }: Publication): unknown[] {
  const { sentMs, settledMs, fate, repeats } = rest;
  const times = [sentMs, settledMs ?? -1].map((ms) => Math.round(ms));
  return [kind, id, publisher, topic, number, qos, ...times, fate, repeats];
}
