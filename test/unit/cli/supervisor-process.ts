/** A supervisor to be killed: a stand-in and a foreign program; prints their process ids. */
import { Supervisor } from '../../../services/cli/dev/supervisor.ts';

const [standIn = '', port = '0'] = process.argv.slice(2);
const common = { command: process.execPath, env: process.env };
const foreign = ['-e', 'setInterval(() => undefined, 1000)'];
const supervisor = new Supervisor({
  table: [
    {
      processes: [
        {
          ...common,
          name: 'own',
          args: [standIn, port],
          ports: [],
          readyUrl: `http://127.0.0.1:${port}/readyz`,
          watchesParent: true,
        },
        {
          ...common,
          name: 'foreign',
          args: foreign,
          ports: [],
          readyUrl: undefined,
          watchesParent: false,
        },
      ],
    },
  ],
  restart: true,
  onLine: () => undefined,
  onNotice: () => undefined,
  onChange: () => undefined,
  beforeStart: async () => undefined,
});
await supervisor.start();
const pids = Array.from(supervisor.processes.values(), ({ pid }) => pid);
process.stdout.write(`${JSON.stringify(pids)}\n`);
