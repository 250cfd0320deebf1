/**
 * Node — finds the Node 24 that runs Weir's TypeScript files as they are.
 *
 * Order: the one that the project installs as an optional package; the one that runs us; the one on
 * PATH. The package exists for Linux; elsewhere a system Node is the way.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, SetupError } from './project.mjs';

/** Strips types without a flag or a warning; what the project is tested on. */
export const NODE_MAJOR_MIN = 24;

/** Absolute path (or the command `node`) of a Node that can run services/. Throws SetupError. */
export function findNode(root = ROOT) {
  const own = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (existsSync(own) && (realpathSync(own) === process.execPath || runs(own))) return own;
  if (majorOf(process.versions.node) >= NODE_MAJOR_MIN) return process.execPath;
  if (runs('node')) return 'node';
  throw new SetupError(
    `Weir needs Node ${NODE_MAJOR_MIN}: the packaged one is not available here ` +
      `(${process.platform} ${process.arch}), and this is ${process.version}. ` +
      `Install Node ${NODE_MAJOR_MIN} or later and put it first on PATH.`,
  );
}

function runs(command) {
  const { status, stdout } = spawnSync(command, ['--version'], { encoding: 'utf8' });
  return status === 0 && majorOf(stdout.trim().slice(1)) >= NODE_MAJOR_MIN;
}

function majorOf(version) {
  return Number(version.split('.', 1)[0]);
}
