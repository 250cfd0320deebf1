/**
 * Edge — everything of a gateway that touches sockets: listeners, connections, their shared parts.
 *
 * Owner: one per process. Bound: `connectionCountMax` connections; the entrance refuses more.
 * Pause: while the core wants none read, all sockets are held; new ones begin held.
 * Ends:  `close` stops accepting, lets acknowledgements under way arrive, tells everybody.
 */
import type { Clock } from '#base';
import type { Directory } from '#registry';
import type { Logger, Metrics } from '#runtime';
import type { SessionLimits } from '#session';
import { ConnectFlow } from './connect-flow.ts';
import { Connection } from './connection.ts';
import { ConnectionLog } from './connection-log.ts';
import type { EdgeParts } from './edge-parts.ts';
import { Entrance } from './entrance.ts';
import type { Arrival } from './entrance.ts';
import { FlushSchedule } from './flush-schedule.ts';
import { GatewayMetrics } from './gateway-metrics.ts';
import { KeepAliveWheel } from './keep-alive-wheel.ts';
import { RESUMPTIONS_PER_TURN, WEBSOCKET_MESSAGE_EXTRA_BYTES } from './limits.ts';
import type { Listener } from './listener.ts';
import type { ListenerPlan } from './listener-plan.ts';
import type { GatewayCore } from './port.ts';
import { TurnQueue } from './turn-queue.ts';

/** At an orderly end, acknowledgements under way get this long, milliseconds. */
const DRAIN_MS = 500;
const DRAIN_POLL_MS = 10;

export interface EdgeOptions {
  readonly core: GatewayCore;
  readonly directory: Directory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly limits: SessionLimits;
  readonly outboundBytesMax: number;
  readonly connectionCountMax: number;
}

export class Edge {
  readonly metrics: GatewayMetrics;
  readonly wheel: KeepAliveWheel;
  readonly #options: EdgeOptions;
  readonly #parts: EdgeParts;
  readonly #connects: ConnectFlow;
  readonly #connections = new Set<Connection>();
  readonly #entrance: Entrance;
  #nextConnectionNumber = 1;
  #isPaused = false;

  constructor(options: EdgeOptions) {
    const { clock, core, directory, limits, outboundBytesMax } = options;
    this.#options = options;
    const metrics = new GatewayMetrics(options.metrics);
    const wheel = new KeepAliveWheel(clock);
    this.metrics = metrics;
    this.wheel = wheel;
    this.#connects = new ConnectFlow(clock, core, directory);
    this.#parts = {
      clock,
      core,
      limits,
      outboundBytesMax,
      wheel,
      schedule: new FlushSchedule(),
      metrics,
      log: new ConnectionLog(options.logger, clock, metrics),
      connects: this.#connects,
      resumptions: new TurnQueue(RESUMPTIONS_PER_TURN, (connection) => connection.goOn()),
      isPaused: () => this.#isPaused,
      forget: (connection) => {
        this.#connections.delete(connection);
        this.#connects.forget(connection);
      },
    };
    this.#entrance = new Entrance({
      ...{ clock, wheel, metrics, log: this.#parts.log },
      connectionCountMax: options.connectionCountMax,
      webSocketMessageBytesMax: limits.maximumPacketSizeBytes + WEBSOCKET_MESSAGE_EXTRA_BYTES,
      onArrival: (arrival) => this.#connect(arrival),
    });
    core.onPause((paused) => this.#pause(paused));
    wheel.start();
  }

  /** Connections that are not over. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Port 0 takes a free one. Rejects with Fault WEIR_PORT_IN_USE. */
  listen(plan: ListenerPlan): Promise<Listener> {
    return this.#entrance.open(plan);
  }

  /** Tells every client, closes every socket. May be called twice. */
  async close(): Promise<void> {
    this.#entrance.close();
    this.#pause(true);
    await this.#drained();
    this.#connects.close();
    for (const connection of this.#connections) connection.close('server_shutting_down');
    this.#parts.schedule.flush();
    this.wheel.stop();
  }

  #connect({ socket, certificates, address, webSocket }: Arrival): void {
    const number = this.#nextConnectionNumber++;
    const connection = new Connection(this.#parts, number, socket, certificates, address);
    this.#connections.add(connection);
    if (webSocket !== undefined) webSocket.onFault = (reason) => connection.close(reason);
  }

  #pause(paused: boolean): void {
    if (this.#isPaused === paused) return;
    this.#isPaused = paused;
    for (const connection of this.#connections) connection.corePaused(paused);
  }

  #drained(): Promise<void> {
    const { clock } = this.#options;
    const deadlineMs = clock.nowMs() + DRAIN_MS;
    return new Promise((resolve) => {
      const look = (): void => {
        let isIdle = true;
        for (const { session } of this.#connections) {
          if (session.unacknowledgedCount > 0) isIdle = false;
        }
        if (isIdle || clock.nowMs() >= deadlineMs) resolve();
        else clock.after(DRAIN_POLL_MS, look);
      };
      look();
    });
  }
}
