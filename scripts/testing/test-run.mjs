/**
 * Test run — one `node --test` over a list of files; collects what each test said.
 *
 * Ends:  by itself, or at `signal` (the overall time bound): the whole process group is then killed
 *        and what had not ended counts as failed.
 * Apart: the files run in processes of their own, in a process group of their own, so that nothing
 *        that a test left behind outlives the run.
 */
import { spawn } from 'node:child_process';
import { delimiter, dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from '../setup/project.mjs';
import { LINE_MARK } from './event-reporter.mjs';

const OUTPUT_CHARS_MAX = 8_000;
const REPORTER = join(ROOT, 'scripts', 'testing', 'event-reporter.mjs');

/**
 * → {passed, failed, skipped: [{name, file, ms, why}]}; `failed` includes files that hold no test.
 * @param {{node: string, natsServer: string, files: string[], concurrency: number,
 *   testTimeoutMs: number, namePattern?: string, signal: AbortSignal}} options
 */
export async function runTests(options) {
  const result = { passed: [], failed: [], skipped: [], output: new Map() };
  const stray = [];
  const child = start(options);
  const stop = () => killGroup(child.pid);
  options.signal.addEventListener('abort', stop, { once: true });
  // A group of its own hears no Ctrl-C: it must not outlive us.
  process.once('exit', stop);
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (text) => {
    if (text.startsWith(LINE_MARK)) keep(result, JSON.parse(text.slice(1)));
    else stray.push(text);
  });
  child.stderr.on('data', (chunk) => stray.push(String(chunk)));
  const ended = await new Promise((done) => {
    child.once('close', (code, signal) => done({ code, signal }));
  });
  options.signal.removeEventListener('abort', stop);
  process.removeListener('exit', stop);
  killGroup(child.pid);
  judge(result, options, ended, stray);
  return result;
}

function start({ node, natsServer, files, concurrency, testTimeoutMs, namePattern }) {
  const args = [
    '--test',
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${testTimeoutMs}`,
    `--test-reporter=${REPORTER}`,
    '--test-reporter-destination=stdout',
    ...(namePattern === undefined ? [] : [`--test-name-pattern=${namePattern}`]),
    ...files,
  ];
  const env = {
    ...process.env,
    PATH: [dirname(node), process.env.PATH ?? ''].join(delimiter),
    WEIR_NATS_SERVER: natsServer,
  };
  // Set inside a test: it would make the runner pass over all files.
  delete env.NODE_TEST_CONTEXT;
  return spawn(node, args, { cwd: ROOT, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (cause) {
    if (cause.code !== 'ESRCH' && cause.code !== 'EPERM') throw cause;
  }
}

function keep(result, event) {
  switch (event.k) {
    case 'pass':
      result.passed.push(event);
      return;
    case 'fail':
      result.failed.push(event);
      return;
    case 'skip':
      result.skipped.push(event);
      return;
    case 'out': {
      const before = result.output.get(event.file) ?? '';
      result.output.set(event.file, (before + event.text).slice(-OUTPUT_CHARS_MAX));
      return;
    }
    default:
      throw new Error(`unknown event ${event.k}`);
  }
}

/** A file that said nothing, and a runner that failed without naming a test, are failures too. */
function judge(result, { files, namePattern, signal }, ended, stray) {
  const heard = new Set(
    [...result.passed, ...result.failed, ...result.skipped].map((event) => event.file),
  );
  for (const file of files) {
    if (heard.has(resolve(ROOT, file)) || namePattern !== undefined) continue;
    const why = signal.aborted ? 'the time for all tests was over' : 'the file holds no test';
    result.failed.push({ name: file, file: resolve(ROOT, file), ms: 0, why });
  }
  if (ended.code !== 0 && result.failed.length === 0) {
    const why = signal.aborted ? 'the time for all tests was over' : stray.join('\n');
    const name = `node --test ended with ${ended.code ?? ended.signal}`;
    result.failed.push({ name, file: undefined, ms: 0, why });
  }
}
