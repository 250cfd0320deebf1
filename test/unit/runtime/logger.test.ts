import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '#runtime';
import type { LogLevel } from '#runtime';

function record(level: LogLevel = 'info') {
  const lines: string[] = [];
  const write = (line: string): void => void lines.push(line);
  const logger = createLogger({ name: 'gateway', instance: 'gateway-1', level, write });
  return { lines, logger, parsed: () => lines.map((line) => JSON.parse(line)) };
}

test('a line carries time, level by name, service, instance, message and fields', () => {
  const { logger, parsed } = record();
  logger.info('listening', { tlsPort: 8883 });
  const [{ time, ...rest }] = parsed();
  assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
  assert.deepEqual(rest, {
    level: 'info',
    service: 'gateway',
    instance: 'gateway-1',
    msg: 'listening',
    tlsPort: 8883,
  });
});

test('each line ends with a line end, so that a reader can split', () => {
  const { lines, logger } = record();
  logger.warn('two\nlines');
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /^[^\n]+\n$/);
});

test('levels below the chosen one are silent', () => {
  const { lines, logger } = record('warn');
  logger.debug('a');
  logger.info('b');
  assert.equal(lines.length, 0);
  logger.warn('c');
  logger.error('d');
  assert.equal(lines.length, 2);
});

test('a child adds its fields to each line', () => {
  const { logger, parsed } = record();
  logger.child({ connectionNumber: 7 }).info('closed', { reason: 'slow_consumer' });
  assert.equal(parsed()[0].connectionNumber, 7);
  assert.equal(parsed()[0].reason, 'slow_consumer');
});

test('an error is written with its stack and cause', () => {
  const { logger, parsed } = record();
  logger.error('start failed', { error: new Error('outer', { cause: new Error('inner') }) });
  assert.match(parsed()[0].error.stack, /outer/);
  assert.match(JSON.stringify(parsed()[0].error), /inner/);
});

test('fields named like secrets are blanked, one level deep too', () => {
  const { lines, logger } = record();
  logger.info('odd', { password: 'hunter2', headers: { authorization: 'Bearer hunter2' } });
  assert.doesNotMatch(lines[0] ?? '', /hunter2/);
});
