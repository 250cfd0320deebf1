/**
 * npm test — set-up, checks, then all tests; quiet when all is well.
 *
 * The last line is always `N passed, N failed`, checks and tests counted together; exit code 1 when
 * something failed. Failures are shown with their reason and with what their file wrote.
 * Set-up (first use only) does not count against the time limit.
 */
import { constants } from 'node:os';
import { relative } from 'node:path';
import { ROOT, runScript } from './setup/project.mjs';
import { setUp } from './setup/setup.mjs';
import { runChecks } from './testing/checks.mjs';
import { parseSelection, PHASES, testFiles, USAGE } from './testing/selection.mjs';
import { runTests } from './testing/test-run.mjs';

const SLOWEST_SHOWN = 5;
const SLOW_MS = 1_000;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => process.exit(128 + constants.signals[signal]));
}

runScript(async () => {
  const selection = parseSelection(process.argv.slice(2));
  if (selection.help) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const tools = await setUp();
  const tally = { passed: 0, failed: 0 };
  if (selection.checks) await reportChecks(tools, tally);
  await reportTests(tools, selection, tally);
  if (tally.passed + tally.failed === 0) {
    print('nothing was selected');
    tally.failed = 1;
  }
  print(`${tally.passed} passed, ${tally.failed} failed`);
  process.exitCode = tally.failed === 0 ? 0 : 1;
});

function print(text) {
  process.stdout.write(`${text}\n`);
}

async function reportChecks(tools, tally) {
  const checks = await runChecks(tools);
  for (const check of checks.filter(({ ok }) => !ok)) {
    print(`\n✖ ${check.name}\n${indent(check.output)}\n`);
  }
  const words = checks.map(({ name, ok, ms }) => `${ok ? '' : '✖ '}${name} ${seconds(ms)}`);
  print(`${'checks'.padEnd(12)} ${words.join(', ')}`);
  tally.passed += checks.filter(({ ok }) => ok).length;
  tally.failed += checks.filter(({ ok }) => !ok).length;
}

async function reportTests(tools, selection, tally) {
  const signal = AbortSignal.timeout(selection.timeLimitMs);
  const slow = [];
  for (const phase of PHASES) {
    const folders = phase.folders.filter((name) => selection.folders.includes(name));
    const files = folders.flatMap((folder) => testFiles(folder, selection.texts));
    if (files.length === 0) continue;
    const startedAt = performance.now();
    const { concurrency, testTimeoutMs } = phase;
    const { namePattern } = selection;
    const options = { ...tools, files, concurrency, testTimeoutMs, namePattern, signal };
    const result = await runTests(options);
    showFailures(result);
    for (const folder of folders) showFolder(folder, result);
    print(`${''.padEnd(12)} ${phase.name}: ${seconds(performance.now() - startedAt)}`);
    slow.push(...result.passed.filter(({ ms }) => ms >= SLOW_MS));
    tally.passed += result.passed.length;
    tally.failed += result.failed.length;
  }
  slow.sort((a, b) => b.ms - a.ms);
  for (const test of slow.slice(0, SLOWEST_SHOWN)) {
    print(`slow ${seconds(test.ms).padStart(7)} ${shortPath(test.file)}: ${test.name}`);
  }
}

function showFailures({ failed, output }) {
  for (const test of failed) {
    print(`\n✖ ${shortPath(test.file)}: ${test.name} (${seconds(test.ms)})\n${indent(test.why)}`);
  }
  for (const file of new Set(failed.map((test) => test.file))) {
    const text = output.get(file);
    if (text !== undefined) print(`\n  written by ${shortPath(file)}:\n${indent(text)}\n`);
  }
}

function showFolder(folder, result) {
  const here = ({ file }) => file !== undefined && shortPath(file).startsWith(`test/${folder}/`);
  const [passed, failed, skipped] = [result.passed, result.failed, result.skipped].map(
    (tests) => tests.filter(here).length,
  );
  if (passed + failed + skipped === 0) return;
  const words = [`${passed} passed`];
  if (failed > 0) words.push(`${failed} failed`);
  if (skipped > 0) words.push(`${skipped} skipped`);
  print(`${folder.padEnd(12)} ${words.join(', ')}`);
}

function shortPath(file) {
  return file === undefined ? 'node --test' : relative(ROOT, file);
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

function indent(text) {
  return String(text).trimEnd().replace(/^/gm, '    ');
}
