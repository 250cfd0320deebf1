/**
 * npm run bench — Weir against Mosquitto: set-up, then loadtest/bench/main.ts on our own Node.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ROOT, runScript } from './setup/project.mjs';
import { setUp } from './setup/setup.mjs';

const MAIN = join(ROOT, 'loadtest', 'bench', 'main.ts');

runScript(async () => {
  const { node, natsServer } = await setUp();
  const env = { ...process.env, WEIR_NATS_SERVER: natsServer };
  const child = spawn(node, [MAIN, ...process.argv.slice(2)], { stdio: 'inherit', env });
  // A terminal sends Ctrl-C to the bench as well, which stops what it started.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  const [code] = await once(child, 'exit');
  process.exitCode = code ?? 1;
});
