import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  checkDecisions,
  checkDependencies,
  checkLinks,
  checkNamedFiles,
  compareTable,
} from '../../../scripts/tidy/document-rule.ts';
import { type Finding, Tree } from '../../../scripts/tidy/tree.ts';

const say = (findings: Finding[]) => findings.map(({ says }) => says);

test('a table is compared with the code in both directions', () => {
  const text =
    '| code | retry |\n|---|---|\n| `A` | now | x |\n| `B` | never | y |\n| `C` | now |\n';
  const tree = new Tree({ 'docs/errors.md': text });
  const wanted = new Map([
    ['A', ['now']],
    ['B', ['later']],
    ['D', ['now']],
  ]);
  const found = compareTable(tree, 'docs/errors.md', wanted);
  assert.deepEqual(say(found), ['row B must say: later', 'no row for D', 'row C is in no code']);
  assert.deepEqual(
    found.map(({ line }) => line),
    [4, 0, 5],
  );
});

test('dependencies need a line and a use, and lines a dependency', () => {
  const tree = new Tree({
    'package.json': '{"dependencies": {"a": "1", "@b/c": "1"}, "devDependencies": {"d": "1"}}',
    'docs/dependencies.md': '| `a` | x |\n| `d` | x |\n| `e` | x |\n',
    'lib/log/x.ts': `import 'a/deep';`,
    'test/unit/x.test.ts': `import '@b/c';`,
  });
  assert.deepEqual(say(checkDependencies(tree)), [
    'no row for @b/c',
    'row e is in no code',
    'dependency @b/c is imported nowhere in lib or services',
  ]);
});

test('a relative link that leads nowhere is found', () => {
  const tree = new Tree({
    'README.md': '[a](docs/a.md#part) [b](docs/) [c](docs/c.md) [d](https://x.example) [e](#e)',
    'docs/a.md': '[up](../README.md) [gone](../docs/b.md)',
  });
  assert.deepEqual(say(checkLinks(tree)), [
    'link to docs/c.md is broken',
    'link to ../docs/b.md is broken',
  ]);
});

test('a page that names a file that is gone is found', () => {
  const tree = new Tree({
    'docs/a.md': '`lib/log/record.ts`, `record.ts`, `log/record.ts`\n`cord.ts` `gone.mjs` `a.b`',
    'lib/log/record.ts': '',
  });
  assert.deepEqual(say(checkNamedFiles(tree)), [
    'there is no file cord.ts',
    'there is no file gone.mjs',
  ]);
});

test('a decision is listed and has its three sections', () => {
  const tree = new Tree({
    'docs/adr/README.md': '- [one](0001-one.md)\n',
    'docs/adr/0001-one.md': '# One\n\n## Context\n\nx\n\n## Decision\n\nx\n\n## Consequences\n',
    'docs/adr/0002-two.md': '# Two\n\n## Context\n\n## Consequences\n',
  });
  assert.deepEqual(say(checkDecisions(tree)), [
    'docs/adr/README.md does not list it',
    'has no section "## Decision"',
  ]);
});
