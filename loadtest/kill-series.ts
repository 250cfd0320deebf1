/**
 * npm run test:kill — kill −9 of the publishing gateway at random moments, many times.
 *
 * `npm run test:kill [-- [--kills COUNT] [--seed NUMBER]]`. Prints the seed, a line for each kill
 * and the counts; exit code 1 when anything with a PUBACK is missing at the subscriber or at the
 * webhook, came out of order, or came twice without having been published twice.
 */
import { parseArgs } from 'node:util';
import { startDevCluster } from '../test/fixtures/dev-cluster.ts';
import { killPublishingGateway } from '../test/fixtures/gateway-kills.ts';
import { seededRandom } from '../test/fixtures/seeded-random.ts';

const KILLS_DEFAULT = '20';

const { values } = parseArgs({ options: { kills: { type: 'string' }, seed: { type: 'string' } } });
const kills = Number(values.kills ?? KILLS_DEFAULT);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
if (!Number.isInteger(kills) || !Number.isInteger(seed)) {
  console.error('--kills and --seed are whole numbers');
  process.exit(2);
}

const cluster = await startDevCluster({ plain: false });
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cluster.stop().then(() => process.exit(1)));
}
console.log(`seed ${seed}, ${kills} kills`);
try {
  const counts = await killPublishingGateway(cluster, {
    kills,
    random: seededRandom(seed),
    onKill: ({ number, openCount, backMs }) =>
      console.log(`kill ${number}: ${openCount} open, all back ${backMs.toFixed()} ms later`),
  });
  for (const [name, count] of Object.entries(counts)) console.log(`${name} ${count}`);
  console.log('nothing lost');
} catch (cause) {
  console.error(`${cluster.logs()}\nseed ${seed}: ${String(cause)}`);
  process.exitCode = 1;
} finally {
  await cluster.stop();
}
