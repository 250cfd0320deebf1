/**
 * Logger — JSON lines on standard output, made by pino.
 *
 * Shape: {time, level, service, instance, msg, …fields}. `msg` is a constant noun phrase
 *        ("session taken over"); everything that varies is a field.
 * Levels: error = someone must act; warn = the broker protected itself; info = life of process and
 *         cluster; debug = per connection. Nothing is logged per message.
 * Never: payloads and secrets; fields with the names of secrets are blanked as a last guard.
 * Cost:  a level that is off costs a no-op call. Writes are synchronous: nothing is lost at an end.
 */
import { pino } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface Logger {
  debug(message: string, fields?: object): void;
  info(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  error(message: string, fields?: object): void;
  /** A logger that adds `fields` to each of its lines. */
  child(fields: object): Logger;
}

export interface LoggerOptions {
  /** The service: `gateway`, `dispatcher` … */
  readonly name: string;
  /** Which of them; default: WEIR_INSTANCE, else name and process id. */
  readonly instance?: string | undefined;
  /** Default: WEIR_LOG_LEVEL, else info. */
  readonly level?: LogLevel | undefined;
  /** Receives each line with its line end. Default: standard output. */
  readonly write?: (line: string) => void;
}

const LEVELS: readonly string[] = ['debug', 'info', 'warn', 'error', 'silent'];
const SECRET_FIELDS = ['payload', 'password', 'secret', 'token', 'privateKey', 'authorization'];

/** May be called many times; lines of one process keep their order. */
export function createLogger(options: LoggerOptions): Logger {
  const unnamed = `${options.name}-${process.pid}`;
  const instance = options.instance ?? process.env.WEIR_INSTANCE ?? unnamed;
  const settings: pino.LoggerOptions = {
    level: options.level ?? levelOf(process.env.WEIR_LOG_LEVEL),
    base: { service: options.name, instance },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: pino.stdSerializers.err, cause: pino.stdSerializers.err },
    redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: '(removed)' },
  };
  const write = options.write;
  return wrap(write === undefined ? pino(settings) : pino(settings, { write }));
}

function levelOf(word: string | undefined): string {
  return word !== undefined && LEVELS.includes(word) ? word : 'info';
}

function wrap(lines: pino.Logger): Logger {
  return {
    debug: (message, fields) => lines.debug(fields ?? {}, message),
    info: (message, fields) => lines.info(fields ?? {}, message),
    warn: (message, fields) => lines.warn(fields ?? {}, message),
    error: (message, fields) => lines.error(fields ?? {}, message),
    child: (fields) => wrap(lines.child(fields)),
  };
}
