import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkDirections } from '../../../scripts/tidy/direction-rule.ts';
import { Tree } from '../../../scripts/tidy/tree.ts';

const DOORS = Object.fromEntries(
  ['base', 'mqtt', 'topics', 'session', 'bus', 'log', 'state', 'registry', 'runtime'].map(
    (room) => [`lib/${room}/mod.ts`, '/** door */\n'],
  ),
);

function says(path: string, text: string): string[] {
  const tree = new Tree({ ...DOORS, 'lib/log/record.ts': '', [path]: text });
  return checkDirections(tree).map((finding) => finding.says);
}

describe('a planted import is found', () => {
  const faults: [name: string, path: string, text: string, wanted: RegExp][] = [
    ['upwards', 'lib/base/a.ts', `import { x } from '#mqtt';`, /base must not import room mqtt/],
    ['sideways', 'lib/session/a.ts', `import type { x } from '#bus';`, /session must not/],
    ['re-exported', 'lib/bus/a.ts', `export * from '#log';`, /bus must not import room log/],
    ['dynamic', 'lib/mqtt/a.ts', `const x = await import('#topics');`, /mqtt must not/],
    ['over lines', 'lib/bus/a.ts', `import {\n  x,\n  y,\n} from '#state';`, /bus must not/],
    ['own door', 'lib/log/a.ts', `import { x } from '#log';`, /not its door/],
    ['unknown room', 'lib/log/a.ts', `import { x } from '#nowhere';`, /no room/],
    ['private file', 'lib/state/a.ts', `import { x } from '../log/record.ts';`, /private/],
    ['private from a service', 'services/router/a.ts', `import '../../lib/log/x.ts';`, /private/],
    ['service in service', 'services/router/a.ts', `import '../gateway/main.ts';`, /service gat/],
    ['service in lib', 'lib/state/a.ts', `import '../../services/router/x.ts';`, /service router/],
    [
      'its client beside it',
      'lib/bus/nats/a.ts',
      `import '@nats-io/transport-node';`,
      /only in test/,
    ],
    ['a client of no place', 'lib/bus/nats/a.ts', `import '@nats-io/kv';`, /kv has no place/],
    ['oracle in product', 'lib/mqtt/a.ts', `import p from 'mqtt-packet';`, /only in test/],
    ['package without place', 'lib/log/a.ts', `import 'left-pad/x';`, /left-pad has no place/],
    ['net in a pure room', 'lib/session/a.ts', `import net from 'node:net';`, /node:net/],
    ['timers in a pure room', 'lib/log/a.ts', `import 'node:timers/promises';`, /node:timers/],
    ['absolute', 'test/a.ts', `import '/lib/log/mod.ts';`, /one machine/],
    ['required', 'lib/state/a.ts', `const fs = require('node:fs');`, /node:fs/],
  ];
  for (const [name, path, text, wanted] of faults) {
    test(name, () => assert.match(says(path, text).join('\n'), wanted));
  }
});

test('tests and scripts are no part of the product', () => {
  const tree = new Tree({
    ...DOORS,
    'test/fixtures/probe.ts': '',
    'scripts/tidy/tree.ts': '',
    'scripts/setup/node.mjs': '',
    'services/router/a.ts': `import '../../test/fixtures/probe.ts';`,
    'services/cli/a.ts': `import '../../scripts/tidy/tree.ts';`,
    'services/cli/b.ts': `import '../../scripts/setup/node.mjs';`,
    'services/router/b.ts': `import '../../scripts/setup/node.mjs';`,
  });
  assert.deepEqual(
    checkDirections(tree).map(({ path }) => path),
    ['services/router/a.ts', 'services/cli/a.ts', 'services/router/b.ts'],
  );
});

test('a room without a door, an unknown room and an unknown service are found', () => {
  const texts = { 'lib/frames/a.ts': '', 'lib/attic/mod.ts': '', 'services/attic/main.ts': '' };
  const found = checkDirections(new Tree(texts)).map((finding) => finding.says);
  assert.equal(found.length, 3);
  assert.match(found.join('\n'), /no door[^]*attic[^]*service attic/);
});

test('what the layers allow is left alone', () => {
  assert.deepEqual(says('lib/state/a.ts', `import { x } from '#bus';\nimport './b.ts';`), []);
  assert.deepEqual(says('services/router/a.ts', `import '#state';\nimport 'node:net';`), []);
  assert.deepEqual(says('lib/bus/nats/a.ts', `import 'node:net';`), []);
  assert.deepEqual(says('test/contract/a.test.ts', `import '@nats-io/transport-node';`), []);
  assert.deepEqual(says('test/unit/log/a.test.ts', `import '../../../lib/log/record.ts';`), []);
});

test('an import that is only spoken of is none', () => {
  const text = `// import { x } from '#mqtt'\nconst s = "import y from '#mqtt'";`;
  assert.deepEqual(says('lib/base/a.ts', text.replace('const', '/* \n */ const')), []);
});

test('the finding names the line', () => {
  const tree = new Tree({ ...DOORS, 'lib/base/a.ts': `/** a */\n\nimport '#bus';\n` });
  assert.deepEqual(
    checkDirections(tree).map(({ line }) => line),
    [3],
  );
});
