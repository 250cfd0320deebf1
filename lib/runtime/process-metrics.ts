/**
 * Process metrics — CPU, memory, start time and how late the event loop runs.
 *
 * Lag: a timer every 100 ms; how much later than asked it fires goes into a histogram. A turn of
 *      the loop over 50 ms endangers leases (design §11), so this is the first thing to look at.
 * Owner: `createMetrics`. The timer keeps no process alive.
 */
import type { Metrics } from './metrics.ts';

const LAG_SAMPLE_MS = 100;
const LAG_BUCKETS_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

export function addProcessMetrics(metrics: Metrics): void {
  const startSeconds = Math.round(Date.now() / 1000 - process.uptime());
  metrics.gauge('weir_process_start_time_seconds', 'Start, seconds since 1970', () => startSeconds);
  metrics.counter('weir_process_cpu_seconds_total', 'CPU time used by this process', () => {
    const used = process.cpuUsage();
    return [
      [{ mode: 'user' }, used.user / 1e6],
      [{ mode: 'system' }, used.system / 1e6],
    ];
  });
  metrics.gauge('weir_process_memory_bytes', 'Memory of this process by kind', () => {
    const used = process.memoryUsage();
    return [
      [{ kind: 'resident' }, used.rss],
      [{ kind: 'heap_used' }, used.heapUsed],
      [{ kind: 'heap_total' }, used.heapTotal],
      [{ kind: 'external' }, used.external],
      [{ kind: 'array_buffers' }, used.arrayBuffers],
    ];
  });
  const lag = metrics.histogram(
    'weir_event_loop_lag_seconds',
    'How much later than asked a timer fires, sampled ten times a second',
    LAG_BUCKETS_SECONDS,
  );
  let dueMs = performance.now() + LAG_SAMPLE_MS;
  const sample = (): void => {
    const nowMs = performance.now();
    lag.observe(Math.max(0, nowMs - dueMs) / 1000);
    dueMs = nowMs + LAG_SAMPLE_MS;
    setTimeout(sample, LAG_SAMPLE_MS).unref();
  };
  setTimeout(sample, LAG_SAMPLE_MS).unref();
}
