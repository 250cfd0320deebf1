import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkOrphans } from '../../../scripts/tidy/orphan-rule.ts';
import { Tree } from '../../../scripts/tidy/tree.ts';

test('a file that only tests and itself reach is found', () => {
  const tree = new Tree({
    'lib/log/mod.ts': `export * from './record.ts';`,
    'lib/log/record.ts': `import './position.ts';`,
    'lib/log/position.ts': '',
    'lib/log/dead.ts': `import './dead-too.ts';`,
    'lib/log/dead-too.ts': `import './dead.ts';`,
    'lib/bus/memory/memory-bus.ts': '',
    'services/router/main.ts': `await import('./late.ts');`,
    'services/router/late.ts': '',
    'services/router/unused.ts': '',
    'test/unit/log/dead.test.ts': `import '../../../lib/log/dead.ts';`,
  });
  assert.deepEqual(
    checkOrphans(tree).map(({ path }) => path),
    ['lib/log/dead.ts', 'lib/log/dead-too.ts', 'services/router/unused.ts'],
  );
});
