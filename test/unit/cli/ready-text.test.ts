import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { planPorts } from '../../../services/cli/dev/ports.ts';
import { renderExamples, renderReady } from '../../../services/cli/dev/ready-text.ts';

const ROOT = join(import.meta.dirname, '../../..');
const SHAPE = { gateways: 3, dispatchers: 1, plain: true, demo: true };

function options(more: object = {}) {
  return {
    ports: planPorts(SHAPE, 0),
    elapsedSeconds: 2.345,
    fsyncsPerSecond: 5400.4,
    dataDirectory: '.weir',
    partitions: 2,
    workingDirectory: ROOT,
    ...more,
  };
}

test('the first line begins with ready and tells how long it took', () => {
  const text = renderReady(options());
  assert.equal(text.split('\n')[0], 'ready in 2.3 s');
  assert.match(text, /this disk does 5,400 fsyncs\/s/);
});

test('the table has every endpoint, in columns', () => {
  const text = renderReady(options());
  assert.match(text, /^ {2}gateway-3 +mqtts:\/\/localhost:8885 +mqtt:\/\/localhost:1885 +http/m);
  assert.match(text, /^ +wss:\/\/localhost:8445\/mqtt +ws:\/\/localhost:8085\/mqtt$/m);
  for (const port of [8883, 1883, 8443, 8083, 8080, 4222, 8222, 9101, 9121, 9141]) {
    assert.ok(text.includes(`localhost:${port}`), String(port));
  }
  const columns = text.split('\n').filter((line) => line.includes('/metrics'));
  assert.equal(new Set(columns.map((line) => line.indexOf('http://localhost:9'))).size, 2);
});

test('without plain listeners there is neither their column nor their warning', () => {
  const ports = planPorts({ ...SHAPE, plain: false }, 0);
  const text = renderReady(options({ ports }));
  assert.ok(!text.includes('mqtt://') && !text.includes('ws://'));
  assert.ok(renderReady(options()).includes('mqtt:// and ws:// have no security'));
});

test('in the project npx finds the command; elsewhere its path is printed', () => {
  assert.ok(renderExamples(options())[0]?.startsWith('npx weir sub --as dashboard --gateway 3'));
  const [elsewhere] = renderExamples(options({ workingDirectory: '/' }));
  assert.ok(elsewhere?.startsWith(`node ${join(ROOT, 'scripts/weir.mjs')} sub --data .weir`));
});

test('a data directory with blanks and quotes survives the shell', () => {
  const lines = renderExamples(options({ dataDirectory: "/data/it's mine" }));
  assert.ok(lines[0]?.includes(`--data '/data/it'\\''s mine'`));
  assert.ok(lines[3]?.includes(`--cafile '/data/it'\\''s mine/certs/ca.pem'`));
});
