/**
 * File lock — one process at a time installs into a clone or fills the cache.
 *
 * Shape: a file that holds the owner's process number, made with "fail if it exists".
 * Ends:  the owner removes it; a lock whose process no longer lives is taken away by the next
 *        one (by renaming it, which only one of several can do).
 * Full:  after `waitMs` the caller gets a SetupError that names the file.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SetupError } from './project.mjs';

const POLL_MS = 100;

/** Runs `task` while holding the lock at `path`; `onWait` is called once if another holds it. */
export async function withFileLock(path, { waitMs, onWait }, task) {
  mkdirSync(dirname(path), { recursive: true });
  const giveUpAt = Date.now() + waitMs;
  let told = false;
  while (!tryLock(path)) {
    if (removeStaleLock(path)) continue;
    if (Date.now() > giveUpAt) {
      throw new SetupError(`another process holds ${path}: end it, or remove the file`);
    }
    if (!told) onWait?.();
    told = true;
    await delay(POLL_MS);
  }
  try {
    return await task();
  } finally {
    rmSync(path, { force: true });
  }
}

function tryLock(path) {
  // Written beside and linked, so that the file never exists without its content.
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, String(process.pid));
  try {
    linkSync(draft, path);
    return true;
  } catch (cause) {
    if (cause.code === 'EEXIST') return false;
    throw cause;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** True when the lock may be tried again at once. */
function removeStaleLock(path) {
  const owner = readOwner(path);
  if (owner === undefined) return true;
  if (isAlive(owner)) return false;
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
    // Between reading and renaming another may have taken the lock: give it back.
    if (readOwner(aside) !== owner) linkSync(aside, path);
  } catch (cause) {
    if (cause.code !== 'ENOENT' && cause.code !== 'EEXIST') throw cause;
  } finally {
    rmSync(aside, { force: true });
  }
  return true;
}

function readOwner(path) {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch (cause) {
    if (cause.code === 'ENOENT') return undefined;
    throw cause;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return cause.code === 'EPERM';
  }
}
