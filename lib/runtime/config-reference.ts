/**
 * Configuration reference — the text of docs/configuration.md, made from the setting tables.
 */
import type { Setting, SettingTable } from './config.ts';

export interface ReferenceSection {
  readonly title: string;
  /** One sentence under the title. */
  readonly says: string;
  readonly table: SettingTable;
}

/** Markdown; the same tables give the same text, so that a check can compare. */
export function renderConfigReference(sections: readonly ReferenceSection[]): string {
  const head = [
    '# Configuration',
    '',
    'Made from the setting tables by `scripts/configuration.ts`; edit those, then run it again.',
    'Every process reads its settings from environment variables at its start, reports all faults',
    'together and exits with code 1 if there is one. An unset or empty variable takes the default.',
  ];
  const parts = sections.map(({ title, says, table }) =>
    ['', `## ${title}`, '', says, '', ...renderTable(table)].join('\n'),
  );
  return `${head.join('\n')}\n${parts.join('\n')}\n`;
}

function renderTable(table: SettingTable): string[] {
  return [
    '| variable | accepts | default | what it does |',
    '|---|---|---|---|',
    ...table.map(renderRow),
  ];
}

function renderRow(row: Setting): string {
  const reload = row.reloadable === true ? ' Changes without a restart.' : '';
  const cells = [`\`${row.env}\``, accepts(row), defaultOf(row), `${row.reason}${reload}`];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function accepts(row: Setting): string {
  const unit = row.unit === '' ? '' : ` ${row.unit}`;
  switch (row.type) {
    case 'integer':
    case 'number':
      return `${grouped(row.range[0])} … ${grouped(row.range[1])}${unit}`;
    case 'flag':
      return 'true, false';
    case 'choice':
      return row.range.join(', ');
    case 'text':
      return row.range === undefined ? 'text' : `\`${row.range.source}\``;
  }
}

function defaultOf(row: Setting): string {
  if (row.default === null) return '**must be set**';
  if (row.default === undefined) return 'none';
  return typeof row.default === 'number' ? grouped(row.default) : `\`${row.default}\``;
}

function grouped(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 6 });
}
