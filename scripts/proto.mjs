/**
 * Makes the TypeScript of `proto/` anew: `node scripts/proto.mjs`. With `--check` it changes
 * nothing and exits with 1 if what is committed differs; with `--lint` it checks the style of the
 * schema.
 *
 * Everything it needs is in node_modules: no registry of schemas is asked.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const project = fileURLToPath(new URL('..', import.meta.url));
const bin = join(project, 'node_modules', '.bin');
const generated = join('services', 'control', 'gen');

/** Runs buf in the project; ends this process with buf's words if it fails. */
function buf(...words) {
  const path = `${bin}${delimiter}${process.env.PATH}`;
  const options = { cwd: project, env: { ...process.env, PATH: path }, encoding: 'utf8' };
  const { status, stdout, stderr, error } = spawnSync(join(bin, 'buf'), words, options);
  if (status === 0) return;
  process.stderr.write(`buf ${words[0]} failed: ${error ?? ''}${stdout}${stderr}\n`);
  process.exit(1);
}

/** Path → content of all files below a directory. */
function contents(directory) {
  const files = new Map();
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(directory.length), readFileSync(path, 'utf8'));
  }
  return files;
}

function check() {
  const made = mkdtempSync(join(tmpdir(), 'weir-proto-'));
  try {
    buf('generate', '--output', made);
    const fresh = contents(join(made, generated));
    const committed = contents(join(project, generated));
    const paths = new Set([...fresh.keys(), ...committed.keys()]);
    return [...paths].filter((path) => fresh.get(path) !== committed.get(path));
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}

if (process.argv.includes('--lint')) buf('lint');
else if (process.argv.includes('--check')) {
  const stale = check();
  for (const path of stale) process.stderr.write(`${generated}${path} is not what proto/ says\n`);
  if (stale.length > 0) process.exitCode = 1;
} else {
  rmSync(join(project, generated), { recursive: true, force: true });
  buf('generate');
}
