/**
 * Loop probe — preloaded into every process of a benched cluster: how long the event loop stood,
 * what memory is live, and a CPU profile, per window of time.
 *
 * Use:    NODE_OPTIONS=--import …/loop-probe.ts with WEIR_BENCH_PROBE=directory; SIGUSR2 ends a
 *         window and begins the next. Each writes `PID.N.json`, with WEIR_BENCH_PROFILE=1 also
 *         `PID.N.cpuprofile`.
 * Cost:   a timer every LOOK_MS; collecting garbage at the end of a window, not within.
 */
import { writeFileSync, renameSync } from 'node:fs';
import { Session } from 'node:inspector';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const LOOK_MS = 5;
const PROFILE_INTERVAL_MICROSECONDS = 500;

export interface ProbeReading {
  /** Longest time that the loop stood, ms. */
  readonly loopLongestMs: number;
  /** Live after a collection: heap, and buffers outside of it. */
  readonly heapBytes: number;
  readonly externalBytes: number;
}

const { WEIR_BENCH_PROBE: directory, WEIR_BENCH_PROFILE: profiles } = process.env;
const delays = monitorEventLoopDelay({ resolution: LOOK_MS });
const session = profiles === '1' ? new Session() : undefined;
let windows = 0;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function begin(): void {
  delays.reset();
  delays.enable();
  if (session === undefined) return;
  session.post('Profiler.start');
}

function end(): void {
  delays.disable();
  const loopLongestMs = Math.max(0, delays.max / 1e6 - LOOK_MS);
  const name = join(directory ?? '.', `${process.pid}.${windows++}`);
  session?.post('Profiler.stop', (fault, result) => {
    if (fault === null) writeFileSync(`${name}.cpuprofile`, JSON.stringify(result.profile));
  });
  collectGarbage();
  const { heapUsed: heapBytes, external: externalBytes } = process.memoryUsage();
  const reading: ProbeReading = { loopLongestMs, heapBytes, externalBytes };
  writeFileSync(`${name}.tmp`, JSON.stringify(reading));
  renameSync(`${name}.tmp`, `${name}.json`);
}

if (directory !== undefined) {
  if (session !== undefined) {
    session.connect();
    session.post('Profiler.enable');
    session.post('Profiler.setSamplingInterval', { interval: PROFILE_INTERVAL_MICROSECONDS });
  }
  begin();
  process.on('SIGUSR2', () => {
    end();
    begin();
  });
}
