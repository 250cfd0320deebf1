/**
 * Log lines — what a child process wrote, made readable for people.
 *
 * Shape: Weir's JSON lines and nats-server's `[pid] date time [LVL] text` become
 *        `name │ time level message key=value …`; anything else passes as it is.
 * Drops: nats-server's [INF] lines, and what it says to each question whether it is ready, unless
 *        `level` is debug: some hundred lines at each start.
 */
import type { Palette } from '../terminal.ts';

export interface LogLineOptions {
  readonly palette: Palette;
  /** Width of the name column. */
  readonly nameWidth: number;
  /** The level that the children were asked for. */
  readonly level: string;
}

/** Fields that the prefix or the line's frame already shows. */
const SHOWN = new Set(['time', 'level', 'service', 'instance', 'msg']);
const NATS_LINE = /^\[\d+\] \d{4}\/\d\d\/\d\d (\d\d:\d\d:\d\d\.\d{3})\d* \[(\w{3})\] (.*)$/;
/** Each look at a server that starts, and each look of one for the others, which start with it. */
const NATS_NOT_READY = /^(Healthcheck failed:|Error trying to connect to route \(attempt 1\))/;
const NATS_LEVELS: Readonly<Record<string, string>> = {
  INF: 'info',
  WRN: 'warn',
  ERR: 'error',
  FTL: 'error',
  DBG: 'debug',
  TRC: 'debug',
};

/** Renders one line (without its end); undefined = not worth showing. */
export function renderLogLine(
  name: string,
  colour: number,
  line: string,
  options: LogLineOptions,
): string | undefined {
  const { palette } = options;
  const prefix = palette.numbered(colour, `${name.padEnd(options.nameWidth)} │`);
  const nats = NATS_LINE.exec(line);
  if (nats !== null) {
    const level = NATS_LEVELS[nats[2] ?? ''] ?? 'info';
    const text = nats[3] ?? '';
    const isMinor = level === 'info' || level === 'debug' || NATS_NOT_READY.test(text);
    if (isMinor && options.level !== 'debug') return undefined;
    const time = palette.dim(nats[1] ?? '');
    return `${prefix} ${time} ${paintLevel(level, palette)} ${text}`;
  }
  const parsed = parseObject(line);
  if (parsed === undefined || typeof parsed.msg !== 'string') return `${prefix} ${line}`;
  const time = palette.dim(clockTime(parsed.time));
  const level = paintLevel(typeof parsed.level === 'string' ? parsed.level : 'info', palette);
  const fields = renderFields(parsed);
  const tail = fields === '' ? '' : ` ${palette.dim(fields)}`;
  return `${prefix} ${time} ${level} ${parsed.msg}${tail}`;
}

function parseObject(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    // Not JSON after all: the caller shows the line as it is.
    return undefined;
  }
}

/** Local time of day; the date is today's. */
function clockTime(time: unknown): string {
  const date = new Date(typeof time === 'string' || typeof time === 'number' ? time : Number.NaN);
  if (Number.isNaN(date.getTime())) return '--:--:--.---';
  const two = (value: number): string => String(value).padStart(2, '0');
  const seconds = `${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`;
  return `${two(date.getHours())}:${two(date.getMinutes())}:${seconds}`;
}

function paintLevel(level: string, palette: Palette): string {
  const padded = level.padEnd(5);
  if (level === 'error' || level === 'fatal') return palette.red(padded);
  if (level === 'warn') return palette.yellow(padded);
  return level === 'info' ? padded : palette.dim(padded);
}

function renderFields(parsed: Readonly<Record<string, unknown>>): string {
  return Object.entries(parsed)
    .filter(([key]) => !SHOWN.has(key))
    .map(([key, value]) => `${key}=${renderValue(value)}`)
    .join(' ');
}

function renderValue(value: unknown): string {
  if (typeof value === 'string') return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  if (isErrorRecord(value)) return `\n    ${value.stack.replaceAll('\n', '\n    ')}`;
  return JSON.stringify(value) ?? String(value);
}

/** What the logger makes of an Error: the stack says the most. */
function isErrorRecord(value: unknown): value is { stack: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'stack' in value &&
    typeof value.stack === 'string'
  );
}
