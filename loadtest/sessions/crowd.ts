/**
 * Crowd — many clients that do the same, so many at a time, with the time that each took.
 *
 * Fails with the first client that fails: a figure of a run that lost clients means nothing.
 */
import { setTimeout } from 'node:timers/promises';
import { LightClient } from './light-client.ts';
import type { LightClientOptions } from './light-client.ts';
import { Samples } from './samples.ts';

/** Connects under way at once: enough to fill every turn, few enough for a socket's backlog. */
const AT_ONCE = 200;

export interface CrowdTime {
  readonly ms: number;
  readonly samples: Samples;
}

/** Calls `task` for 0 … count − 1; it returns its own time, or nothing to have it taken here. */
export async function each(
  count: number,
  task: (index: number) => Promise<number | void>,
  atOnce: number = AT_ONCE,
): Promise<CrowdTime> {
  const samples = new Samples();
  const startMs = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      const fromMs = performance.now();
      const own = await task(index);
      samples.add(own ?? performance.now() - fromMs);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker));
  return { ms: performance.now() - startMs, samples };
}

export interface SleeperOptions {
  readonly count: number;
  readonly name: string;
  readonly ports: readonly number[];
  readonly filtersOf: (index: number) => readonly string[];
}

/** Stored sessions that have subscribed and gone. → time of CONNECT to SUBACK and away. */
export async function putToSleep(options: SleeperOptions): Promise<CrowdTime> {
  const { count, name, ports, filtersOf } = options;
  return each(count, async (index) => {
    const client = await LightClient.open({
      port: ports[index % ports.length] as number,
      identifier: `${name}-${index}`,
    });
    const filters = filtersOf(index);
    if (filters.length > 0) await client.subscribe(filters);
    await client.leave();
    return client.connackMs;
  });
}

/** Opens until it succeeds: a gateway that has just died leaves identifiers to be taken over. */
export async function openAgain(options: LightClientOptions, retryMs = 50): Promise<LightClient> {
  const deadlineMs = performance.now() + 120_000;
  for (;;) {
    try {
      return await LightClient.open(options);
    } catch (cause) {
      if (performance.now() > deadlineMs) throw cause;
      await setTimeout(retryMs);
    }
  }
}
