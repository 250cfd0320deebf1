/**
 * Data directory — everything that a development cluster keeps, for one supervisor at a time.
 *
 * Holds: `version` (what wrote it), `lock` (who uses it now), `nats/` (streams; `nats/1/` … and
 *        `nats/servers`, their number, where there are several), `certs/`, `endpoints.json` (ports
 *        and process ids, while it runs), `registered` (the CA that the development resources were
 *        registered with).
 * Refuses: a directory of another version, one of another number of nats-servers, and one that
 *        holds something else, untouched.
 * Lock:  a file with the process id and, where the system tells it, when that process started; so
 *        a lock left behind by a killed supervisor is taken over even if the id is in use again.
 */
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { Fault } from '#base';

/** Changes when an older supervisor or server could misread the data. */
export const DATA_VERSION = 1;
const ELSEWHERE = 'use --data with another directory';
const VERSION_TEXT = /^weir-data (\d+)\n$/;

interface LockRecord {
  readonly pid: number;
  readonly started: string | undefined;
}

export class DataDirectory {
  readonly path: string;
  /** The lock of a supervisor that is gone was found: its processes may still be ending. */
  readonly tookOver: boolean;

  private constructor(path: string, tookOver: boolean) {
    this.path = path;
    this.tookOver = tookOver;
  }

  /** Creates it if needed and locks it. Throws Fault, with nothing changed. */
  static open(path: string): DataDirectory {
    const absolute = resolve(path);
    checkVersion(absolute);
    mkdirSync(absolute, { recursive: true });
    const tookOver = takeLock(join(absolute, 'lock'));
    writeWhole(join(absolute, 'version'), `weir-data ${DATA_VERSION}\n`);
    return new DataDirectory(absolute, tookOver);
  }

  get nats(): string {
    return join(this.path, 'nats');
  }
  get certs(): string {
    return join(this.path, 'certs');
  }
  get endpointsFile(): string {
    return join(this.path, 'endpoints.json');
  }
  /** Content: the PEM of the CA that was registered. */
  get registeredFile(): string {
    return join(this.path, 'registered');
  }

  /** May be called twice. */
  close(): void {
    rmSync(this.endpointsFile, { force: true });
    const lock = join(this.path, 'lock');
    if (readLock(lock)?.pid === process.pid) rmSync(lock, { force: true });
  }
}

/** A reader sees the old file or the new one, never half of it. */
export function writeWhole(path: string, text: string): void {
  const unfinished = `${path}.${process.pid}.tmp`;
  writeFileSync(unfinished, text);
  renameSync(unfinished, path);
}

function checkVersion(path: string): void {
  const file = join(path, 'version');
  if (!existsSync(file)) {
    if (!existsSync(path) || readdirSync(path).every(isOwnBeginning)) return;
    const advice = 'use --data with an empty or new directory';
    throw new Fault('WEIR_DATA_VERSION', `${path} holds something else than Weir data: ${advice}`);
  }
  const found = VERSION_TEXT.exec(readFileSync(file, 'utf8'))?.[1];
  if (found === String(DATA_VERSION)) return;
  const which = found === undefined ? 'an unknown version' : `version ${found}`;
  throw new Fault(
    'WEIR_DATA_VERSION',
    `${path} has data of ${which}, this is version ${DATA_VERSION}: ${ELSEWHERE}`,
  );
}

/** What a start that was killed before it wrote the version leaves behind. */
function isOwnBeginning(name: string): boolean {
  return name === 'lock' || /^(lock|version)\.\d+\.tmp$/.test(name);
}

/** True when a lock of a dead process was taken over. */
function takeLock(path: string): boolean {
  const own: LockRecord = { pid: process.pid, started: startOf(process.pid) };
  const unfinished = `${path}.${process.pid}.tmp`;
  let tookOver = false;
  writeFileSync(unfinished, `${JSON.stringify(own)}\n`);
  try {
    // A link appears with its content and fails if the name exists: there is no half-made lock.
    for (let attempt = 1; !tryLink(unfinished, path); attempt += 1) {
      const holder = readLock(path);
      if (holder !== undefined && isAlive(holder)) {
        const advice = `stop that one, or ${ELSEWHERE}`;
        throw new Fault('WEIR_CONFIG', `${path} is held by process ${holder.pid}: ${advice}`);
      }
      if (attempt === 5) throw new Fault('WEIR_CONFIG', `${path} cannot be taken over: remove it`);
      rmSync(path, { force: true });
      tookOver = true;
    }
  } finally {
    rmSync(unfinished, { force: true });
  }
  return tookOver;
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') return false;
    throw cause;
  }
}

function readLock(path: string): LockRecord | undefined {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof parsed !== 'object' || parsed === null) return undefined;
    const { pid, started } = parsed as { pid?: unknown; started?: unknown };
    if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return undefined;
    return { pid, started: typeof started === 'string' ? started : undefined };
  } catch {
    // Absent or damaged: nobody can be named as its holder.
    return undefined;
  }
}

function isAlive(holder: LockRecord): boolean {
  if (holder.pid === process.pid) return holder.started === startOf(process.pid);
  try {
    process.kill(holder.pid, 0);
  } catch (cause) {
    // EPERM: it lives, as another user.
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EPERM')) return false;
  }
  return holder.started === undefined || holder.started === startOf(holder.pid);
}

/** When a process started, in the system's own count; undefined where it cannot be told. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces; the start is the 20th field after it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    // No /proc on this system, or no such process.
    return undefined;
  }
}
