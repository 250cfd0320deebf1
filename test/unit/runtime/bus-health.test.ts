import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '#base';
import { createHealth, createLogger, followBusHealth, UNREADY_AFTER_MS } from '#runtime';

function start(connected: boolean) {
  const tasks: { dueMs: number; task: () => void }[] = [];
  let nowMs = 0;
  const clock: Pick<Clock, 'after'> = {
    after: (delayMs, task) => {
      tasks.push({ dueMs: nowMs + delayMs, task });
      return {};
    },
  };
  const pass = (ms: number): void => {
    nowMs += ms;
    for (const due of tasks.filter(({ dueMs }) => dueMs <= nowMs)) {
      tasks.splice(tasks.indexOf(due), 1);
      due.task();
    }
  };
  let listener: ((connected: boolean) => void) | undefined;
  const source = {
    connected,
    onConnection(take: (connected: boolean) => void) {
      listener = take;
      return () => (listener = undefined);
    },
  };
  const lines: string[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line).msg);
  const logger = createLogger({ name: 'test', level: 'info', write });
  const health = createHealth('nats');
  const remove = followBusHealth(source, { health, logger, clock: clock as Clock });
  return { health, lines, pass, remove, turn: (up: boolean) => listener?.(up) };
}

test('a short outage does not show in readiness', () => {
  const { health, pass, turn } = start(true);
  assert.equal(health.ready, true);
  turn(false);
  pass(UNREADY_AFTER_MS - 1);
  assert.equal(health.ready, true);
  turn(true);
  turn(false);
  pass(UNREADY_AFTER_MS - 1);
  assert.equal(health.ready, true, 'each outage counts from its own beginning');
  pass(1);
  assert.deepEqual(health.missing, { nats: 'NATS cannot be reached' });
  turn(true);
  assert.equal(health.ready, true);
});

test('each change is one line; nothing after the remover was called', () => {
  const { lines, remove, turn } = start(true);
  turn(false);
  turn(true);
  remove();
  turn(false);
  assert.deepEqual(lines, ['NATS connection lost', 'NATS reached again']);
});

test('a process that has not reached NATS yet is not ready', () => {
  assert.equal(start(false).health.ready, false);
});
