/**
 * Bus health — readiness that follows the connection to NATS (design §8: off after 15 s without).
 *
 * Shape: a short outage is no reason to be taken out of a load balancer: all connections go on as
 *        they stood when it is over.
 */
import type { Clock } from '#base';
import type { Health } from './health.ts';
import type { Logger } from './logger.ts';

/** NATS may be away so long before readiness turns off, ms. */
export const UNREADY_AFTER_MS = 15_000;

/** What is needed of the bus (lib/bus is no business of this room). */
export interface ConnectionSource {
  readonly connected: boolean;
  onConnection(listener: (connected: boolean) => void): () => void;
}

/**
 * Keeps the part `nats` of `health`, and logs each change. Returns a remover: call it before the
 * bus is closed on purpose, which is no loss.
 */
export function followBusHealth(
  source: ConnectionSource,
  { health, logger, clock }: { health: Health; logger: Logger; clock: Clock },
): () => void {
  health.setReady('nats', source.connected, 'NATS cannot be reached');
  let changes = 0;
  return source.onConnection((connected) => {
    const change = ++changes;
    if (connected) {
      health.setReady('nats', true);
      logger.info('NATS reached again');
      return;
    }
    logger.warn('NATS connection lost');
    clock.after(UNREADY_AFTER_MS, () => {
      if (change === changes) health.setReady('nats', false, 'NATS cannot be reached');
    });
  });
}
