/**
 * Filter index bench — 1,000,000 filters in five shapes (design §5).
 *
 * Prints bytes per filter (heap + external + array buffers after forced collections), load rate,
 * cost of a match (hits and misses over all shapes), the longest single add and the longest pause
 * of the event loop while loading in ticks of 1,000 filters. Exits 1 when a goal is missed.
 * Run: node --expose-gc loadtest/filter-index-bench.ts [filters]
 */
import { cpus } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { FilterIndex } from '#topics';

const GOALS = {
  bytesPerFilterMax: 150,
  matchMicrosecondsMax: 1.5,
  loadPerSecondMin: 300_000,
  pauseMsMax: 100,
};
const FILTERS = Number(process.argv[2] ?? 1_000_000);
const TICK_FILTERS = 1_000;
const TOPICS = 100_000;

const SHAPES: readonly ((i: number) => string)[] = [
  (i) => `site/${i % 1_000}/device/${i}/temperature`,
  (i) => `site/${i % 1_000}/device/${i}/+`,
  (i) => `fleet/${i}/+/status`,
  (i) => `tenant/${i % 100}/user/${i}/#`,
  (i) => `+/command/${i}`,
];
const TOPIC_OF_SHAPE: readonly ((i: number) => string)[] = [
  (i) => `site/${i % 1_000}/device/${i}/temperature`,
  (i) => `site/${i % 1_000}/device/${i}/humidity`,
  (i) => `fleet/${i}/truck/status`,
  (i) => `tenant/${i % 100}/user/${i}/inbox/new`,
  (i) => `gateway-4/command/${i}`,
];

/** As a decoder makes strings: flat ones of their own, not slices or ropes. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

function usedBytes(): number {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error('run with --expose-gc');
  for (let i = 0; i < 4; i++) gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

async function load(index: FilterIndex) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  let addMsMax = 0;
  let busyMs = 0;
  for (let from = 0; from < FILTERS; from += TICK_FILTERS) {
    const batch: string[] = [];
    for (let i = from; i < Math.min(FILTERS, from + TICK_FILTERS); i++) {
      batch.push(flat((SHAPES[i % SHAPES.length] as (n: number) => string)(i)));
    }
    const start = performance.now();
    let last = start;
    for (let i = 0; i < batch.length; i++) {
      index.add(batch[i] as string, from + i);
      const now = performance.now();
      if (now - last > addMsMax) addMsMax = now - last;
      last = now;
    }
    busyMs += last - start;
    await nextTurn();
  }
  delay.disable();
  return { addMsMax, busyMs, pauseMsMax: delay.max / 1e6 };
}

function measureMatch(index: FilterIndex): { microseconds: number; hits: number } {
  const topics: string[] = [];
  for (let k = 0; k < TOPICS; k++) {
    const i = Math.floor((k * 7_919) % FILTERS);
    topics.push(flat((TOPIC_OF_SHAPE[i % SHAPES.length] as (n: number) => string)(i)));
  }
  const out: number[] = [];
  let hits = 0;
  for (let k = 0; k < TOPICS / 5; k++) index.matchInto(topics[k] as string, out);
  const start = performance.now();
  for (let k = 0; k < TOPICS; k++) hits += index.matchInto(topics[k] as string, out);
  return { microseconds: ((performance.now() - start) * 1_000) / TOPICS, hits };
}

const before = usedBytes();
const index = new FilterIndex({ seed: 12_345 });
const { addMsMax, busyMs, pauseMsMax } = await load(index);
const bytesPerFilter = (usedBytes() - before) / FILTERS;
const { microseconds, hits } = measureMatch(index);
const loadPerSecond = FILTERS / (busyMs / 1_000);

process.stdout.write(
  [
    `${cpus()[0]?.model ?? 'unknown CPU'}, Node ${process.version}, ${FILTERS} filters, seed 12345`,
    `bytes per filter   ${bytesPerFilter.toFixed(1)} (goal ≤ ${GOALS.bytesPerFilterMax})`,
    `load               ${Math.round(loadPerSecond)} filters/s (goal ≥ ${GOALS.loadPerSecondMin})`,
    `match              ${microseconds.toFixed(3)} µs, ${hits} hits in ${TOPICS} topics ` +
      `(goal ≤ ${GOALS.matchMicrosecondsMax})`,
    `longest add        ${addMsMax.toFixed(2)} ms`,
    `longest loop pause ${pauseMsMax.toFixed(1)} ms (goal ≤ ${GOALS.pauseMsMax})`,
    '',
  ].join('\n'),
);
const met =
  bytesPerFilter <= GOALS.bytesPerFilterMax &&
  microseconds <= GOALS.matchMicrosecondsMax &&
  loadPerSecond >= GOALS.loadPerSecondMin &&
  Math.max(pauseMsMax, addMsMax) <= GOALS.pauseMsMax &&
  hits >= TOPICS;
process.exitCode = met ? 0 : 1;
