import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkBannedCalls } from '../../../scripts/tidy/banned-calls-rule.ts';
import { Tree } from '../../../scripts/tidy/tree.ts';

function count(path: string, text: string): number {
  return checkBannedCalls(new Tree({ [path]: text })).length;
}

describe('a planted call is found', () => {
  const faults: [path: string, text: string][] = [
    ['lib/bus/a.ts', 'const url = process.env.WEIR_NATS_URL;'],
    ['services/router/a.ts', 'const { env } = process; process . env.X;'],
    ['services/gateway/a.ts', "console.log('x');"],
    ['lib/log/a.ts', 'setTimeout(task, 5);'],
    ['lib/reader/a.ts', 'setImmediate(() => {});'],
    ['lib/session/a.ts', 'const t = Date.now();'],
    ['lib/state/a.ts', 'const t = new Date();'],
    ['lib/frames/a.ts', 'const t = `${performance.now()}`;'],
    ['lib/lease/a.ts', 'const r = Math.random();'],
    ['lib/interest/a.ts', 'crypto.randomUUID();'],
    ['lib/topics/a.ts', 'process.nextTick(task);'],
    ['lib/mqtt/a.ts', '// oxlint-disable-next-line no-bitwise\nconst a = 1;'],
  ];
  for (const [path, text] of faults) test(text, () => assert.equal(count(path, text), 1));
});

describe('what is allowed is left alone', () => {
  const allowed: [path: string, text: string][] = [
    ['lib/runtime/a.ts', 'console.error(process.env.WEIR_LOG_LEVEL); setTimeout(x, 1);'],
    ['services/router/main.ts', 'start(process.env);'],
    ['services/cli/a.ts', "console.log('x');"],
    ['scripts/a.mjs', 'process.env.PATH;'],
    ['lib/base/a.ts', 'Date.now(); setTimeout(x, 1);'],
    ['lib/log/a.ts', '// never Date.now() here\nconst s = "Math.random()"; clock.after(5, x);'],
    ['lib/log/a.ts', 'const when = new Date(wallMs);'],
    ['lib/mqtt/a.ts', '// oxlint-disable-next-line no-bitwise -- flags are bits\nconst a = 1;'],
  ];
  for (const [path, text] of allowed) test(text, () => assert.equal(count(path, text), 0));
});
