/**
 * Edge — everything of a gateway that touches sockets: listeners, connections, their shared parts.
 *
 * Owner: one per process. Bound: `connectionCountMax` connections, HANDSHAKES_WAITING_MAX sockets
 *        that wait for their handshake; more are closed as `server_busy`.
 * Pause: while the core wants none read, all sockets are held; new ones begin held.
 * Ends:  `close` stops accepting, lets acknowledgements under way arrive, tells everybody.
 */
import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { Clock } from '#base';
import type { Directory } from '#registry';
import type { Logger, Metrics } from '#runtime';
import type { SessionLimits } from '#session';
import { ConnectFlow } from './connect-flow.ts';
import { Connection } from './connection.ts';
import { ConnectionLog } from './connection-log.ts';
import type { EdgeParts } from './edge-parts.ts';
import { FlushSchedule } from './flush-schedule.ts';
import { GatewayMetrics } from './gateway-metrics.ts';
import { Handshake } from './handshake.ts';
import type { HandshakeOutcome } from './handshake.ts';
import { HandshakeQueue } from './handshake-queue.ts';
import { KeepAliveWheel } from './keep-alive-wheel.ts';
import { CONNECT_TIMEOUT_SECONDS, RESUMPTIONS_PER_TURN } from './limits.ts';
import { listen } from './listener.ts';
import type { Listener } from './listener.ts';
import type { PeerCertificates } from './peer-certificates.ts';
import { peerCertificatesOf } from './peer-certificates.ts';
import type { GatewayCore } from './port.ts';
import { TurnQueue } from './turn-queue.ts';

/** At an orderly end, acknowledgements under way get this long, milliseconds. */
const DRAIN_MS = 500;
const DRAIN_POLL_MS = 10;
const LOOPBACK = '127.0.0.1';

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
  readonly #listeners: Listener[] = [];
  readonly #handshakes: HandshakeQueue;
  #secureContext: SecureContext | undefined;
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
    this.#handshakes = new HandshakeQueue(clock, (handshake) => {
      metrics.handshakesWaiting = this.#handshakes.size;
      if (this.#secureContext !== undefined) handshake.begin(this.#secureContext);
    });
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
    core.onPause((paused) => this.#pause(paused));
    wheel.start();
  }

  /** Connections that are not over. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  async listenPlain(port: number): Promise<Listener> {
    const listener = await listen(LOOPBACK, port, (socket) => {
      if (this.#mayAccept(socket)) this.#connect(socket, undefined);
    });
    this.#listeners.push(listener);
    this.#options.logger.warn('open listener', {
      host: LOOPBACK,
      port: listener.port,
      why: 'everybody on this machine may publish and subscribe anywhere',
    });
    return listener;
  }

  async listenTls(host: string, port: number, context: SecureContext): Promise<Listener> {
    this.#secureContext = context;
    const listener = await listen(host, port, (socket) => {
      if (this.#mayAccept(socket)) this.#shakeHands(socket);
    });
    this.#listeners.push(listener);
    return listener;
  }

  /** Tells every client, closes every socket. May be called twice. */
  async close(): Promise<void> {
    for (const listener of this.#listeners.splice(0)) listener.close();
    this.#pause(true);
    await this.#drained();
    this.#connects.close();
    for (const connection of this.#connections) connection.close('server_shutting_down');
    this.#parts.schedule.flush();
    this.wheel.stop();
  }

  #mayAccept(socket: Socket): boolean {
    const { metrics } = this;
    metrics.connectionsAccepted++;
    const isFull = metrics.connectionsOpen >= this.#options.connectionCountMax;
    if (isFull || this.#handshakes.isFull) {
      metrics.ended.server_busy++;
      socket.on('error', () => socket.destroy());
      socket.destroy();
      return false;
    }
    metrics.connectionsOpen++;
    socket.once('close', () => metrics.connectionsOpen--);
    return true;
  }

  #shakeHands(socket: Socket): void {
    const { metrics, wheel } = this;
    const onHello = (): void => {
      this.#handshakes.add(handshake);
      metrics.handshakesWaiting = this.#handshakes.size;
    };
    const onDone = (outcome: HandshakeOutcome): void => {
      wheel.disarm(handshake);
      this.#handshakes.remove(handshake);
      const { secure } = handshake;
      if (outcome === 'secure' && secure !== undefined) {
        this.#connect(secure, peerCertificatesOf(secure));
      } else {
        metrics.ended[outcome === 'timed_out' ? 'connect_timeout' : 'tls_handshake_failed']++;
      }
    };
    const handshake = new Handshake(socket, onHello, onDone);
    wheel.arm(handshake, CONNECT_TIMEOUT_SECONDS);
  }

  #connect(socket: Socket, certificates: PeerCertificates | undefined): void {
    const number = this.#nextConnectionNumber++;
    this.#connections.add(new Connection(this.#parts, number, socket, certificates));
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
