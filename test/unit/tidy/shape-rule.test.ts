import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkShape } from '../../../scripts/tidy/shape-rule.ts';
import { Tree } from '../../../scripts/tidy/tree.ts';

const HEADER = '/** A — does a. */\n';

function says(path: string, text: string): string {
  return checkShape(new Tree({ [path]: text }))
    .map((finding) => `${finding.line} ${finding.says}`)
    .join('\n');
}

describe('a planted fault of shape is found', () => {
  const faults: [name: string, path: string, text: string, wanted: RegExp][] = [
    ['long line', 'lib/log/a.ts', `${HEADER}${'x'.repeat(101)}\n`, /^2 the line has 101 columns$/],
    ['no header', 'lib/log/a.ts', 'export const a = 1;\n', /header/],
    ['line comment as header', 'lib/log/a.ts', '// a\nexport const a = 1;\n', /header/],
    ['drawer file', 'lib/log/utils.ts', HEADER, /"utils" says nothing/],
    ['drawer folder', 'services/cli/helpers/a.ts', HEADER, /"helpers"/],
    ['drawer in tests', 'test/common/a.ts', HEADER, /"common"/],
    ['lonely manager', 'services/router/manager.ts', HEADER, /"manager"/],
    ['camel case', 'lib/log/logRecord.ts', HEADER, /kebab/],
    ['underscore', 'test/unit/log/log_record.test.ts', HEADER, /kebab/],
  ];
  for (const [name, path, text, wanted] of faults) {
    test(name, () => assert.match(says(path, text), wanted));
  }
});

test('columns count characters, not bytes; shebang, generated and test files pass', () => {
  assert.equal(says('lib/log/a.ts', `${HEADER}${'…'.repeat(100)}\n`), '');
  assert.equal(says('scripts/a.mjs', `#!/usr/bin/env node\n${HEADER}`), '');
  assert.equal(says('lib/registry/gen/weir/v1/a_pb.ts', 'x'.repeat(200)), '');
  assert.equal(says('test/unit/log/log-record.test.ts', 'test();'), '');
  const title = `  test('${'x'.repeat(100)}', () => {});`;
  assert.equal(says('test/unit/log/log-record.test.ts', title), '');
  assert.match(says('lib/log/a.ts', `${HEADER}${title}`), /columns/);
  assert.equal(says('scripts/setup/node.d.mts', HEADER), '');
});
