/** Table — the medians of all rounds side by side, ratios, goals and whether they are met. */
import type { Reading } from './generator.ts';
import type { Goal, Row } from './rows.ts';

export interface RowResult {
  readonly row: Row;
  /** Medians; absent when Mosquitto is not installed. */
  readonly mosquitto: Reading | undefined;
  readonly weir: Reading;
}

export function medianReading(readings: readonly Reading[]): Reading {
  const of = (pick: (reading: Reading) => number | undefined): number | undefined =>
    median(readings.flatMap((reading) => pick(reading) ?? []));
  const [p50, p99] = [of((reading) => reading.p50), of((reading) => reading.p99)];
  return {
    rate: of((reading) => reading.rate) ?? 0,
    cpuMicroseconds: of((reading) => reading.cpuMicroseconds) ?? 0,
    ...(p50 === undefined || p99 === undefined ? {} : { p50, p99 }),
  };
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  const lower = sorted[sorted.length % 2 === 1 ? middle : middle - 1];
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2;
}

/** Undefined: the row has no goal, or there is nothing to compare with. */
export function isGoalMet({ row, mosquitto, weir }: RowResult): boolean | undefined {
  if (row.goal === undefined || mosquitto === undefined) return undefined;
  const { cpuMax, throughputMin = 0 } = row.goal;
  return (
    weir.cpuMicroseconds <= mosquitto.cpuMicroseconds * cpuMax &&
    weir.rate >= mosquitto.rate * throughputMin
  );
}

const HEADINGS = ['', 'broker', 'per second', 'CPU µs each', 'p50 ms', 'p99 ms'];
const COMPARED = ['throughput', 'CPU', 'goal', ''];

export function renderTable(results: readonly RowResult[]): string {
  const lines = [[...HEADINGS, ...COMPARED]];
  for (const result of results) {
    const { row, mosquitto, weir } = result;
    if (mosquitto !== undefined) lines.push([row.says, 'Mosquitto', ...figures(mosquitto)]);
    const says = mosquitto === undefined ? row.says : '';
    lines.push([says, 'Weir', ...figures(weir), ...comparison(result)]);
  }
  const widths = [...HEADINGS, ...COMPARED].map((_, i) =>
    Math.max(...lines.map((cells) => cells[i]?.length ?? 0)),
  );
  return lines.map((cells) => renderLine(cells, widths)).join('\n');
}

function renderLine(cells: readonly string[], widths: readonly number[]): string {
  const pad = (text: string, i: number): string => {
    const width = widths[i] ?? 0;
    return i >= 2 && i <= 7 ? text.padStart(width) : text.padEnd(width);
  };
  return cells.map(pad).join('  ').trimEnd();
}

function figures(reading: Reading): string[] {
  const { rate, cpuMicroseconds, p50, p99 } = reading;
  const digits = cpuMicroseconds < 100 ? 2 : 0;
  return [
    Math.round(rate).toLocaleString('en'),
    cpuMicroseconds.toFixed(digits),
    p50?.toFixed(2) ?? '',
    p99?.toFixed(2) ?? '',
  ];
}

function comparison(result: RowResult): string[] {
  const { row, mosquitto, weir } = result;
  if (mosquitto === undefined) return [];
  const throughput = `${(weir.rate / mosquitto.rate).toFixed(1)} ×`;
  const cpu = part(weir.cpuMicroseconds / mosquitto.cpuMicroseconds);
  if (row.goal === undefined) return [throughput, cpu];
  return [throughput, cpu, renderGoal(row.goal), isGoalMet(result) === true ? 'met' : 'NOT MET'];
}

/** `1/5.2`, or `1.3 ×` when it is not less. */
function part(ratio: number): string {
  return ratio < 1 ? `1/${(1 / ratio).toFixed(1)}` : `${ratio.toFixed(1)} ×`;
}

function renderGoal({ cpuMax, throughputMin }: Goal): string {
  const cpu = `CPU ≤ ${part(cpuMax).replace('.0', '')}`;
  return throughputMin === undefined ? cpu : `≥ ${throughputMin} ×, ${cpu}`;
}
