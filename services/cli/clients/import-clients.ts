/**
 * Import of clients — one JSON object per line: a client as the API shows it.
 *
 * Shape:  lines are read as they are needed; REQUESTS_AT_ONCE are under way, so memory does not
 *         grow with the file. The registry writes one after another: some hundreds a second.
 * Faults: a line that is refused is told with file, line and field, the others go on. An API that
 *         cannot be reached ends the import: a Fault.
 */
import { isJsonObject } from '#registry';
import { ControlRefusal } from '../registry/control-client.ts';
import type { ControlClient } from '../registry/control-client.ts';

export const REQUESTS_AT_ONCE = 32;
/** Lines between two reports of progress. */
const PROGRESS_LINES = 1_000;
/** Set by the registry; what it has shown may be imported again. */
const OUTPUT_FIELDS = ['etag', 'createTime', 'updateTime'];

export interface ImportRequest {
  readonly client: ControlClient;
  readonly lines: AsyncIterable<string>;
  /** For faults. */
  readonly file: string;
  readonly replace: boolean;
  readonly err: (line: string) => void;
  readonly progress: (text: string, isLast: boolean) => void;
}

export interface ImportResult {
  created: number;
  updated: number;
  unchanged: number;
  refused: number;
}

/** Throws Fault. */
export async function importClients(request: ImportRequest): Promise<ImportResult> {
  const result: ImportResult = { created: 0, updated: 0, unchanged: 0, refused: 0 };
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let number = 0;
  for await (const line of request.lines) {
    number++;
    if (line.trim() === '') continue;
    if (failures.length > 0) break;
    const task = importLine(request, result, line, number)
      .catch((cause: unknown) => failures.push(cause))
      .then(() => void running.delete(task));
    running.add(task);
    if (running.size >= REQUESTS_AT_ONCE) await Promise.race(running);
    if (number % PROGRESS_LINES === 0) request.progress(summary(result, number), false);
  }
  await Promise.all(running);
  request.progress(summary(result, number), true);
  if (failures.length > 0) throw failures[0];
  return result;
}

async function importLine(
  { client, file, replace, err }: ImportRequest,
  result: ImportResult,
  line: string,
  number: number,
): Promise<void> {
  const refuse = (says: string): void => {
    result.refused++;
    err(`${file}:${number}: ${says}`);
  };
  const { name, ...spec } = parse(line) ?? {};
  if (typeof name !== 'string') return refuse('must be a JSON object with a name');
  for (const field of OUTPUT_FIELDS) delete spec[field];
  try {
    if (replace) result[await client.apply('clients', name, spec)]++;
    else {
      await client.create('clients', name, spec);
      result.created++;
    }
  } catch (cause) {
    if (!(cause instanceof ControlRefusal)) throw cause;
    const [first] = cause.violations;
    const says = first === undefined ? cause.message : `${first.field}: ${first.description}`;
    refuse(`clients/${name}: ${says}`);
  }
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isJsonObject(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function summary({ created, updated, unchanged, refused }: ImportResult, lines: number): string {
  return (
    `${lines} lines: ${created} created, ${updated} updated, ` +
    `${unchanged} unchanged, ${refused} refused`
  );
}
