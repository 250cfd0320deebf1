/**
 * npm run test:faults — faults on the processes of a real cluster, and the sums of all ledgers.
 *
 * `npm run test:faults -- [--minutes N] [--seed S] [--nats 1|3] [--gateways N] [--dispatchers N]
 * [--roles a,b] [--rate N] [--calm] [--replay FILE] [--out FILE]`. --replay strikes what a report
 * (--out) of an earlier run says. Exit code 1 when anything is broken; then the
 * first entries and the faults around them are shown. 2: wrong arguments.
 */
import { parseArgs } from 'node:util';
import { startDevCluster } from '../fixtures/dev-cluster.ts';
import { runFaults } from './fault-run.ts';
import { readStrikes, renderReport, writeReport } from './report.ts';
import { ROLES } from './role.ts';
import type { RoleName } from './role.ts';

const OPTIONS = {
  minutes: { type: 'string', default: '1' },
  seed: { type: 'string' },
  nats: { type: 'string', default: '1' },
  gateways: { type: 'string', default: '3' },
  dispatchers: { type: 'string', default: '2' },
  roles: { type: 'string' },
  rate: { type: 'string' },
  replay: { type: 'string' },
  calm: { type: 'boolean', default: false },
  out: { type: 'string' },
} as const;

const { values } = parseArgs({ options: OPTIONS });
const minutes = number('minutes', values.minutes);
const seed = number('seed', values.seed ?? String(Math.floor(Math.random() * 2 ** 32)));
const nats = number('nats', values.nats);
const roles = values.roles?.split(',').filter((name): name is RoleName => isRole(name));
if (nats !== 1 && nats !== 3) refuse('--nats is 1 or 3');

const cluster = await startDevCluster({
  nats: nats === 3 ? 3 : 1,
  gateways: number('gateways', values.gateways),
  dispatchers: number('dispatchers', values.dispatchers),
  env: { WEIR_ROUTER_RETRY_WAITS: '0.2,0.5,1' },
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cluster.stop().then(() => process.exit(1)));
}
try {
  console.log(`seed ${seed}, ${minutes} minutes, ${nats} nats-servers`);
  const report = await runFaults({
    ...{ cluster, seed, calm: values.calm, faultMs: minutes * 60_000 },
    ...(roles === undefined ? {} : { roles }),
    ...(values.replay === undefined ? {} : { replay: readStrikes(values.replay) }),
    ...(values.rate === undefined ? {} : { perSecond: number('rate', values.rate) }),
    onLine: (line) => console.log(line),
  });
  console.log(renderReport(report).join('\n'));
  if (values.out !== undefined) writeReport(values.out, report, cluster.logs());
  if (report.broken.length > 0) process.exitCode = 1;
} catch (cause) {
  console.error(`${cluster.logs()}\nseed ${seed}: ${String(cause)}`);
  process.exitCode = 1;
} finally {
  await cluster.stop();
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (!(value >= 0)) refuse(`--${name} is a number, not ${text}`);
  return value;
}

function isRole(name: string): boolean {
  if ((ROLES as readonly string[]).includes(name)) return true;
  return refuse(`--roles: ${name} is not one of ${ROLES.join(', ')}`);
}

function refuse(text: string): never {
  console.error(text);
  process.exit(2);
}
