/**
 * Connection log — lines about single connections, bounded per second.
 *
 * Refused and closed connections are counted by reason in any case; a storm of them must not fill
 * the disk or the loop, so lines above CONNECTION_LOG_LINES_PER_SECOND are only counted.
 */
import type { Clock, Reason } from '#base';
import { REASONS } from '#base';
import type { Logger } from '#runtime';
import type { GatewayMetrics } from './gateway-metrics.ts';
import { CONNECTION_LOG_LINES_PER_SECOND } from './limits.ts';

/** Ends of connections that say nothing worth a line above debug. */
const ORDINARY: ReadonlySet<Reason> = new Set([
  'client_disconnected',
  'connection_lost',
  'server_shutting_down',
]);

export class ConnectionLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #metrics: GatewayMetrics;
  #secondFromMs = 0;
  #lines = 0;

  constructor(logger: Logger, clock: Clock, metrics: GatewayMetrics) {
    this.#logger = logger;
    this.#clock = clock;
    this.#metrics = metrics;
  }

  ended(reason: Reason, isOpen: boolean, fields: object): void {
    const says = isOpen ? 'connection ended' : 'connection refused';
    if (ORDINARY.has(reason)) this.#logger.debug(says, { reason, ...fields });
    else if (this.#mayLog()) this.#logger.info(says, { reason, ...fields });
  }

  dropped(reason: Reason, fields: object): void {
    if (REASONS[reason].kind === 'refuse' && this.#mayLog()) {
      this.#logger.info('publish refused', { reason, ...fields });
    }
  }

  failed(error: unknown, fields: object): void {
    if (this.#mayLog()) this.#logger.error('connection failed', { error, ...fields });
  }

  #mayLog(): boolean {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#secondFromMs >= 1_000) {
      this.#secondFromMs = nowMs;
      this.#lines = 0;
    }
    this.#lines++;
    if (this.#lines <= CONNECTION_LOG_LINES_PER_SECOND) return true;
    this.#metrics.logLinesSuppressed++;
    return false;
  }
}
