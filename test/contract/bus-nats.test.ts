import { connectNats, type Bus } from '#bus';
import { startNatsServer } from '../fixtures/nats-server.ts';
import { busContract } from './bus.contract.ts';

const POLL_MS = 2;

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

busContract('nats-server', async () => {
  const server = await startNatsServer();
  const buses: Bus[] = [];
  return {
    async connect(name) {
      const bus = await connectNats({ servers: server.url, name });
      buses.push(bus);
      return bus;
    },
    async until(condition, msMax = 5_000) {
      const deadline = performance.now() + msMax;
      while (!condition()) {
        if (performance.now() > deadline) throw new Error(`not within ${msMax} ms: ${condition}`);
        await wait(POLL_MS);
      }
    },
    pass: wait,
    crash: () => server.kill(),
    recover: () => server.restart(),
    stand: () => server.pause(),
    go: () => server.resume(),
    async end() {
      for (const bus of buses) await bus.close();
      await server.stop();
    },
  };
});
