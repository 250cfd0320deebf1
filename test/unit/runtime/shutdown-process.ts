/**
 * A process for shutdown.test.ts. Its argument chooses what its tasks do; it says `up` when ready.
 */
import { Fault } from '#base';
import { beginShutdown, createLogger, onShutdown, runMain } from '#runtime';

const mode = process.argv[2] ?? 'clean';
const say = (text: string): void => void process.stdout.write(`${text}\n`);

runMain(createLogger({ name: 'test' }), async () => {
  if (mode === 'fault') throw new Fault('WEIR_CONFIG', 'WEIR_X is wrong');
  if (mode === 'throw') throw new TypeError('a programmer error');
  onShutdown(async () => say('first registered'));
  if (mode === 'failing') onShutdown(() => Promise.reject(new Error('cannot close')));
  if (mode === 'hanging') onShutdown(() => new Promise(() => undefined));
  onShutdown(async (signal) => say(`last registered, ${signal}`));
  setInterval(() => undefined, 1_000);
  if (mode === 'self') beginShutdown('lost its lease', 3);
  say('up');
});
