/**
 * Command line — hands this process over to services/cli/main.ts.
 *
 * On Node 24 the program is loaded into this very process: nothing stands between it and the
 * terminal. An older Node starts the project's own one, passes signals on and ends as it ended.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findNode, NODE_MAJOR_MIN } from './node.mjs';
import { ROOT } from './project.mjs';

const MAIN = join(ROOT, 'services', 'cli', 'main.ts');
const PASSED_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Runs the command line with `args`. Resolves when it has been loaded or, started apart, ended. */
export async function runCommandLine(args) {
  if (Number(process.versions.node.split('.', 1)[0]) >= NODE_MAJOR_MIN) {
    process.argv = [process.execPath, MAIN, ...args];
    await import(pathToFileURL(MAIN).href);
    return;
  }
  await runApart(findNode(), args);
}

function runApart(node, args) {
  return new Promise((done, failed) => {
    const child = spawn(node, [MAIN, ...args], { stdio: 'inherit' });
    for (const signal of PASSED_SIGNALS) {
      // A terminal sends Ctrl-C to the whole group: passing it on would make it two.
      process.on(signal, () => {
        if (signal !== 'SIGINT' || process.stdin.isTTY !== true) child.kill(signal);
      });
    }
    child.once('error', failed);
    child.once('exit', (code, signal) => {
      process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
      done();
      // Handlers of signals keep nothing alive; a still open standard input would.
      process.exit();
    });
  });
}
