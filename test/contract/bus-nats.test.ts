import { setTimeout as pass } from 'node:timers/promises';
import { connectNats, type Bus } from '#bus';
import { startNatsServer } from '../fixtures/nats-server.ts';
import { waitFor } from '../fixtures/wait-for.ts';
import { busContract } from './bus.contract.ts';

busContract('nats-server', async () => {
  const server = await startNatsServer();
  const buses: Bus[] = [];
  return {
    async connect(name) {
      const bus = await connectNats({ servers: server.url, name });
      buses.push(bus);
      return bus;
    },
    until: (condition, msMax = 5_000) =>
      waitFor(condition, { limitMs: msMax }).then(() => undefined),
    pass: (ms) => pass(ms),
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
