/**
 * Own Node — runs a TypeScript program of the repository on the project's Node, after set-up.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ROOT } from './project.mjs';
import { setUp } from './setup.mjs';

/** Runs `main` (relative to the root) with this process' arguments and ends as it ended. */
export async function runOnOwnNode(main) {
  const { node, natsServer } = await setUp();
  const env = { ...process.env, WEIR_NATS_SERVER: natsServer };
  const child = spawn(node, [join(ROOT, main), ...process.argv.slice(2)], {
    stdio: 'inherit',
    env,
  });
  // A terminal sends Ctrl-C to the program as well, which stops what it started.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  const [code] = await once(child, 'exit');
  process.exitCode = code ?? 1;
}
