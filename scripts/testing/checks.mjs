/**
 * Checks — what a program can judge without running Weir: types, lint, format, tidy.
 *
 * Each is one child process; all run side by side. A check passes or fails as a whole and shows
 * what it said only when it fails.
 */
import { join } from 'node:path';
import { runChild } from '../setup/child.mjs';
import { ROOT } from '../setup/project.mjs';

const tool = (name) => join(ROOT, 'node_modules', '.bin', name);

function commands(node) {
  return [
    { name: 'types', command: tool('tsc'), args: ['--noEmit', '-p', ROOT] },
    { name: 'lint', command: tool('oxlint'), args: ['--type-aware', '--deny-warnings'] },
    { name: 'format', command: tool('oxfmt'), args: ['--check', '.'] },
    { name: 'tidy', command: node, args: [join(ROOT, 'scripts', 'tidy', 'main.ts')] },
  ];
}

/** → [{name, ok, ms, output}], in the order above. */
export function runChecks({ node }) {
  return Promise.all(
    commands(node).map(async ({ name, command, args }) => {
      const startedAt = performance.now();
      const { ok, output } = await runChild(command, args, { cwd: ROOT, env: process.env });
      return { name, ok, ms: performance.now() - startedAt, output };
    }),
  );
}
