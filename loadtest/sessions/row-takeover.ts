/** Row `takeover` — a session that is connected at one gateway connects at the other. */
import { putToSleep } from './crowd.ts';
import { LightClient } from './light-client.ts';
import { cpuOf, loopsOf } from './row.ts';
import type { Row, RowContext } from './row.ts';
import { Samples } from './samples.ts';

const SESSION_TAKEN_OVER = 0x8e;
/** Sessions that move; each does so again and again. */
const MOVERS = 20;

export const TAKEOVER_ROW: Row = {
  name: 'takeover',
  says: 'take-over from one gateway to the other, one at a time',
  run,
};

async function run({ sizes, say, startCluster }: RowContext): Promise<void> {
  const bench = await startCluster();
  const { ports } = bench;
  const filtersOf = (): string[] => ['mover/#'];
  await putToSleep({ count: MOVERS, name: 'mover', ports, filtersOf });
  const movers = await Promise.all(
    Array.from({ length: MOVERS }, (_, i) => {
      return LightClient.open({ port: ports[0], identifier: `mover-${i}` });
    }),
  );
  const samples = new Samples();
  await bench.beginWindow();
  for (let turn = 0; turn < sizes.takeOvers; turn++) {
    const index = turn % MOVERS;
    const older = movers[index] as LightClient;
    const told = new Promise<number | undefined>((resolve) => (older.onEnd = resolve));
    const identifier = older.identifier;
    const port = ports[(Math.floor(turn / MOVERS) + 1) % 2] as number;
    const newer = await LightClient.open({ port, identifier });
    samples.add(newer.connackMs);
    if (!newer.sessionPresent) throw new Error(`${identifier} was forgotten`);
    const code = await told;
    if (code !== SESSION_TAKEN_OVER) throw new Error(`${identifier} was told ${code}`);
    movers[index] = newer;
  }
  const window = await bench.endWindow();
  say('CONNECT to CONNACK', samples.toString(), '≤ 50 ms');
  say('', cpuOf(window, sizes.takeOvers));
  say('loops', loopsOf(window));
  await Promise.all(movers.map((mover) => mover.leave()));
}
