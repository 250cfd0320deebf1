/**
 * npm start — the development cluster: `npm start -- ARGS` is `weir dev ARGS`, after set-up.
 */
import { runCommandLine } from './setup/command-line.mjs';
import { runScript } from './setup/project.mjs';
import { setUp } from './setup/setup.mjs';

runScript(async () => {
  await setUp();
  await runCommandLine(['dev', ...process.argv.slice(2)]);
});
