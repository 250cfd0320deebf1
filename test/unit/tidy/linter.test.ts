/**
 * The linter's part of the house rules: each rule is shown a planted fault, with the project's own
 * configuration and type information.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';

const ROOT = resolve(import.meta.dirname, '..', '..', '..');

const FAULTS: Readonly<Record<string, { path: string; text: string }>> = {
  'no-cycle': {
    path: 'lib/a/one.ts',
    text: `import { b } from './two.ts';\nexport const a = b;\n`,
  },
  'no-explicit-any': { path: 'lib/a/any.ts', text: 'export const x: any = 1;\n' },
  'no-non-null-assertion': {
    path: 'lib/a/bang.ts',
    text: 'export const f = (x?: string): string => x!;\n',
  },
  'no-empty': {
    path: 'lib/a/empty.ts',
    text: 'try {\n  f();\n} catch {}\nfunction f() {}\n',
  },
  'no-default-export': { path: 'lib/a/default.ts', text: 'export default 1;\n' },
  'no-floating-promises': {
    path: 'lib/a/float.ts',
    text: 'async function f(): Promise<void> {}\nf();\n',
  },
  'switch-exhaustiveness-check': {
    path: 'lib/a/switch.ts',
    text:
      `export function f(k: 'a' | 'b'): number {\n  switch (k) {\n` +
      `    case 'a':\n      return 1;\n  }\n  return 0;\n}\n`,
  },
  'max-lines': { path: 'lib/a/long.ts', text: 'export {};\n'.repeat(401) },
  'max-lines-per-function': {
    path: 'lib/a/tall.ts',
    text: `export function f(): void {\n${'  f();\n'.repeat(70)}}\n`,
  },
};

test('the linter finds each planted fault and nothing in sound code', (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-lint-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  for (const name of ['.oxlintrc.json', 'tsconfig.json', 'package.json']) {
    copyFileSync(join(ROOT, name), join(directory, name));
  }
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  };
  for (const { path, text } of Object.values(FAULTS)) write(path, text);
  write('lib/a/two.ts', `import { a } from './one.ts';\nexport const b = a;\n`);
  write('test/sound.test.ts', `import { test } from 'node:test';\ntest('x', async () => {});\n`);
  write('lib/a/gen/made.ts', 'export const x: any = 1;\n');

  const oxlint = join(ROOT, 'node_modules', '.bin', 'oxlint');
  const { stdout, stderr } = spawnSync(oxlint, ['--type-aware', '-f', 'json', '.'], {
    cwd: directory,
    encoding: 'utf8',
  });
  const found = new Set(diagnostics(stdout, stderr).map((row) => `${row.rule} ${row.path}`));
  const wanted = Object.entries(FAULTS).map(([rule, { path }]) => `${rule} ${path}`);
  assert.deepEqual([...found].sort(), [...wanted, 'no-cycle lib/a/two.ts'].sort());
});

interface Report {
  readonly diagnostics: readonly { readonly code: string; readonly filename: string }[];
}

function diagnostics(stdout: string, stderr: string): { rule: string; path: string }[] {
  assert.ok(stdout.startsWith('{'), `no report: ${stdout}${stderr}`);
  const report = JSON.parse(stdout) as Report;
  return report.diagnostics.map(({ code, filename }) => ({
    rule: /\(([^)]+)\)/.exec(code)?.[1] ?? code,
    path: filename,
  }));
}
