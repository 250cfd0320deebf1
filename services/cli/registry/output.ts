/**
 * Output — what the API answers as table, JSON or YAML, or only the names (`-o`).
 */
import { Option } from 'commander';
import { stringify } from 'yaml';

export const OUTPUT_FORMATS = ['table', 'json', 'yaml'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

export const LIST_FORMATS = [...OUTPUT_FORMATS, 'name'] as const;
export type ListFormat = (typeof LIST_FORMATS)[number];

/** Characters of a cell; longer texts end with `…`. */
const CELL_LENGTH_MAX = 60;

export function outputOption(): Option {
  return new Option('-o, --output <format>', 'form of the answer')
    .choices(OUTPUT_FORMATS)
    .default('table');
}

/** As `outputOption`; `name` prints one name a line, for other programs. */
export function listOutputOption(): Option {
  return new Option('-o, --output <format>', 'form of the answer')
    .choices(LIST_FORMATS)
    .default('table');
}

/** Without the line end. */
export function formatted(value: unknown, format: 'json' | 'yaml'): string {
  return format === 'json' ? JSON.stringify(value, undefined, 2) : stringify(value).trimEnd();
}

/** Columns as wide as they need; the first row is the head. */
export function tableLines(rows: readonly (readonly string[])[]): string[] {
  const cells = rows.map((row) => row.map(cell));
  const widths: number[] = [];
  for (const row of cells) {
    row.forEach((text, column) => {
      widths[column] = Math.max(widths[column] ?? 0, text.length);
    });
  }
  return cells.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** Control characters would move a terminal's cursor. */
function cell(text: string): string {
  const plain = text.replace(/\p{Cc}/gu, ' ');
  return plain.length > CELL_LENGTH_MAX ? `${plain.slice(0, CELL_LENGTH_MAX - 1)}…` : plain;
}
