/**
 * Configuration — one table row per setting; from environment text to a frozen, typed object.
 *
 * Shape: `loadConfig(TABLE, env)` reads every row and reports all faults together as one
 *        `Fault('WEIR_CONFIG')`, a line each with what to change. Type, parser and
 *        docs/configuration.md come from the same row.
 * Absent: a variable that is unset or empty takes the default. Default `null` = must be set;
 *         `undefined` = may be left out, the value is then `undefined`.
 * Write tables `as const satisfies SettingTable`: the result type is inferred from them.
 */
import { Fault } from '#base';

interface SettingBase {
  /** Property of the compiled configuration; camelCase, unit last. */
  readonly name: string;
  /** Environment variable: `WEIR_…`. */
  readonly env: string;
  /** `seconds`, `bytes`, `messages`, `port` …; empty for text and flags. */
  readonly unit: string;
  /** May change without a restart (through the control plane). Default false. */
  readonly reloadable?: boolean;
  /** One sentence: what it does and why the default is what it is. */
  readonly reason: string;
}

/** Whole number within `range`, both ends allowed. */
export interface IntegerSetting extends SettingBase {
  readonly type: 'integer';
  readonly range: readonly [min: number, max: number];
  readonly default: number | null | undefined;
}
/** Any finite number within `range`, both ends allowed. */
export interface NumberSetting extends SettingBase {
  readonly type: 'number';
  readonly range: readonly [min: number, max: number];
  readonly default: number | null | undefined;
}
/** Text; `range` is the pattern that the whole text must match (absent: any). */
export interface TextSetting extends SettingBase {
  readonly type: 'text';
  readonly range?: RegExp;
  readonly default: string | null | undefined;
}
/** `true`/`false`, also `1`/`0`, `yes`/`no`, `on`/`off`. */
export interface FlagSetting extends SettingBase {
  readonly type: 'flag';
  readonly default: boolean | null | undefined;
}
/** One of the words in `range`. */
export interface ChoiceSetting extends SettingBase {
  readonly type: 'choice';
  readonly range: readonly string[];
  readonly default: string | null | undefined;
}
export type Setting = IntegerSetting | NumberSetting | TextSetting | FlagSetting | ChoiceSetting;
export type SettingTable = readonly Setting[];

type Raw<Row extends Setting> = Row extends IntegerSetting | NumberSetting
  ? number
  : Row extends FlagSetting
    ? boolean
    : Row extends ChoiceSetting
      ? Row['range'][number]
      : string;
type Value<Row extends Setting> = undefined extends Row['default']
  ? Raw<Row> | undefined
  : Raw<Row>;

/** The compiled configuration of a table. */
export type Config<Table extends SettingTable> = {
  readonly [Row in Table[number] as Row['name']]: Value<Row>;
};

/** The environment: `process.env`, or what a test hands in. */
export type Environment = Readonly<Record<string, string | undefined>>;

export type Parsed =
  | { readonly ok: true; readonly value: number | boolean | string }
  | { readonly ok: false; readonly wants: string };

const FLAG_WORDS: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  1: true,
  false: false,
  no: false,
  off: false,
  0: false,
};

/** Reads one text as the row says; `wants` is the end of the sentence "… must be". */
export function parseSetting(row: Setting, text: string): Parsed {
  const wants = describeRange(row);
  switch (row.type) {
    case 'integer':
    case 'number': {
      const value = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
      if (row.type === 'integer' && !Number.isSafeInteger(value)) return { ok: false, wants };
      return isWithin(value, row.range) ? { ok: true, value } : { ok: false, wants };
    }
    case 'flag': {
      const value = FLAG_WORDS[text.toLowerCase()];
      return value === undefined ? { ok: false, wants } : { ok: true, value };
    }
    case 'choice':
      return row.range.includes(text) ? { ok: true, value: text } : { ok: false, wants };
    case 'text':
      return fits(text, row.range) ? { ok: true, value: text } : { ok: false, wants };
  }
}

/** What the row accepts, as the end of the sentence "… must be". */
export function describeRange(row: Setting): string {
  switch (row.type) {
    case 'integer':
      return `a whole number from ${row.range[0]} to ${row.range[1]}`;
    case 'number':
      return `a number from ${row.range[0]} to ${row.range[1]}`;
    case 'flag':
      return 'true or false';
    case 'choice':
      return `one of ${row.range.join(', ')}`;
    case 'text':
      return row.range === undefined ? 'text' : `text that matches ${row.range.source}`;
  }
}

/**
 * Compiles the configuration. Throws one Fault that lists everything that is wrong.
 * The result is frozen. May be called many times (tests).
 */
export function loadConfig<const Table extends SettingTable>(
  table: Table,
  env: Environment,
): Config<Table> {
  const values: Record<string, number | boolean | string | undefined> = {};
  const faults: string[] = [];
  for (const row of table) {
    const text = env[row.env]?.trim() ?? '';
    if (text === '') {
      values[row.name] = row.default ?? undefined;
      if (row.default === null) {
        faults.push(`${row.env} is not set: set it to ${describeRange(row)}`);
      }
      continue;
    }
    const parsed = parseSetting(row, text);
    if (parsed.ok) values[row.name] = parsed.value;
    else faults.push(`${row.env} is ${JSON.stringify(text)}: it must be ${parsed.wants}`);
  }
  if (faults.length > 0) {
    throw new Fault('WEIR_CONFIG', `configuration is invalid:\n  ${faults.join('\n  ')}`);
  }
  // The loop above has put a value of each row's own type under each row's name.
  return Object.freeze(values) as Config<Table>;
}

function isWithin(value: number, range: readonly [number, number]): boolean {
  return value >= range[0] && value <= range[1];
}

function fits(text: string, pattern: RegExp | undefined): boolean {
  if (pattern === undefined) return true;
  return pattern.exec(text)?.[0] === text;
}

/** What is wrong with a table itself: defaults outside their range, names used twice. For tests. */
export function tableFaults(table: SettingTable): string[] {
  const faults: string[] = [];
  const seen = new Set<string>();
  for (const row of table) {
    for (const key of [row.name, row.env]) {
      if (seen.has(key)) faults.push(`${key} stands twice`);
      seen.add(key);
    }
    if (!/^WEIR_[A-Z0-9_]+$/.test(row.env)) faults.push(`${row.env} is no name for a variable`);
    if (!/^[A-Z].*\.$/s.test(row.reason)) faults.push(`${row.env}: the reason is no sentence`);
    if (row.default === null || row.default === undefined) continue;
    const parsed = parseSetting(row, String(row.default));
    if (!parsed.ok) faults.push(`${row.env}: default ${row.default} must be ${parsed.wants}`);
  }
  return faults;
}
