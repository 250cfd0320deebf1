/**
 * Event reporter — hands the events of `node --test` to scripts/test.mjs, one JSON line each.
 *
 * Lines: {k: 'pass'|'fail'|'skip', name, file, ms, why} for each test (suites are not counted);
 *        {k: 'out', file, text} for what a test file wrote.
 */
import { resolve } from 'node:path';

const MARK = '\u0001';

/** A line of ours begins with a mark that no ordinary output begins with. */
export const LINE_MARK = MARK;

export default async function* eventReporter(source) {
  const ancestors = new Map();
  for await (const { type, data } of source) {
    if (type === 'test:start') rememberName(ancestors, data);
    else if (isOutput(type) && data.file !== undefined) {
      yield line({ k: 'out', file: resolve(data.file), text: endWithLine(data.message) });
    } else if (type === 'test:pass' || type === 'test:fail') {
      const event = describeResult(ancestors, type, data);
      if (event !== undefined) yield line(event);
    }
  }
}

/** Diagnostics tell, among other things, of errors after a test had ended. */
function isOutput(type) {
  return type === 'test:stdout' || type === 'test:stderr' || type === 'test:diagnostic';
}

/** The test file that was run; a test may be written in another one that it imports. */
function fileOf(data) {
  return data.entryFile ?? data.file;
}

function endWithLine(text) {
  return text.endsWith('\n') ? text : `${text}\n`;
}

function line(event) {
  return `${MARK}${JSON.stringify(event)}\n`;
}

function rememberName(ancestors, data) {
  const { nesting, name } = data;
  const file = fileOf(data);
  const names = ancestors.get(file) ?? [];
  names.length = nesting;
  names[nesting] = name;
  ancestors.set(file, names);
}

function describeResult(ancestors, type, data) {
  const { details, name, nesting } = data;
  const file = fileOf(data);
  // The runner speaks of a whole file under its own path; only its failures say something new.
  const isFile = nesting === 0 && file !== undefined && resolve(name) === resolve(file);
  const isSuite = details.type === 'suite';
  if (type === 'test:pass' && (isSuite || isFile)) return undefined;
  if (type === 'test:fail' && details.error?.failureType === 'subtestsFailed') return undefined;
  const above = (ancestors.get(file) ?? []).slice(0, nesting);
  const skipped = data.skip !== undefined || data.todo !== undefined;
  return {
    k: skipped ? 'skip' : type === 'test:pass' ? 'pass' : 'fail',
    name: [...above, name].join(' › '),
    file: file === undefined ? undefined : resolve(file),
    ms: details.duration_ms,
    ...(type === 'test:fail' ? { why: explain(details.error) } : {}),
  };
}

function explain(error) {
  const cause = error?.cause ?? error;
  if (typeof cause === 'string') return cause;
  return cause?.stack ?? String(cause?.message ?? cause);
}
