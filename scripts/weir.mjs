#!/usr/bin/env node
/**
 * weir — the command line, run from a clone: services/cli/main.ts on the project's Node.
 *
 * Signals and the exit code go through. No TypeScript is compiled: Node strips the types.
 */
import { ensureDependencies } from './setup/dependencies.mjs';
import { runCommandLine } from './setup/command-line.mjs';
import { logLine, runScript } from './setup/project.mjs';

runScript(async () => {
  await ensureDependencies({ log: logLine });
  await runCommandLine(process.argv.slice(2));
});
