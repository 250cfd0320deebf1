import { MemoryCluster, SimClock } from '#bus';
import { busContract } from './bus.contract.ts';
import { seededRandom } from '../fixtures/seeded-random.ts';

for (const seed of [1, 2, 3]) {
  busContract(`memory, seed ${seed}`, () => {
    const clock = new SimClock();
    const cluster = new MemoryCluster(clock, seededRandom(seed));
    return Promise.resolve({
      connect: (name) => Promise.resolve(cluster.connect(name)),
      until(condition, msMax = 5_000) {
        return clock.runUntil(condition, clock.nowMs() + msMax)
          ? Promise.resolve()
          : Promise.reject(new Error(`not within ${msMax} ms: ${condition}`));
      },
      pass: (ms) => Promise.resolve(clock.run(clock.nowMs() + ms)),
      crash: () => Promise.resolve(cluster.crash()),
      recover: () => Promise.resolve(cluster.recover()),
      stand: () => Promise.resolve(cluster.stop()),
      go: () => cluster.recover(),
      end: () => Promise.resolve(),
    });
  });
}
