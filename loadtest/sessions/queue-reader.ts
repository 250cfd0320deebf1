/** Queue reader — a stored session that comes back and takes what waits for it, all in order. */
import { LightClient } from './light-client.ts';
import { numberOf } from './pump.ts';

const LIMIT_MS = 120_000;

/** Resolves when the messages 0 … count − 1 have come; → CONNECT to the last of them, ms. */
export async function readQueue(port: number, identifier: string, count: number): Promise<number> {
  const startMs = performance.now();
  let next = 0;
  let onEnd = (_fault?: Error): void => undefined;
  const all = new Promise<void>((resolve, reject) => {
    onEnd = (fault) => (fault === undefined ? resolve() : reject(fault));
  });
  const late = setTimeout(
    () => onEnd(new Error(`${identifier} got ${next} of ${count}`)),
    LIMIT_MS,
  );
  const client = await LightClient.open({
    port,
    identifier,
    onMessage: (bytes, payloadStart) => {
      const number = numberOf(bytes, payloadStart);
      if (number !== next) onEnd(new Error(`${identifier} got ${number} instead of ${next}`));
      if (++next === count) onEnd();
    },
  });
  if (!client.sessionPresent) throw new Error(`${identifier} was forgotten`);
  await all;
  clearTimeout(late);
  const ms = performance.now() - startMs;
  await client.leave();
  return ms;
}
