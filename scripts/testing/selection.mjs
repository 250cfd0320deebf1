/**
 * Selection — which tests `npm test -- …` runs, and how many at a time.
 *
 * Phases run one after another: what kills processes and counts seconds must not share the cores
 * with a hundred other files.
 */
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative, sep } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT, SetupError } from '../setup/project.mjs';

const CORES = availableParallelism();

/** Folders of test/ in the order they are run; `testTimeoutMs` bounds one test and one file. */
export const PHASES = [
  {
    name: 'quick',
    folders: ['unit', 'contract', 'conformance'],
    concurrency: Math.max(2, CORES),
    testTimeoutMs: 120_000,
  },
  {
    name: 'simulation',
    folders: ['simulation'],
    concurrency: Math.max(1, CORES),
    testTimeoutMs: 180_000,
  },
  {
    name: 'cluster',
    folders: ['cluster'],
    concurrency: Math.max(1, Math.floor(CORES / 4)),
    testTimeoutMs: 300_000,
  },
];
export const FOLDERS = PHASES.flatMap((phase) => phase.folders);

/** All phases together. `npm test` promises less than ten minutes. */
const TIME_LIMIT_SECONDS_DEFAULT = 570;

export const USAGE = `npm test [-- [--only NAME,…] [--name PATTERN] [--time-limit SECONDS] [TEXT …]]
  --only        of: checks, ${FOLDERS.join(', ')}
  --name        only tests whose name matches (a regular expression)
  --time-limit  of all tests together; default ${TIME_LIMIT_SECONDS_DEFAULT}
  TEXT          only test files whose path contains one of these; leaves out the checks`;

/** → {checks, folders, texts, namePattern, timeLimitMs, help}. Throws SetupError. */
export function parseSelection(args) {
  const { values, positionals } = parseOrThrow(args);
  const known = ['checks', ...FOLDERS];
  const only = (values.only ?? []).flatMap((text) => text.split(',')).filter((name) => name !== '');
  const unknown = only.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new SetupError(`--only ${unknown} is unknown\n${USAGE}`);
  const seconds = Number(values['time-limit'] ?? TIME_LIMIT_SECONDS_DEFAULT);
  if (!(seconds > 0)) throw new SetupError(`--time-limit must be a number of seconds\n${USAGE}`);
  const isNarrowed = positionals.length > 0 || values.name !== undefined;
  return {
    checks: only.length === 0 ? !isNarrowed : only.includes('checks'),
    folders: only.length === 0 ? FOLDERS : FOLDERS.filter((name) => only.includes(name)),
    texts: positionals,
    namePattern: values.name,
    timeLimitMs: seconds * 1000,
    help: values.help === true,
  };
}

function parseOrThrow(args) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        only: { type: 'string', multiple: true },
        name: { type: 'string' },
        'time-limit': { type: 'string' },
        help: { type: 'boolean' },
      },
    });
  } catch (cause) {
    throw new SetupError(`${cause.message}\n${USAGE}`);
  }
}

/** Test files of one folder of test/, relative to the root, sorted. */
export function testFiles(folder, texts) {
  const found = [];
  walk(join(ROOT, 'test', folder), found);
  return found
    .map((path) => relative(ROOT, path).split(sep).join('/'))
    .filter((path) => texts.length === 0 || texts.some((text) => path.includes(text)))
    .sort();
}

function walk(directory, found) {
  if (!existsSync(directory)) return;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) walk(path, found);
    else if (entry.name.endsWith('.test.ts')) found.push(path);
  }
}
