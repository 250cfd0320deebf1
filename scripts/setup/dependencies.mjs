/**
 * Dependencies — node_modules is what package-lock.json says, or is made so with `npm ci`.
 *
 * Check: npm leaves its own lock inside node_modules once an installation is complete; the two are
 *        compared package by package (a few milliseconds, and right whatever the files' times are).
 *        An optional package may be absent: it is for another platform.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runChild } from './child.mjs';
import { withFileLock } from './file-lock.mjs';
import { ROOT, SetupError } from './project.mjs';

/** A cold `npm ci` took 50 s; a slow line may need ten times that. */
const INSTALL_WAIT_MS = 15 * 60_000;

/** Installs if needed. Several processes in one clone: one installs, the others wait for it. */
export async function ensureDependencies({ log, root = ROOT }) {
  if (isInstalled(root)) return;
  const lock = join(root, '.cache', 'install.lock');
  const onWait = () => log('another process installs the dependencies, waiting for it');
  await withFileLock(lock, { waitMs: INSTALL_WAIT_MS, onWait }, async () => {
    if (isInstalled(root)) return;
    await install(root, log);
  });
}

/** Whether every package of package-lock.json stands in node_modules in its version. */
export function isInstalled(root) {
  const wanted = readPackages(join(root, 'package-lock.json'));
  const present = readPackages(join(root, 'node_modules', '.package-lock.json'));
  if (wanted === undefined) throw new SetupError(`package-lock.json is missing in ${root}`);
  if (present === undefined) return false;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '') continue;
    const found = present[path];
    if (found === undefined ? !mayBeAbsent(entry) : found.version !== entry.version) return false;
  }
  return true;
}

function mayBeAbsent(entry) {
  return entry.optional === true || entry.devOptional === true || entry.peer === true;
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages;
  } catch (cause) {
    if (cause.code === 'ENOENT') return undefined;
    throw cause;
  }
}

async function install(root, log) {
  log('installing dependencies with npm ci (first use: about a minute)');
  const startedAt = Date.now();
  const args = ['ci', '--no-audit', '--no-fund', '--include=dev', '--include=optional'];
  // Scripts of packages are not needed by any dependency, so they are not run.
  const [command, ...before] = npmCommand();
  const result = await runChild(
    command,
    [...before, ...args, '--ignore-scripts', '--loglevel=error'],
    {
      cwd: root,
      env: process.env,
      onTick: (seconds) => log(`npm ci: ${seconds} s, ${countPackages(root)} packages in place`),
    },
  );
  if (!result.ok) throw new SetupError(`npm ci failed:\n${result.output}`);
  log(`dependencies installed in ${Math.round((Date.now() - startedAt) / 1000)} s`);
}

/** The npm that runs us, else the one on PATH. */
function npmCommand() {
  const script = process.env.npm_execpath;
  const isNpm = script !== undefined && /npm-cli\.[cm]?js$/.test(script);
  return isNpm ? [process.execPath, script] : ['npm'];
}

function countPackages(root) {
  try {
    const names = readdirSync(join(root, 'node_modules'));
    const plain = names.filter((name) => !name.startsWith('.') && !name.startsWith('@')).length;
    const scoped = names.filter((name) => name.startsWith('@'));
    return scoped.reduce(
      (sum, scope) => sum + readdirSync(join(root, 'node_modules', scope)).length,
      plain,
    );
  } catch (cause) {
    if (cause.code === 'ENOENT') return 0;
    throw cause;
  }
}
