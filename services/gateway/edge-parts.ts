/**
 * What all connections of a gateway share; made once by `createEdge`.
 */
import type { Clock } from '#base';
import type { SessionLimits } from '#session';
import type { ConnectFlow } from './connect-flow.ts';
import type { Connection } from './connection.ts';
import type { ConnectionLog } from './connection-log.ts';
import type { FlushSchedule } from './flush-schedule.ts';
import type { GatewayMetrics } from './gateway-metrics.ts';
import type { KeepAliveWheel } from './keep-alive-wheel.ts';
import type { GatewayCore } from './port.ts';
import type { TurnQueue } from './turn-queue.ts';

export interface EdgeParts {
  readonly clock: Clock;
  readonly core: GatewayCore;
  readonly limits: SessionLimits;
  /** Bytes that may wait for one client. */
  readonly outboundBytesMax: number;
  readonly wheel: KeepAliveWheel;
  readonly schedule: FlushSchedule;
  readonly metrics: GatewayMetrics;
  readonly log: ConnectionLog;
  readonly connects: ConnectFlow;
  /** Connections whose holds are gone. */
  readonly resumptions: TurnQueue<Connection>;
  /** The core wants no client to be read. */
  isPaused(): boolean;
  /** The connection is over. */
  forget(connection: Connection): void;
}
