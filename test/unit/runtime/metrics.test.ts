import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics } from '#runtime';

test('counters and gauges are read when somebody scrapes', async () => {
  const metrics = createMetrics();
  let published = 1;
  metrics.counter('weir_test_published_total', 'Published', () => published);
  metrics.gauge('weir_test_waiting', 'Waiting', () => [
    [{ partition: '0' }, 3],
    [{ partition: '1' }, 4],
  ]);
  assert.match(await metrics.text(), /^weir_test_published_total 1$/m);
  published = 5;
  const text = await metrics.text();
  assert.match(text, /^# HELP weir_test_published_total Published$/m);
  assert.match(text, /^# TYPE weir_test_published_total counter$/m);
  assert.match(text, /^weir_test_published_total 5$/m);
  assert.match(text, /^weir_test_waiting\{partition="0"\} 3$/m);
  assert.match(text, /^weir_test_waiting\{partition="1"\} 4$/m);
});

test('a histogram counts into its buckets', async () => {
  const metrics = createMetrics();
  const histogram = metrics.histogram('weir_test_seconds', 'Spans', [0.01, 0.1]);
  histogram.observe(0.005);
  histogram.observe(0.05);
  const text = await metrics.text();
  assert.match(text, /^weir_test_seconds_bucket\{le="0.01"\} 1$/m);
  assert.match(text, /^weir_test_seconds_bucket\{le="0.1"\} 2$/m);
  assert.match(text, /^weir_test_seconds_count 2$/m);
});

test('a wrong name is a programmer error', () => {
  const metrics = createMetrics();
  assert.throws(() => metrics.counter('weir_test', 'x', () => 0), /must end in _total/);
  assert.throws(() => metrics.gauge('weir_test_total', 'x', () => 0), /must not end in _total/);
  assert.throws(() => metrics.gauge('mqtt_sessions', 'x', () => 0));
});

test('the process measures itself', async () => {
  const text = await createMetrics().text();
  for (const name of [
    'weir_process_start_time_seconds',
    'weir_process_cpu_seconds_total{mode="user"}',
    'weir_process_memory_bytes{kind="resident"}',
    'weir_event_loop_lag_seconds_bucket{le="0.05"}',
  ]) {
    assert.ok(text.includes(`\n${name} `), `${name} is missing`);
  }
});
