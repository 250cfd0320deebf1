import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderLogLine } from '../../../services/cli/dev/log-line.ts';
import { createPalette, wantsColour } from '../../../services/cli/terminal.ts';

function render(line: string, level = 'info', colour = false): string | undefined {
  const palette = createPalette(colour);
  return renderLogLine('gateway-1', 0, line, { palette, nameWidth: 12, level });
}

const TIME = '2026-11-25T10:11:12.345Z';

test('a JSON line shows time, level, message and the fields that vary', () => {
  const line = JSON.stringify({
    level: 'warn',
    time: TIME,
    service: 'gateway',
    instance: 'gateway-1',
    reason: 'not_authorized',
    detail: 'no such client',
    port: 8883,
    msg: 'connection refused',
  });
  const fields = 'reason=not_authorized detail="no such client" port=8883';
  const [, text] = /^gateway-1 {4}│ \d\d:\d\d:12\.345 (.*)$/.exec(render(line) ?? '') ?? [];
  assert.equal(text, `warn  connection refused ${fields}`);
});

test('an error shows its stack, indented', () => {
  const error = { type: 'TypeError', message: 'x', stack: 'TypeError: x\n    at y' };
  const text = render(JSON.stringify({ level: 'error', time: TIME, msg: 'failed', error }));
  assert.match(text ?? '', /failed error=\n {4}TypeError: x\n {8}at y$/);
});

test("nats-server's lines lose their frame; its chatter is shown only for debug", () => {
  const line = (level: string) => `[4711] 2026/11/25 10:11:12.345678 [${level}] Server is ready`;
  assert.equal(render(line('INF')), undefined);
  assert.equal(render(line('INF'), 'debug'), 'gateway-1    │ 10:11:12.345 info  Server is ready');
  assert.equal(render(line('WRN')), 'gateway-1    │ 10:11:12.345 warn  Server is ready');
  const unready = line('WRN').replace('Server is ready', 'Healthcheck failed: "still recovering"');
  assert.equal(render(unready), undefined);
  const alone = 'Error trying to connect to route (attempt 1): connection refused';
  assert.equal(render(line('ERR').replace('Server is ready', alone)), undefined);
  assert.equal(render(line('ERR')), 'gateway-1    │ 10:11:12.345 error Server is ready');
});

test('anything else passes as it is', () => {
  for (const line of ['plain text', '{half a json', '{"no":"message"}', '', '[1,2]']) {
    assert.equal(render(line), `gateway-1    │ ${line}`);
  }
});

test('colours appear when asked for, and only then', () => {
  const line = JSON.stringify({ level: 'error', time: TIME, msg: 'failed', port: 1 });
  assert.ok((render(line, 'info', true) ?? '').includes('\u001b['));
  assert.ok(!(render(line) ?? '').includes('\u001b'));
});

test('no colour without a terminal, with NO_COLOR, or on a dumb one', () => {
  assert.equal(wantsColour({ isTTY: true }, {}), true);
  assert.equal(wantsColour({ isTTY: true }, { NO_COLOR: '' }), true);
  assert.equal(wantsColour({}, {}), false);
  assert.equal(wantsColour({ isTTY: true }, { NO_COLOR: '1' }), false);
  assert.equal(wantsColour({ isTTY: true }, { TERM: 'dumb' }), false);
});
